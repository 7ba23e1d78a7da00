//! Reading a log line by line, also an encrypted one. Whether it is whole is another question: `verify`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Fault;
use super::chain::Line;
use super::files::{self, Opened};
use super::keys::EncryptionKeys;
use super::sealing::{FileKey, SealedLine};

/// What a line says.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Its fields, in the order in which they were written.
    Fields(Map<String, Value>),
    /// It is encrypted, and the key is not here.
    Sealed {
        /// Its number.
        line: u64,
    },
    /// It is not a line of an audit.
    Foreign,
}

impl Shown {
    /// A field that is text; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        match self {
            Shown::Fields(fields) => fields.get(name).and_then(Value::as_str).unwrap_or_default(),
            Shown::Sealed { .. } | Shown::Foreign => "",
        }
    }
}

/// The lines of a log, one after the other.
pub struct Lines {
    files: std::vec::IntoIter<PathBuf>,
    current: Option<BufReader<File>>,
    keys: Option<EncryptionKeys>,
    file_key: Option<FileKey>,
}

impl Lines {
    /// Reads files in order, or all of a directory.
    pub fn open(paths: &[PathBuf], keys: Option<EncryptionKeys>) -> Result<Lines, Fault> {
        let files = match paths {
            [directory] if directory.is_dir() => files::list(directory)
                .map_err(|error| Fault::new(format_args!("{}: {error}", directory.display())))?,
            files => files.to_vec(),
        };
        Ok(Lines {
            files: files.into_iter(),
            current: None,
            keys,
            file_key: None,
        })
    }

    fn begin(&mut self, path: &Path) -> Result<(), Fault> {
        let file = File::open(path)
            .map_err(|error| Fault::new(format_args!("{}: {error}", path.display())))?;
        self.current = Some(BufReader::new(file));
        self.file_key = None;
        Ok(())
    }

    fn shown(&mut self, text: &[u8]) -> Shown {
        let Some(line) = text.strip_suffix(b"\n").and_then(Line::parse) else {
            return Shown::Foreign;
        };
        if let Some(sealed) = line.fields::<SealedLine>() {
            let opened = self
                .file_key
                .as_ref()
                .and_then(|key| key.open(line.seq, &sealed))
                .and_then(|content| serde_json::from_slice(&content).ok());
            return match opened {
                Some(fields) => with_frame(&line, fields),
                None => Shown::Sealed { line: line.seq },
            };
        }
        if let (Some(keys), Some(Opened { cipher, .. })) = (&self.keys, line.fields()) {
            self.file_key = cipher.and_then(|cipher| cipher.open(keys));
        }
        match line.fields::<Map<String, Value>>() {
            Some(mut fields) => {
                fields.shift_remove("seq");
                with_frame(&line, fields)
            }
            None => Shown::Foreign,
        }
    }
}

/// The fields between the line's number and its hash.
fn with_frame(line: &Line<'_>, fields: Map<String, Value>) -> Shown {
    let mut all = Map::new();
    all.insert("seq".to_owned(), line.seq.into());
    all.extend(fields);
    all.insert("hash".to_owned(), line.hash.to_hex().into());
    Shown::Fields(all)
}

impl Iterator for Lines {
    type Item = Result<Shown, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(reader) = &mut self.current {
                let mut text = Vec::new();
                match reader.read_until(b'\n', &mut text) {
                    Ok(0) => self.current = None,
                    Ok(_) => return Some(Ok(self.shown(&text))),
                    Err(error) => {
                        self.current = None;
                        return Some(Err(Fault::new(error)));
                    }
                }
            }
            if self.current.is_none() {
                let path = self.files.next()?;
                if let Err(fault) = self.begin(&path) {
                    return Some(Err(fault));
                }
            }
        }
    }
}
