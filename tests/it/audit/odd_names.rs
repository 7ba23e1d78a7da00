//! Names that are made to mislead whoever reads the lines.

use std::fs;

use tempfile::TempDir;

use super::wire::{Service, config, of};
use super::{events, files_with, text, verified};

/// Reads as `ada admin` on a screen; a line of its own to some readers; nothing at all; text of other scripts.
const NAMES: [&str; 4] = [
    "ada\u{202E}nimda",
    "ada\u{2028}{\"seq\":1}",
    "a\u{200B}d\u{FEFF}a",
    "адa ünal 木",
];

const CONTROLS: [&str; 4] = ["ada\nbob", "ada\u{1b}[2J", "ada\u{0}", "ada\u{9b}2J"];

#[tokio::test]
async fn no_name_looks_like_another_and_each_is_found_by_what_it_is() {
    let log = TempDir::new().expect("a directory");
    let service = Service::start(config(log.path())).await;
    let client = service.client().await;
    for name in NAMES {
        let session = of(&client, "required", name).create().await;
        session.expect("an owner may be called so");
    }
    // Controls are no part of a name.
    for name in CONTROLS {
        let refused = of(&client, "required", name).create().await;
        assert_eq!(refused.expect_err("refused").reason(), "INVALID_FIELD");
        // A note may be of many lines; it stands on one.
        let noted = of(&client, "required", "ada").invalidate().note(name);
        noted.await.expect("in force");
    }
    drop(client);
    service.stop().await;
    verified(log.path(), &[]);
    let lines = events(log.path());
    let users: Vec<&str> = lines.iter().map(|line| text(line, "user")).collect();
    assert_eq!(
        users[..NAMES.len()],
        NAMES,
        "the lines say what they were called"
    );
    let notes: Vec<&str> = lines.iter().map(|line| text(line, "note")).collect();
    let notes: Vec<&str> = notes.into_iter().filter(|note| !note.is_empty()).collect();
    assert_eq!(notes, CONTROLS);
    for file in files_with(log.path(), ".jsonl") {
        let written = fs::read_to_string(&file).expect("text");
        for c in [
            '\u{202E}', '\u{2028}', '\u{200B}', '\u{FEFF}', '\u{1b}', '\u{9b}',
        ] {
            assert!(!written.contains(c), "{c:?} in {}", file.display());
        }
        assert!(written.contains(r"ada\u202enimda") && written.contains("адa ünal 木"));
    }
}
