//! Whether a log is what was written.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Fault;
use super::chain::{Chain, Hash, Line};
use super::files::{self, Head, Opened};
use super::keys::PublicKey;

/// No line is longer. One that is has not been written by us.
const LONGEST: u64 = 1024 * 1024;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub file: PathBuf,
    /// In which line of the file, counted from 1; 0 if it is about the file.
    pub line: u64,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Something that is known of the log from elsewhere: a line's number and its hash, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The line's number.
    pub line: u64,
    /// Its hash.
    pub hash: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many lines.
    pub lines: u64,
    /// The number of the last line.
    pub last: u64,
    /// The last line that a sound signature covers.
    pub signed: Option<u64>,
    /// Entries that the log itself says were not recorded.
    pub lost: u64,
    /// Calls that were turned away, and that it only counts.
    pub turned_away: u64,
    /// Bytes at the end that a process which was killed left behind.
    pub torn: usize,
    /// Everything that is wrong.
    pub findings: Vec<Finding>,
}

/// What is looked at in a line about the log itself. An event's own fields cannot stand in for these: they
/// have other names.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Remark {
    kind: String,
    signer: String,
    signature: String,
    entries: u64,
    turned_away: u64,
}

/// Reads a log from its first line to its last: files of a chain in order, or a directory. With `partial` the
/// first files may be kept elsewhere.
///
/// # Errors
/// What keeps it from being read. What is wrong with the log is in the report.
pub fn verify(
    paths: &[PathBuf],
    public_keys: &[PublicKey],
    anchors: &[Anchor],
    partial: bool,
) -> Result<Report, Fault> {
    let mut verifying = Verifying {
        public_keys,
        partial,
        chain: None,
        awaited: anchors.to_vec(),
        report: Report::default(),
        at: (PathBuf::new(), 0),
    };
    let files = match paths {
        [directory] if directory.is_dir() => {
            // Before the files: what is written meanwhile makes them longer, never shorter.
            verifying.head(directory);
            let files = files::list(directory);
            files.map_err(|error| unreadable(directory, &error))?
        }
        files => files.to_vec(),
    };
    if files.is_empty() {
        return Err(Fault::new("there are no files of an audit here"));
    }
    for (number, file) in (1..).zip(&files) {
        verifying.file(file, number == files.len())?;
    }
    verifying.end();
    Ok(verifying.report)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new(format_args!("{} cannot be read: {error}", path.display()))
}

struct Verifying<'a> {
    /// Whoever signs has one of these; without any, signatures are not looked at.
    public_keys: &'a [PublicKey],
    partial: bool,
    /// Where the chain is; `None` before the first line.
    chain: Option<Chain>,
    awaited: Vec<Anchor>,
    report: Report,
    /// The file and the line that are being looked at.
    at: (PathBuf, u64),
}

impl Verifying<'_> {
    fn find(&mut self, what: impl Into<String>) {
        let (file, line) = self.at.clone();
        self.report.findings.push(Finding {
            file,
            line,
            what: what.into(),
        });
    }

    fn file(&mut self, path: &Path, is_last: bool) -> Result<(), Fault> {
        let fault = |error: io::Error| unreadable(path, &error);
        let mut reader = BufReader::new(File::open(path).map_err(fault)?);
        self.at = (path.to_owned(), 0);
        self.report.files += 1;
        let mut text = Vec::new();
        loop {
            text.clear();
            let mut bounded = reader.by_ref().take(LONGEST);
            if bounded.read_until(b'\n', &mut text).map_err(fault)? == 0 {
                break;
            }
            self.at.1 += 1;
            match text.strip_suffix(b"\n") {
                Some(line) => self.line(line),
                // A process that was killed leaves half a line. Once it is set aside it is gone from here.
                None if is_last && reader.fill_buf().map_err(fault)?.is_empty() => {
                    self.report.torn = text.len();
                    self.at.1 -= 1;
                }
                None => self.find("does not end"),
            }
        }
        if self.at.1 == 0 && !(is_last && self.report.torn > 0) {
            self.find("is empty");
        }
        Ok(())
    }

    fn line(&mut self, text: &[u8]) {
        self.report.lines += 1;
        let Some(line) = Line::parse(text) else {
            self.find("is not a line of an audit: it was changed or put in");
            return;
        };
        let remark = line.fields::<Remark>();
        if remark.is_none() {
            self.find("is no JSON");
        }
        let remark = remark.unwrap_or_default();
        let opened = (remark.kind == "opened")
            .then(|| line.fields::<Opened>())
            .flatten();
        if (self.at.1 == 1) != opened.is_some() {
            self.find(if opened.is_some() {
                "begins a file, but stands within one"
            } else {
                "does not begin the file: what came before is missing"
            });
        }
        let before = match self.chain {
            Some(chain) => chain,
            None => self.beginning(&line, opened.as_ref()),
        };
        self.place(&line, before);
        self.compare(&line);
        self.heed(before, &remark, opened);
    }

    /// What the first line of all follows on.
    fn beginning(&mut self, line: &Line<'_>, opened: Option<&Opened>) -> Chain {
        if !self.partial {
            return Chain::EMPTY;
        }
        let previous = opened.and_then(|opened| Hash::from_hex(&opened.previous));
        Chain {
            seq: line.seq - 1,
            hash: previous.unwrap_or(Hash::NONE),
        }
    }

    fn place(&mut self, line: &Line<'_>, before: Chain) {
        let expected = before.seq + 1;
        if line.seq > expected {
            self.find(if line.seq == expected + 1 {
                format!("line {expected} is missing before line {}", line.seq)
            } else {
                let last = line.seq - 1;
                format!(
                    "lines {expected} to {last} are missing before line {}",
                    line.seq
                )
            });
        } else if line.seq < expected {
            self.find(format!(
                "line {} stands behind line {}: repeated or moved",
                line.seq, before.seq
            ));
            // What follows is looked for where the chain was.
            self.chain = Some(before);
            return;
        } else if !line.follows(before) {
            self.find(format!(
                "line {} was changed, or what it follows on was",
                line.seq
            ));
        }
        self.chain = Some(line.end());
        self.report.last = line.seq;
    }

    /// Whether it is the line that is known from elsewhere.
    fn compare(&mut self, line: &Line<'_>) {
        let known = self.awaited.iter().position(|at| at.line == line.seq);
        if let Some(known) = known
            && self.awaited.swap_remove(known).hash != line.hash.to_hex()
        {
            self.find(format!("line {} is not the one that is known", line.seq));
        }
    }

    /// What the line says of the log.
    fn heed(&mut self, before: Chain, remark: &Remark, opened: Option<Opened>) {
        if let Some(opened) = opened {
            if let Some(broken) = opened.broken {
                self.find(format!(
                    "the log was damaged when this file began: {broken}"
                ));
            }
            return;
        }
        match remark.kind.as_str() {
            "lost" => {
                self.report.lost += remark.entries;
                self.report.turned_away += remark.turned_away;
            }
            "head" => self.heed_signature(before, remark),
            _ => {}
        }
    }

    fn heed_signature(&mut self, before: Chain, remark: &Remark) {
        if self.is_signed(before, Some(&remark.signer), Some(&remark.signature)) {
            self.report.signed = Some(before.seq);
        }
    }

    fn is_signed(&mut self, end: Chain, signer: Option<&str>, signature: Option<&str>) -> bool {
        if self.public_keys.is_empty() {
            return false;
        }
        let (Some(signer), Some(signature)) = (signer, signature) else {
            self.find("is not signed");
            return false;
        };
        let Some(key) = self.public_keys.iter().find(|key| key.id() == signer) else {
            self.find("is signed by a key that was not given");
            return false;
        };
        let holds = key.checks(end, signature);
        if !holds {
            self.find("holds a signature that is not of this chain");
        }
        holds
    }

    fn head(&mut self, directory: &Path) {
        self.at = (directory.join("head.json"), 0);
        let head = match Head::read(directory) {
            Ok(Some(head)) => head,
            Ok(None) => {
                return self.find("is missing: nobody can say how long the log was");
            }
            Err(_) => return self.find("is damaged"),
        };
        if let Some(end) = head.end() {
            self.is_signed(end, head.signer.as_deref(), head.signature.as_deref());
        }
        self.awaited.push(Anchor {
            line: head.seq,
            hash: head.hash,
        });
    }

    fn end(&mut self) {
        for anchor in std::mem::take(&mut self.awaited) {
            self.find(format!(
                "line {} had been written, and is missing",
                anchor.line
            ));
        }
        if !self.public_keys.is_empty() && self.report.signed.is_none() {
            self.find("holds no sound signature");
        }
    }
}
