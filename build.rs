//! Compiles the protos without protoc, and keeps the descriptors for reflection.

use std::path::PathBuf;
use std::{env, error::Error, fs};

use prost::Message as _;

const PROTOS: &[&str] = &[
    "tenure/v1/session.proto",
    "tenure/v1/session_service.proto",
    "tenure/v1/credential_service.proto",
    "tenure/admin/v1/admin_service.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // A session's state passes through as the bytes that came (see src/grpc/raw.rs). Maps are ordered, so
    // that equal requests have equal bytes.
    tonic_prost_build::configure()
        // Who answers which operation is said in src/grpc/services.rs.
        .build_client(false)
        .build_server(false)
        .btree_map(".")
        .bytes(".")
        // What holds a secret prints itself by hand (see src/grpc/redacted.rs): without it.
        .skip_debug([".tenure.v1.Credential", ".tenure.v1.OAuthTokenSet"])
        .extern_path(".google.protobuf.Struct", "crate::grpc::raw::RawStruct")
        .extern_path(".google.protobuf.ListValue", "crate::grpc::raw::RawList")
        .compile_fds(descriptors)?;
    Ok(())
}
