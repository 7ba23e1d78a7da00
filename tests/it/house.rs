//! The house: imports point one way, and what is foreign stays in its own room.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the ground up. A room may use those below it, not those beside or above.
const STOREYS: &[&[&str]] = &[
    &["private", "visible"],
    &["audit"],
    &["session", "call"],
    &["config", "mint"],
    &["telemetry"],
    &["store", "vault", "callers"],
    &["events"],
    &["sessions"],
    &["grpc", "signals", "http"],
    &["server"],
    &["cli"],
    &["main", "lib"],
];

/// Crates by the beginning of their names, and the only rooms (or files) that may use them.
const FOREIGN: &[(&[&str], &[&str])] = &[
    (
        &["tonic", "prost", "tenure_client"],
        &["grpc", "server", "cli", "telemetry/otlp"],
    ),
    (&["opentelemetry"], &["telemetry"]),
    (&["tracing_opentelemetry"], &["telemetry"]),
    (&["redis", "deadpool", "fred"], &["store/redis"]),
    (
        &["jsonwebtoken", "x509_parser", "hyper_rustls"],
        &["callers"],
    ),
    (&["redb", "rusqlite", "sled", "fjall"], &["store/file"]),
];

/// A source file, as a module and as text without comments.
struct Source {
    /// `session/wire`, `main`.
    module: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &mut found);
    assert!(found.len() > 20, "the sources are there");
    found
        .iter()
        .map(|path| {
            let module = path.strip_prefix(&root).expect("below src");
            let text = fs::read_to_string(path).expect("a source file");
            Source {
                module: module.with_extension("").display().to_string(),
                code: without_comments(&text),
            }
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn without_comments(text: &str) -> String {
    let code = text.lines().map(|line| {
        let comment = line.find("//").filter(|&at| !line[..at].ends_with(':'));
        &line[..comment.unwrap_or(line.len())]
    });
    code.collect::<Vec<_>>().join("\n")
}

impl Source {
    fn room(&self) -> &str {
        self.module.split('/').next().unwrap_or_default()
    }

    /// The rooms that its paths lead to.
    fn leads_to(&self) -> Vec<String> {
        let up = "super::".repeat(self.module.split('/').count());
        let mut rooms = Vec::new();
        for root in ["crate::", up.as_str()] {
            for (at, _) in self.code.match_indices(root) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|c| c == ':' || c == '_' || c.is_alphanumeric()) {
                    continue;
                }
                rooms.extend(first_names(&self.code[at + root.len()..]));
            }
        }
        rooms
    }

    /// Whether a path of it begins with such a crate.
    fn uses(&self, foreign: &str) -> bool {
        let own = self.has_own(foreign);
        self.code.match_indices(foreign).any(|(at, _)| {
            // `::name` is the crate, whatever else has that name here.
            let outright = self.code[..at].strip_suffix("::");
            let before = outright.unwrap_or(&self.code[..at]).chars().next_back();
            let name_ends = self.code[at..].find(|c: char| c != '_' && !c.is_alphanumeric());
            let after = name_ends.map_or("", |end| &self.code[at + end..]);
            let is_start = before.is_none_or(|c| c.is_whitespace() || "({<&!,[".contains(c));
            is_start && after.starts_with("::") && (outright.is_some() || !own)
        })
    }

    /// Whether a module of ours goes by the name of such a crate here.
    fn has_own(&self, foreign: &str) -> bool {
        [
            format!("mod {foreign};"),
            format!("mod {foreign} {{"),
            format!("::{foreign}::{{self"),
            format!("::{foreign};"),
        ]
        .iter()
        .any(|declared| self.code.contains(declared.as_str()))
    }
}

/// The first name of each path of a `use`: of `a::b` it is `a`, of `{a::b, c}` they are `a` and `c`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| {
        let end = text.find(|c: char| c != '_' && !c.is_alphanumeric());
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn storey(room: &str) -> usize {
    let found = STOREYS.iter().position(|rooms| rooms.contains(&room));
    found.unwrap_or_else(|| panic!("give the room `{room}` its place in STOREYS"))
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for source in sources() {
        for room in source.leads_to() {
            if room == source.room() || !STOREYS.iter().any(|rooms| rooms.contains(&&*room)) {
                continue;
            }
            if storey(&room) >= storey(source.room()) {
                wrong.push(format!("{} uses {room}", source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_has_its_storey() {
    for source in sources() {
        storey(source.room());
    }
}

#[test]
fn foreign_crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (crates, rooms) in FOREIGN {
            let at_home = rooms.iter().any(|room| {
                source.module == *room || source.module.starts_with(&format!("{room}/"))
            });
            let mut used = crates.iter().filter(|name| source.uses(name));
            if let (false, Some(name)) = (at_home, used.next()) {
                wrong.push(format!("{} uses {name}", source.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_paths_reads_them() {
    assert_eq!(first_names("store::Store;"), ["store"]);
    assert_eq!(first_names("{a::{b, c}, d, e::f};"), ["a", "d", "e"]);
    let source = Source {
        module: "session/wire".into(),
        code: "use super::super::store::Store;\nfn f(_: &crate::grpc::X) { tonic::a() }\n// crate::cli"
            .into(),
    };
    assert_eq!(source.leads_to(), ["grpc", "cli", "store"]);
    assert!(source.uses("tonic") && !source.uses("prost"));
    for (code, uses) in [
        ("use redis::Client;", true),
        ("mod redis;\nredis::open()", false),
        ("use super::redis::{self, Settings};\nredis::open()", false),
        ("mod redis;\nuse ::redis::Client;", true),
    ] {
        let source = Source {
            module: "config".into(),
            code: code.into(),
        };
        assert_eq!(source.uses("redis"), uses, "{code}");
    }
    assert_eq!(without_comments("a // crate::cli"), "a ");
}
