//! Text that is never shown.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// A secret of the configuration. It prints itself as `***`, and is wiped when it is dropped.
#[derive(Clone)]
pub struct Hidden(pub SecretString);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Hidden {
    fn eq(&self, other: &Hidden) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}
