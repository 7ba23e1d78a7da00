//! Every way to change a log is found.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::super::chain::{Chain, Line};
use super::super::{Anchor, SigningKey, files, verify};
use super::{copied, findings, several_files, signed, write};

#[derive(Clone, Debug)]
enum Tampering {
    ChangeByte { at: usize, to: u8 },
    Delete { line: usize },
    Duplicate { line: usize, behind: usize },
    Swap { line: usize, with: usize },
    Truncate { at: usize },
    CutLines { keep: usize },
    Insert { before: usize, text: String },
    RemoveFile { file: usize },
    SwapFiles { file: usize },
    RemoveHead,
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let number = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 30));
    prop_oneof![
        (number(), any::<u8>()).prop_map(|(at, to)| Tampering::ChangeByte { at, to }),
        number().prop_map(|line| Tampering::Delete { line }),
        (number(), number()).prop_map(|(line, behind)| Tampering::Duplicate { line, behind }),
        (number(), number()).prop_map(|(line, with)| Tampering::Swap { line, with }),
        number().prop_map(|at| Tampering::Truncate { at }),
        number().prop_map(|keep| Tampering::CutLines { keep }),
        (number(), "[ -~]{0,80}").prop_map(|(before, text)| Tampering::Insert { before, text }),
        number().prop_map(|file| Tampering::RemoveFile { file }),
        number().prop_map(|file| Tampering::SwapFiles { file }),
        Just(Tampering::RemoveHead),
    ]
}

/// Tampers with one file of the log. False if nothing has changed by it.
fn tamper(directory: &Path, file: usize, tampering: &Tampering) -> bool {
    let files = files::list(directory).unwrap();
    let path = &files[file % files.len()];
    let old = fs::read(path).unwrap();
    let mut lines: Vec<Vec<u8>> = old
        .split_inclusive(|b| *b == b'\n')
        .map(Vec::from)
        .collect();
    let count = lines.len();
    match tampering {
        Tampering::ChangeByte { at, to } => {
            let mut new = old.clone();
            new[at % old.len()] = *to;
            fs::write(path, &new).unwrap();
            return new != old;
        }
        Tampering::Delete { line } => drop(lines.remove(line % count)),
        Tampering::Duplicate { line, behind } => {
            let copy = lines[line % count].clone();
            lines.insert(behind % (count + 1), copy);
        }
        Tampering::Swap { line, with } => lines.swap(line % count, with % count),
        Tampering::Truncate { at } => {
            fs::write(path, &old[..at % old.len()]).unwrap();
            return true;
        }
        Tampering::CutLines { keep } => lines.truncate(keep % count),
        Tampering::Insert { before, text } => {
            lines.insert(before % (count + 1), format!("{text}\n").into_bytes());
        }
        Tampering::RemoveFile { file } => {
            fs::remove_file(&files[file % files.len()]).unwrap();
            return true;
        }
        Tampering::SwapFiles { file } => {
            let other = &files[file % files.len()];
            let content = fs::read(other).unwrap();
            fs::write(other, &old).unwrap();
            fs::write(path, &content).unwrap();
            return other != path;
        }
        Tampering::RemoveHead => {
            fs::remove_file(directory.join("head.json")).unwrap();
            return true;
        }
    }
    let new = lines.concat();
    fs::write(path, &new).unwrap();
    new != old
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_tampering_is_found(file in any::<prop::sample::Index>(), tampering in tampering()) {
        let (log, _, public) = several_files();
        let copy = copied(log.path());
        let changed = tamper(copy.path(), file.index(1000), &tampering);
        prop_assert_eq!(changed, !findings(copy.path(), &[]).is_empty());
        prop_assert_eq!(changed, !findings(copy.path(), &[*public]).is_empty());
    }
}

#[test]
fn every_changed_byte_of_a_file_is_found() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (settings, _) = signed(log.path(), keys.path());
    write(&settings, 1);
    let file = &files::list(log.path()).unwrap()[0];
    let old = fs::read(file).unwrap();
    for at in 0..old.len() {
        for flip in [1, 0x20, 0x80] {
            let mut new = old.clone();
            new[at] ^= flip;
            fs::write(file, &new).unwrap();
            assert!(!findings(log.path(), &[]).is_empty(), "byte {at} ^ {flip}");
        }
    }
}

#[test]
fn a_finding_says_where() {
    let (log, _, _) = several_files();
    let copy = copied(log.path());
    let path = files::list(copy.path()).unwrap()[0].clone();
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&path, text.replacen("call-1\"", "call-9\"", 1)).unwrap();
    let shown = path.display();
    assert_eq!(
        findings(copy.path(), &[]),
        [format!(
            "{shown}:3: line 3 was changed, or what it follows on was"
        )]
    );
    let without: Vec<&str> = [&lines[..2], &lines[3..]].concat();
    fs::write(&path, without.join("\n") + "\n").unwrap();
    assert_eq!(
        findings(copy.path(), &[]),
        [format!("{shown}:3: line 3 is missing before line 4")]
    );
    let twice: Vec<&str> = [&lines[..3], &lines[2..]].concat();
    fs::write(&path, twice.join("\n") + "\n").unwrap();
    assert_eq!(
        findings(copy.path(), &[]),
        [format!(
            "{shown}:4: line 3 stands behind line 3: repeated or moved"
        )]
    );
}

#[test]
fn logs_that_are_spliced_are_found() {
    let (log, keys, public) = several_files();
    // Another log, signed by the same key.
    let other = tempfile::tempdir().unwrap();
    let (mut settings, _) = signed(other.path(), keys.path());
    settings.rotate_bytes = 1500;
    write(&settings, 10);
    write(&settings, 10);
    let (mine, theirs) = (
        files::list(log.path()).unwrap(),
        files::list(other.path()).unwrap(),
    );
    for cut in 1..mine.len().min(theirs.len()) {
        let spliced = [&mine[..cut], &theirs[cut..]].concat();
        let report = verify(&spliced, &[*public], &[], false).unwrap();
        assert!(!report.findings.is_empty(), "{cut}");
    }
    let copy = copied(other.path());
    fs::copy(log.path().join("head.json"), copy.path().join("head.json")).unwrap();
    assert!(!findings(copy.path(), &[*public]).is_empty());
}

/// Somebody without the key writes the whole log anew: every hash fits.
fn rewritten(text: &str) -> String {
    let mut chain = Chain::EMPTY;
    let mut out = Vec::new();
    for line in text.lines() {
        let line = Line::parse(line.as_bytes()).expect("a line");
        let mut fields: serde_json::Map<String, serde_json::Value> = line.fields().unwrap();
        fields.shift_remove("seq");
        if fields.contains_key("previous") {
            fields.insert("previous".to_owned(), chain.hash.to_hex().into());
        }
        let fields = serde_json::to_vec(&fields).unwrap();
        chain.add(&fields, &mut out);
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn a_log_that_is_written_anew_needs_the_key() {
    let (log, keys) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (settings, public) = signed(log.path(), keys.path());
    write(&settings, 5);
    let path = files::list(log.path()).unwrap()[0].clone();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(rewritten(&text), text, "nothing was changed yet");
    let forged = rewritten(&text.replace("acme", "evil"));
    fs::write(&path, &forged).unwrap();
    let last = Line::parse(forged.lines().last().unwrap().as_bytes()).unwrap();
    let head = format!(r#"{{"seq":{},"hash":"{}"}}"#, last.seq, last.hash.to_hex());
    fs::write(log.path().join("head.json"), head).unwrap();
    // Nobody can tell without a signature…
    assert_eq!(findings(log.path(), &[]), [""; 0]);
    // …and everybody with one, or with a head from elsewhere.
    assert!(findings(log.path(), &[public]).len() >= 2);
    let honest = Line::parse(text.lines().nth(3).unwrap().as_bytes()).unwrap();
    let anchor = Anchor {
        line: honest.seq,
        hash: honest.hash.to_hex(),
    };
    let report = verify(&[log.path().to_owned()], &[], &[anchor], false).unwrap();
    assert_eq!(report.findings.len(), 1);
    // A key of somebody else is no key.
    let other = SigningKey::generate(&keys.path().join("other.pem")).unwrap();
    assert!(!findings(log.path(), &[other.public()]).is_empty());
}
