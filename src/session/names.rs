//! The names of the domain. A value of one of these types has been checked; nothing below checks it again.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

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

/// A map of namespaces is asked with what the caller says, before it is known to be a name.
impl Borrow<str> for NamespaceName {
    fn borrow(&self) -> &str {
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
///
/// Nearly all are UUIDs, and there may be millions: those are kept as their sixteen bytes, without an allocation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionId(Form);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Form {
    /// The UUID whose usual text the id is: with hyphens, and in lower case.
    Uuid([u8; 16]),
    /// Any other text.
    Text(Arc<str>),
}

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
        if let Some(uuid) = uuid_of(text) {
            return Ok(SessionId::from(uuid));
        }
        if !text.bytes().all(|byte| (0x21..=0x7E).contains(&byte)) {
            return Err(BadName("must be visible ASCII characters, without spaces"));
        }
        Ok(SessionId(Form::Text(text.into())))
    }

    /// The id itself.
    pub fn text(&self) -> IdText<'_> {
        match &self.0 {
            Form::Text(text) => IdText(Text::Kept(text)),
            Form::Uuid(bytes) => {
                let mut text = [0; Hyphenated::LENGTH];
                Uuid::from_bytes(*bytes)
                    .as_hyphenated()
                    .encode_lower(&mut text);
                IdText(Text::Written(text))
            }
        }
    }

    /// The UUID whose text the id is, if it is one's.
    pub fn uuid(&self) -> Option<Uuid> {
        match &self.0 {
            Form::Uuid(bytes) => Some(Uuid::from_bytes(*bytes)),
            Form::Text(_) => None,
        }
    }

    /// The part that says where an anonymous owner's session is kept.
    pub fn place(&self) -> String {
        self.text()[..Self::PLACE_LEN].to_owned()
    }

    /// How many bytes it takes beside itself.
    pub fn len_bytes(&self) -> usize {
        match &self.0 {
            Form::Uuid(_) => 0,
            Form::Text(text) => text.len() + 16,
        }
    }
}

impl From<Uuid> for SessionId {
    fn from(uuid: Uuid) -> SessionId {
        SessionId(Form::Uuid(uuid.into_bytes()))
    }
}

/// The UUID whose usual text this is.
fn uuid_of(text: &str) -> Option<Uuid> {
    // No other way of writing one is as long.
    let usual =
        text.len() == Hyphenated::LENGTH && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    usual.then(|| Uuid::try_parse_ascii(text.as_bytes()).ok())?
}

/// In the order of their texts.
impl Ord for SessionId {
    fn cmp(&self, other: &SessionId) -> Ordering {
        match (&self.0, &other.0) {
            (Form::Uuid(mine), Form::Uuid(theirs)) => mine.cmp(theirs),
            _ => self.text().cmp(&other.text()),
        }
    }
}

impl PartialOrd for SessionId {
    fn partial_cmp(&self, other: &SessionId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

/// The text of an id.
pub struct IdText<'a>(Text<'a>);

enum Text<'a> {
    Kept(&'a str),
    Written([u8; Hyphenated::LENGTH]),
}

impl Deref for IdText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Text::Kept(text) => text,
            Text::Written(text) => {
                std::str::from_utf8(text).expect("hexadecimal digits and hyphens")
            }
        }
    }
}

/// What Tenure calls a session on the inside. It survives a rotation and never leaves the service.
///
/// Packed, because sixteen bytes that lie at a multiple of sixteen leave holes in every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(8))]
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
pub struct RequestId(pub Uuid);

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
pub struct LeaseId(pub Uuid);

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseId(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were_and_sort_as_their_texts() {
        let mut texts = vec![
            "9d1f30a2-77b3-4c55-a1c2-000000000001",
            "9D1F30A2-77B3-4C55-A1C2-000000000001",
            "9d1f30a2-77b3-4c55-a1c2-00000000000f",
            "9d1f30a277b34c55a1c2000000000001",
            "{9d1f30a2-77b3-4c55-a1c2-000000000001}",
            "9d1f30a2-77b3-4c55-a1c2-00000000000",
            "9d1f30a2-77b3-4c55-a1c2x000000000001",
            "a-session-of-some-sdk",
            "00000000-0000-0000-0000-000000000000",
            "~~~~~~~~~~~~~~~~",
        ];
        let mut ids: Vec<SessionId> = texts
            .iter()
            .map(|text| SessionId::known(text).expect("a good id"))
            .collect();
        for (id, text) in ids.iter().zip(&texts) {
            assert_eq!(&*id.text(), *text);
            assert_eq!(id.place(), text[..16]);
        }
        texts.sort_unstable();
        ids.sort_unstable();
        let sorted: Vec<String> = ids.iter().map(|id| id.text().to_owned()).collect();
        assert_eq!(sorted, texts);
    }
}
