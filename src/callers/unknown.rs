//! Why a caller is not known. The log is told; the caller never.

use std::fmt;

/// What is wrong with what a caller shows. No variant holds any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing was shown.
    Nothing,
    /// The header holds something else than `Bearer` and a token, or there are several of them.
    Malformed(&'static str),
    /// It is an API key that nobody has.
    KeyUnknown,
    /// It looks like an API key, but its checksum is wrong: mistyped, or cut off.
    KeyMistyped,
    /// There is no issuer to check a token with.
    TokensNotTaken,
    /// The token's issuer is none of those configured.
    IssuerUnknown,
    /// The token is signed with an algorithm that its issuer may not use here.
    AlgorithmNotAllowed,
    /// The token does not say which key signed it.
    NoKeyId,
    /// The issuer has no such key, as far as we know.
    KeyIdUnknown,
    /// The key does not go with the token's algorithm.
    KeyMismatch,
    /// The signature is wrong.
    Signature,
    /// The token has expired.
    Expired,
    /// The token is not valid yet, or was issued in the future.
    NotYetValid,
    /// The token is meant for somebody else.
    Audience,
    /// A certificate that names nobody.
    Certificate(&'static str),
    /// A certificate that has expired since its connection was made.
    CertificateExpired,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unknown::Nothing => "the call shows no token, no API key and no certificate",
            Unknown::Malformed(what) | Unknown::Certificate(what) => what,
            Unknown::KeyUnknown => "nobody has this API key",
            Unknown::KeyMistyped => "the API key is mistyped or cut off: its checksum is wrong",
            Unknown::TokensNotTaken => {
                "the call shows a token, but no issuer of tokens is configured"
            }
            Unknown::IssuerUnknown => "the token's issuer is none of those configured",
            Unknown::AlgorithmNotAllowed => {
                "the token is signed with an algorithm that is not allowed"
            }
            Unknown::NoKeyId => "the token does not say which key signed it (kid)",
            Unknown::KeyIdUnknown => {
                "the issuer's keys do not include the one that signed the token"
            }
            Unknown::KeyMismatch => "the key that the token names does not go with its algorithm",
            Unknown::Signature => "the token's signature is wrong",
            Unknown::Expired => "the token has expired",
            Unknown::NotYetValid => "the token is not valid yet",
            Unknown::Audience => "the token is meant for another audience",
            Unknown::CertificateExpired => {
                "the certificate has expired since the connection was made"
            }
        })
    }
}
