//! Temporary: serve only.

use tenure::config::{Config, File, Flag, Sources};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(2).collect();
    let mut sources = Sources {
        file: None,
        environment: std::env::vars().collect(),
        flags: vec![],
    };
    let mut args = args.into_iter();
    while let Some(name) = args.next() {
        if name == "--insecure" {
            sources.flags.push(Flag {
                name,
                key: "grpc.insecure".into(),
                value: "true".into(),
            });
            continue;
        }
        let value = args.next().unwrap();
        if name == "--config" {
            let text = std::fs::read_to_string(&value)?;
            sources.file = Some(File { path: value, text });
            continue;
        }
        let key = match name.as_str() {
            "--listen" => "grpc.listen",
            "--http" => "http.listen",
            _ => "store.url",
        };
        sources.flags.push(Flag {
            name,
            key: key.into(),
            value,
        });
    }
    match Config::load(&sources) {
        Ok(loaded) => tenure::server::run(loaded.config),
        Err(faults) => {
            eprintln!("{faults}");
            std::process::exit(2)
        }
    }
}
