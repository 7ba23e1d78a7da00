//! Who calls, and what they may do, as the configuration says it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::call::{Pattern, Rights};

/// `[callers]`: how callers, and the users behind them, prove who they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Callers {
    /// Whether a client certificate names the caller, and by what of it.
    pub certificates: CertificateNames,
    /// How often keys are fetched anew.
    pub jwks_refresh: Duration,
    /// How long after a fetch an unknown key id causes no other.
    pub jwks_cooldown: Duration,
    /// `[callers.jwt.NAME]`: issuers of callers' tokens.
    pub jwt: Vec<(String, TokenIssuer)>,
    /// `[callers.apikey.NAME]`
    pub api_keys: Vec<(String, ApiKey)>,
    /// `[callers.users.NAME]`: issuers of end users' tokens. They name no caller.
    pub users: Vec<(String, TokenIssuer)>,
}

impl Callers {
    /// Whether callers have to prove who they are.
    pub fn authenticate(&self) -> bool {
        self.certificates != CertificateNames::Off
            || !self.jwt.is_empty()
            || !self.api_keys.is_empty()
    }
}

impl Default for Callers {
    fn default() -> Self {
        Callers {
            certificates: CertificateNames::Off,
            jwks_refresh: Duration::from_mins(10),
            jwks_cooldown: Duration::from_secs(10),
            jwt: Vec::new(),
            api_keys: Vec::new(),
            users: Vec::new(),
        }
    }
}

/// By what of its certificate a caller is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateNames {
    /// By nothing: certificates protect the connection, no more.
    Off,
    /// By its SPIFFE id.
    Spiffe,
    /// By its subject.
    Subject,
}

/// Who issues tokens, and what they must say.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenIssuer {
    /// Their `iss`.
    pub issuer: String,
    /// One of these must be in their `aud`.
    pub audiences: Vec<String>,
    /// How they may be signed.
    pub algorithms: Vec<TokenAlgorithm>,
    /// Where the issuer's keys are: a file…
    pub jwks_file: Option<PathBuf>,
    /// … or an address.
    pub jwks_url: Option<String>,
    /// Who vouches for the server at that address; `None`: whom this machine trusts.
    pub jwks_ca: Option<PathBuf>,
    /// A file with the token that the server at that address wants.
    pub jwks_token_file: Option<PathBuf>,
    /// How far the issuer's clock and this one may be apart.
    pub leeway: Duration,
}

impl Default for TokenIssuer {
    fn default() -> Self {
        TokenIssuer {
            issuer: String::new(),
            audiences: Vec::new(),
            algorithms: vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256],
            jwks_file: None,
            jwks_url: None,
            jwks_ca: None,
            jwks_token_file: None,
            leeway: Duration::from_secs(30),
        }
    }
}

/// How a token is signed. Only with keys of which the public half is enough to check: there is no `none`
/// here, and no HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum TokenAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl TokenAlgorithm {
    /// All of them, by their names on the wire.
    pub const ALL: &[(&str, TokenAlgorithm)] = &[
        ("RS256", TokenAlgorithm::Rs256),
        ("RS384", TokenAlgorithm::Rs384),
        ("RS512", TokenAlgorithm::Rs512),
        ("PS256", TokenAlgorithm::Ps256),
        ("PS384", TokenAlgorithm::Ps384),
        ("PS512", TokenAlgorithm::Ps512),
        ("ES256", TokenAlgorithm::Es256),
        ("ES384", TokenAlgorithm::Es384),
        ("EdDSA", TokenAlgorithm::EdDsa),
    ];
}

/// The keys of one caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiKey {
    /// Their hashes: at most two, the one in use and the next.
    pub hashes: Vec<KeyHash>,
    /// A file with those hashes instead, one on a line.
    pub hash_file: Option<PathBuf>,
}

impl ApiKey {
    /// How many keys of one caller may be in use: the old one and the new.
    const MOST: usize = 2;

    /// The hashes, wherever they are.
    ///
    /// # Errors
    /// What is wrong with them, as a clause without a subject.
    pub fn load(&self) -> Result<Vec<KeyHash>, String> {
        let hashes = match &self.hash_file {
            None => self.hashes.clone(),
            Some(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("{shown} cannot be read: {error}"))?;
                let lines = text.lines().map(str::trim);
                lines
                    .filter(|line| !line.is_empty() && !line.starts_with('#'))
                    .map(|line| {
                        KeyHash::parse(line)
                            .map_err(|_| format!("{shown}: a line of it is no hash"))
                    })
                    .collect::<Result<_, _>>()?
            }
        };
        match hashes.len() {
            0 => Err("is missing: the caller has no key".to_owned()),
            1..=Self::MOST => Ok(hashes),
            many => Err(format!(
                "holds {many} hashes; two keys may be in use at a time, the old one and the new"
            )),
        }
    }
}

/// The SHA-256 of an API key. The key itself is nowhere: it is 256 random bits, so its plain hash gives
/// nothing away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// What it begins with where it is written.
    const PREFIX: &str = "sha256:";

    /// Reads `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<KeyHash, String> {
        let bad =
            || "is not a hash as `tenure apikey new` prints it: sha256: and 64 hexadecimal digits";
        let digits = text.strip_prefix(Self::PREFIX).ok_or_else(bad)?;
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() || !digits.is_ascii() {
            return Err(bad().to_owned());
        }
        for (byte, digits) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| bad())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| bad())?;
        }
        Ok(KeyHash(hash))
    }

    /// Writes it the way [`KeyHash::parse`] reads it.
    pub fn show(&self) -> String {
        let mut text = Self::PREFIX.to_owned();
        for byte in self.0 {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// `[policy.NAME]`: who may do what, where, for whom. What no rule allows is denied.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Who.
    pub callers: Vec<Pattern>,
    /// What.
    pub allow: Vec<Grant>,
    /// In which namespaces.
    pub namespaces: Vec<Pattern>,
    /// For owners of which tenants.
    pub tenants: Vec<Pattern>,
}

impl Default for Rule {
    fn default() -> Self {
        Rule {
            callers: Vec::new(),
            allow: Vec::new(),
            namespaces: Vec::new(),
            tenants: vec![Pattern::of_names("*")],
        }
    }
}

/// A word of `allow`: a role or the name of an RPC, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// As it was written.
    pub word: String,
    /// What it stands for.
    pub rights: Rights,
}
