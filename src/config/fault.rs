//! What is wrong with a configuration, and where it came from.

use std::fmt;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File {
        /// As it was named.
        path: String,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable, by its name.
    Variable(String),
    /// A flag, by its name.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("built-in default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One fault. No part of it ever holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which setting; empty if the file as a whole is meant.
    pub key: String,
    /// Where it came from.
    pub origin: Origin,
    /// What is wrong.
    pub wrong: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}", self.origin)?;
        } else {
            write!(f, "{} ({})", self.key, self.origin)?;
        }
        write!(f, ": {}", self.wrong)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("the configuration has a fault:")?,
            several => write!(f, "the configuration has {several} faults:")?,
        }
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
