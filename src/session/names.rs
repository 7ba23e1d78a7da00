//! The names of the domain. A value of one of these types has been checked; nothing below checks it again.

use std::fmt;
use std::sync::Arc;

/// Why a name is refused. The text is meant for the caller and never repeats the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName(pub &'static str);

/// One fleet of MCP servers. Everything lives in exactly one namespace, nothing crosses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName(Arc<str>);

impl NamespaceName {
    /// Takes `[a-z0-9][a-z0-9._-]{0,62}`.
    pub fn new(text: &str) -> Result<NamespaceName, BadName> {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let sound = bytes.len() <= 63
            && bytes.first().copied().is_some_and(lower)
            && bytes
                .iter()
                .all(|&byte| lower(byte) || matches!(byte, b'.' | b'_' | b'-'));
        if sound {
            Ok(NamespaceName(text.into()))
        } else {
            Err(BadName(
                "must be 1 to 63 of a-z, 0-9, '.', '_', '-', and start with a letter or a digit",
            ))
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// On whose behalf a session exists: tenant, user, and the issuer who vouches for the user.
///
/// One allocation for the three of them: an owner is made on every call and kept with every session.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    text: Arc<str>,
    tenant_len: u16,
    user_len: u16,
}

impl Owner {
    /// The longest tenant, user or issuer, in bytes.
    pub const MAX_PART_BYTES: usize = 256;

    /// Checks and joins the three parts. An empty user is the anonymous owner.
    pub fn new(tenant: &str, user: &str, issuer: &str) -> Result<Owner, (&'static str, BadName)> {
        for (field, part) in [("tenant", tenant), ("user", user), ("issuer", issuer)] {
            if part.len() > Self::MAX_PART_BYTES {
                return Err((field, BadName("must be at most 256 bytes long")));
            }
            if part.chars().any(char::is_control) {
                return Err((field, BadName("must not contain control characters")));
            }
        }
        let mut text = String::with_capacity(tenant.len() + user.len() + issuer.len());
        text.push_str(tenant);
        text.push_str(user);
        text.push_str(issuer);
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        Ok(Owner {
            text: text.into(),
            tenant_len: short(tenant.len()),
            user_len: short(user.len()),
        })
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.text[..usize::from(self.tenant_len)]
    }

    /// The user; empty for the anonymous owner.
    pub fn user(&self) -> &str {
        let start = usize::from(self.tenant_len);
        &self.text[start..start + usize::from(self.user_len)]
    }

    /// Who vouches for the user; may be empty.
    pub fn issuer(&self) -> &str {
        &self.text[usize::from(self.tenant_len) + usize::from(self.user_len)..]
    }

    /// Whether this is the owner without a user.
    pub fn is_anonymous(&self) -> bool {
        self.user_len == 0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Owner(redacted)")
    }
}

/// The id that a client holds. Possession of it is never enough, and it is never logged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// How much of an anonymous owner's id says where the session is kept. A rotation keeps it.
    pub const PLACE_LEN: usize = 16;

    /// Takes an id that somebody made: 16 to 256 visible ASCII characters, for the anonymous owner at
    /// least 32.
    pub fn supplied(text: &str, owner: &Owner) -> Result<SessionId, BadName> {
        if owner.is_anonymous() && text.len() < 32 {
            return Err(BadName(
                "must be 32 to 256 characters long when the owner has no user",
            ));
        }
        Self::known(text)
    }

    /// Takes an id that is looked up: one that can exist at all.
    pub fn known(text: &str) -> Result<SessionId, BadName> {
        if !(16..=256).contains(&text.len()) {
            return Err(BadName("must be 16 to 256 characters long"));
        }
        if !text.bytes().all(|byte| (0x21..=0x7E).contains(&byte)) {
            return Err(BadName("must be visible ASCII characters, without spaces"));
        }
        Ok(SessionId(text.into()))
    }

    /// The id itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that says where an anonymous owner's session is kept.
    pub fn place(&self) -> &str {
        &self.0[..Self::PLACE_LEN]
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

/// What Tenure calls a session on the inside. It survives a rotation and never leaves the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u128);

/// Who did something, in eight bytes: a hash of the caller's name. Each session carries two of them; the names
/// are kept once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerTag(pub [u8; 8]);

impl CallerTag {
    /// Nobody: what happens by itself, and what is not known.
    pub const NOBODY: CallerTag = CallerTag([0; 8]);

    /// The tag of a name.
    pub fn of(name: &str) -> CallerTag {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
        let mut tag = [0; 8];
        tag.copy_from_slice(&hash.as_ref()[..8]);
        CallerTag(tag)
    }

    /// Whether it is somebody's.
    pub fn is_somebody(self) -> bool {
        self != CallerTag::NOBODY
    }
}

impl fmt::Display for CallerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A client's own id of a request that may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub uuid::Uuid);

/// The name of a credential, unique within its session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialName(Arc<str>);

impl CredentialName {
    /// Takes 1 to 64 of letters, digits, '.', '_', '-'.
    pub fn new(text: &str) -> Result<CredentialName, BadName> {
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(sound) {
            Ok(CredentialName(text.into()))
        } else {
            Err(BadName("must be 1 to 64 of letters, digits, '.', '_', '-'"))
        }
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names the right of one caller to refresh a credential. Whoever knows it may complete the refresh.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub uuid::Uuid);

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseId(redacted)")
    }
}
