//! Client certificates: the name that one gives its bearer.
//!
//! TLS has checked the chain by now. What is left is to read exactly one name, and to read it the same way
//! as everybody else.

use std::fmt::Write as _;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::unknown::Unknown;
use crate::call::{Caller, Means};
use crate::config::CertificateNames;

/// The chain that a client showed, its own certificate first. Empty without mutual TLS.
///
/// The name is read once per connection, not once per call.
#[derive(Debug, Default)]
pub struct ClientCertificates {
    chain: Vec<CertificateDer<'static>>,
    bearer: OnceLock<Result<Named, Unknown>>,
}

#[derive(Clone, Debug)]
struct Named {
    caller: Arc<Caller>,
    /// Seconds since the epoch: the last one in which the certificate is valid.
    not_after: i64,
}

impl From<Vec<CertificateDer<'static>>> for ClientCertificates {
    fn from(chain: Vec<CertificateDer<'static>>) -> ClientCertificates {
        ClientCertificates {
            chain,
            bearer: OnceLock::new(),
        }
    }
}

impl Deref for ClientCertificates {
    type Target = [CertificateDer<'static>];

    fn deref(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }
}

impl ClientCertificates {
    /// Whom the client's own certificate names.
    pub(super) fn caller(
        &self,
        names: CertificateNames,
        now_seconds: i64,
    ) -> Result<Arc<Caller>, Unknown> {
        let bearer = self.bearer.get_or_init(|| {
            let own = self.chain.first().ok_or(Unknown::Nothing)?;
            read(own, names)
        });
        match bearer {
            // A connection may outlive the certificate that opened it.
            Ok(bearer) if bearer.not_after < now_seconds => Err(Unknown::CertificateExpired),
            Ok(bearer) => Ok(Arc::clone(&bearer.caller)),
            Err(unknown) => Err(*unknown),
        }
    }
}

fn read(der: &[u8], names: CertificateNames) -> Result<Named, Unknown> {
    let unreadable = Unknown::Certificate("the certificate cannot be read");
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable)?;
    if !rest.is_empty() {
        return Err(unreadable);
    }
    let name = match names {
        CertificateNames::Off => return Err(Unknown::Nothing),
        CertificateNames::Spiffe => spiffe_id(&certificate)?,
        CertificateNames::Subject => format!("subject:{}", subject(certificate.subject())?),
    };
    Ok(Named {
        caller: Arc::new(Caller::Authenticated {
            means: Means::Certificate,
            name: name.into(),
        }),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

/// The SPIFFE id of an X.509-SVID: its one and only URI.
fn spiffe_id(certificate: &X509Certificate<'_>) -> Result<String, Unknown> {
    if certificate.is_ca() {
        return Err(Unknown::Certificate(
            "the certificate is that of a CA, which must not call",
        ));
    }
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| Unknown::Certificate("the certificate's alternative names cannot be read"))?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let mut found = None;
    for name in names {
        match name {
            // What cannot be read could have been a second URI.
            GeneralName::Invalid(..) => {
                return Err(Unknown::Certificate(
                    "one of the certificate's alternative names cannot be read",
                ));
            }
            GeneralName::URI(_) if found.is_some() => {
                return Err(Unknown::Certificate(
                    "the certificate has more than one URI, so it is not clear whom it names",
                ));
            }
            GeneralName::URI(uri) => found = Some(*uri),
            _ => {}
        }
    }
    let uri = found.ok_or(Unknown::Certificate(
        "the certificate has no URI that could be a SPIFFE id",
    ))?;
    if is_spiffe_id(uri) {
        Ok(uri.to_owned())
    } else {
        Err(Unknown::Certificate(
            "the certificate's URI is no SPIFFE id: spiffe://TRUST-DOMAIN/PATH",
        ))
    }
}

/// Whether the text is a SPIFFE id with a path, in the one spelling that the standard allows.
fn is_spiffe_id(uri: &str) -> bool {
    let Some((domain, path)) = uri
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let in_domain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    uri.len() <= 2048
        && (1..=255).contains(&domain.len())
        && domain.bytes().all(in_domain)
        && path
            .split('/')
            .all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(in_path))
}

/// The subject as RFC 4514 writes it, and `openssl x509 -nameopt RFC2253`: the most special part first.
fn subject(name: &X509Name<'_>) -> Result<String, Unknown> {
    let mut parts = Vec::new();
    for part in name.iter() {
        let attributes: Vec<String> = part.iter().map(attribute).collect::<Result<_, _>>()?;
        parts.push(attributes.join("+"));
    }
    if parts.is_empty() {
        return Err(Unknown::Certificate("the certificate's subject is empty"));
    }
    parts.reverse();
    Ok(parts.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Result<String, Unknown> {
    let value = attribute.as_str().map_err(|_| {
        Unknown::Certificate("the certificate's subject holds something else than text")
    })?;
    let oid = attribute.attr_type().to_id_string();
    let short = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        _ => &oid,
    };
    Ok(format!("{short}={}", escaped(value)))
}

/// Escaped as RFC 4514 says: a value must not look like another part of the subject.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', c]),
            '#' if at == 0 => text.push_str("\\#"),
            ' ' if at == 0 || at == last => text.push_str("\\ "),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests;
