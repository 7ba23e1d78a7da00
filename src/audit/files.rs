//! The directory of the audit: its files in order, where the last process stopped, and the head.
//!
//! `audit-NNNNNNNNNNNNNNNN.jsonl` begins with line N of the chain. `head.json` says how far the chain had
//! come when it was last written: whoever cuts the end of the log off has to forge it, too. `lock` is held by
//! the process that writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Fault;
use super::chain::{Chain, Hash, Line};
use super::sealing::Cipher;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";
const HEAD: &str = "head.json";

/// The name of the file that begins with this line.
pub(super) fn name(first: u64) -> String {
    format!("{PREFIX}{first:016}{SUFFIX}")
}

/// The files of a directory, in order.
pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the first line of a file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) time: String,
    pub(super) kind: String,
    /// The version of the format.
    pub(super) version: u32,
    /// The hash that it follows on.
    pub(super) previous: String,
    /// How its lines are encrypted, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cipher: Option<Cipher>,
    /// What was set aside because it had not been written to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) torn: Option<Torn>,
    /// What is wrong with the log that it goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) broken: Option<String>,
}

/// Bytes that were set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Torn {
    /// Into which file.
    pub(super) file: String,
    pub(super) bytes: usize,
    /// Their SHA-256.
    pub(super) sha256: String,
}

/// How far the chain had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
    /// The id of the key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<String>,
}

impl Head {
    /// The head of a directory; `None` if there is none.
    pub(super) fn read(directory: &Path) -> Result<Option<Head>, Fault> {
        let path = directory.join(HEAD);
        let shown = path.display();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::new(format_args!("{shown} cannot be read: {error}"))),
        };
        let head: Option<Head> = serde_json::from_str(&text).ok();
        head.filter(|head| Hash::from_hex(&head.hash).is_some())
            .map(Some)
            .ok_or_else(|| Fault::new(format_args!("{shown} is damaged")))
    }

    /// Replaces the head of a directory.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let new = directory.join("head.json.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&new)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        fs::rename(new, directory.join(HEAD))
    }

    /// Where it says that the chain was.
    pub(super) fn end(&self) -> Option<Chain> {
        let hash = Hash::from_hex(&self.hash)?;
        Some(Chain {
            seq: self.seq,
            hash,
        })
    }
}

/// Makes sure that this process alone writes here, for as long as the file is open.
pub(super) fn lock(directory: &Path) -> Result<File, Fault> {
    let fault = |error: io::Error| {
        Fault::new(format_args!(
            "{} cannot be written to: {error}",
            directory.display()
        ))
    };
    if !directory.exists() {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o750);
        builder.recursive(true).create(directory).map_err(fault)?;
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(directory.join("lock"))
        .map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Fault::new(format_args!(
            "{} is written to by another process; each instance needs a directory of its own",
            directory.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// Where the last process stopped.
#[derive(Debug)]
pub(super) struct Resumed {
    pub(super) chain: Chain,
    pub(super) torn: Option<Torn>,
    pub(super) broken: Option<String>,
}

/// Finds the end of the log. What stands behind its last sound line is set aside: what a process that was
/// killed did not write to its end. If that was more than half a line, the log says so for ever.
pub(super) fn resume(directory: &Path) -> Result<Resumed, Fault> {
    let fault = |error: io::Error| Fault::new(format_args!("{}: {error}", directory.display()));
    let mut resumed = Resumed {
        chain: Chain::EMPTY,
        torn: None,
        broken: None,
    };
    for file in list(directory).map_err(fault)?.iter().rev() {
        let data = fs::read(file).map_err(fault)?;
        let (chain, sound) = sound_part(&data);
        let rest = &data[sound..];
        if !rest.is_empty() {
            let aside = set_aside(file, rest).map_err(fault)?;
            if rest.contains(&b'\n') {
                resumed.broken = Some(format!(
                    "what stood in {} behind line {} was not sound",
                    file.file_name().unwrap_or_default().display(),
                    chain.map_or(0, |chain| chain.seq)
                ));
            }
            resumed.torn.get_or_insert(aside);
        }
        match chain {
            Some(chain) => {
                if !rest.is_empty() {
                    let length = u64::try_from(sound).unwrap_or(u64::MAX);
                    let shorter = OpenOptions::new().write(true).open(file);
                    shorter
                        .and_then(|file| file.set_len(length))
                        .map_err(fault)?;
                }
                resumed.chain = chain;
                break;
            }
            // Not even its first line.
            None => fs::remove_file(file).map_err(fault)?,
        }
    }
    check_head(directory, &mut resumed);
    Ok(resumed)
}

/// Whether the log still reaches as far as it once did.
fn check_head(directory: &Path, resumed: &mut Resumed) {
    let wrong = match Head::read(directory) {
        Ok(Some(head)) if head.seq > resumed.chain.seq => Some(format!(
            "the log ended with line {}, but line {} had been written",
            resumed.chain.seq, head.seq
        )),
        Ok(Some(head)) if head.seq == resumed.chain.seq && head.end() != Some(resumed.chain) => {
            Some(format!("line {} was not the one of head.json", head.seq))
        }
        // A process may end before it writes its first head.
        Ok(Some(_)) => None,
        Ok(None) => (resumed.chain.seq > 1).then(|| "head.json was missing".to_owned()),
        Err(fault) => Some(fault.to_string()),
    };
    if wrong.is_some() {
        resumed.broken = wrong;
    }
}

/// The end of the chain of the sound lines that a file begins with, and how long they are.
fn sound_part(data: &[u8]) -> (Option<Chain>, usize) {
    let mut chain: Option<Chain> = None;
    let mut sound = 0;
    for text in data.split_inclusive(|byte| *byte == b'\n') {
        let line = text.strip_suffix(b"\n").and_then(Line::parse);
        let Some(line) = line else { break };
        let before = match chain {
            Some(chain) => chain,
            None => match line.fields::<Opened>().and_then(|opened| {
                let hash = Hash::from_hex(&opened.previous)?;
                let seq = line.seq - 1;
                Some(Chain { seq, hash })
            }) {
                Some(before) => before,
                None => break,
            },
        };
        if !line.follows(before) {
            break;
        }
        chain = Some(line.end());
        sound += text.len();
    }
    (chain, sound)
}

fn set_aside(file: &Path, rest: &[u8]) -> io::Result<Torn> {
    for number in 1.. {
        let aside = file.with_extension(format!("torn-{number}"));
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(&aside);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(mut kept) => {
                kept.write_all(rest)?;
                kept.sync_all()?;
                let name = aside.file_name().unwrap_or_default();
                return Ok(Torn {
                    file: name.display().to_string(),
                    bytes: rest.len(),
                    sha256: Hash::of(rest).to_hex(),
                });
            }
        }
    }
    unreachable!("there are always more numbers")
}
