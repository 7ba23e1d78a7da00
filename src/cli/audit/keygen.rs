//! `tenure audit keygen`

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::super::exit::Exit;
use crate::audit::{EncryptionKeys, HashKey, SigningKey};

#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// What the key is for
    #[arg(value_enum)]
    purpose: Purpose,
    /// The file to write, which must not exist yet; it gets mode 0600
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Purpose {
    /// Signs how far the log has come; prints the public key, which `tenure audit verify` takes
    Signing,
    /// Encrypts the lines
    Encryption,
    /// Hashes the ids of sessions
    Hash,
}

impl Keygen {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        match self.purpose {
            Purpose::Signing => {
                let key = SigningKey::generate(&self.file)?;
                write!(io::stdout().lock(), "{}", key.public().to_pem())?;
            }
            Purpose::Encryption => EncryptionKeys::generate(&self.file)?,
            Purpose::Hash => drop(HashKey::generate(&self.file)?),
        }
        Ok(Exit::Ok)
    }
}
