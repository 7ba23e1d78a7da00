//! Whom certificates name, and which name nobody.

use rcgen::string::Ia5String;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType, date_time_ymd};

use super::*;

fn certificates(set: impl FnOnce(&mut CertificateParams)) -> ClientCertificates {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    set(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    ClientCertificates::from(vec![certificate.der().clone()])
}

fn with_uris(uris: &[&str]) -> ClientCertificates {
    certificates(|params| {
        let uri = |uri: &&str| SanType::URI(Ia5String::try_from(*uri).expect("ASCII"));
        params.subject_alt_names = uris.iter().map(uri).collect();
    })
}

fn named(certificates: &ClientCertificates, names: CertificateNames) -> Result<String, Unknown> {
    let caller = certificates.caller(names, 1_700_000_000)?;
    Ok(caller.name().to_owned())
}

fn why(certificates: &ClientCertificates) -> String {
    let unknown = named(certificates, CertificateNames::Spiffe).expect_err("names nobody");
    unknown.to_string()
}

#[test]
fn a_spiffe_id_names_its_bearer() {
    let one = with_uris(&["spiffe://prod.example/ns/mcp/sa/crm"]);
    assert_eq!(
        named(&one, CertificateNames::Spiffe).as_deref(),
        Ok("spiffe://prod.example/ns/mcp/sa/crm")
    );
    let with_dns = certificates(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName(Ia5String::try_from("crm.example").expect("ASCII")),
            SanType::URI(Ia5String::try_from("spiffe://a/b").expect("ASCII")),
        ];
    });
    assert_eq!(
        named(&with_dns, CertificateNames::Spiffe).as_deref(),
        Ok("spiffe://a/b")
    );
}

#[test]
fn two_uris_or_none_name_nobody() {
    assert!(why(&with_uris(&["spiffe://a/b", "spiffe://a/c"])).contains("more than one URI"));
    assert!(why(&with_uris(&["spiffe://a/b", "spiffe://a/b"])).contains("more than one URI"));
    assert!(why(&with_uris(&["spiffe://a/b", "https://a/b"])).contains("more than one URI"));
    assert!(why(&with_uris(&[])).contains("no URI"));
    assert_eq!(
        named(&ClientCertificates::default(), CertificateNames::Spiffe),
        Err(Unknown::Nothing)
    );
}

#[test]
fn a_ca_must_not_call() {
    let ca = certificates(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let uri = Ia5String::try_from("spiffe://a/b").expect("ASCII");
        params.subject_alt_names = vec![SanType::URI(uri)];
    });
    assert!(why(&ca).contains("of a CA"));
}

#[test]
fn only_the_standard_spelling_is_a_spiffe_id() {
    for good in [
        "spiffe://a/b",
        "spiffe://a.b-c_d.9/X/y.z/-/_",
        "spiffe://a/...",
    ] {
        assert!(is_spiffe_id(good), "{good}");
    }
    let long = format!("spiffe://a/{}", "x".repeat(2048));
    for bad in [
        "",
        "spiffe://",
        "spiffe://a",
        "spiffe://a/",
        "spiffe:///b",
        "spiffe://a//b",
        "spiffe://a/b/",
        "spiffe://a/./b",
        "spiffe://a/../b",
        "spiffe://A/b",
        "SPIFFE://a/b",
        "spiffe://user@a/b",
        "spiffe://a:8080/b",
        "spiffe://a/b?c",
        "spiffe://a/b#c",
        "spiffe://a/b%2fc",
        "https://a/b",
        &long,
    ] {
        assert!(!is_spiffe_id(bad), "{bad}");
    }
    assert!(why(&with_uris(&["https://a/b"])).contains("no SPIFFE id"));
}

#[test]
fn a_subject_is_written_so_that_no_value_passes_for_another_part() {
    let plain = certificates(|params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "Acme");
        name.push(DnType::CommonName, "crm");
    });
    assert_eq!(
        named(&plain, CertificateNames::Subject).as_deref(),
        Ok("subject:CN=crm,O=Acme")
    );
    let sly = certificates(|params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "crm,O=Acme");
    });
    assert_eq!(
        named(&sly, CertificateNames::Subject).as_deref(),
        Ok("subject:CN=crm\\,O=Acme")
    );
    assert_eq!(escaped(" #a\n\"b "), "\\ #a\\0A\\\"b\\ ");
    assert_eq!(escaped("#"), "\\#");
    let empty = certificates(|_| {});
    assert!(named(&empty, CertificateNames::Subject).is_err());
}

#[test]
fn a_certificate_does_not_outlive_itself_on_an_open_connection() {
    let brief = certificates(|params| {
        params.not_after = date_time_ymd(2020, 1, 1);
        let uri = Ia5String::try_from("spiffe://a/b").expect("ASCII");
        params.subject_alt_names = vec![SanType::URI(uri)];
    });
    let in_2019 = 1_560_000_000;
    assert!(brief.caller(CertificateNames::Spiffe, in_2019).is_ok());
    assert_eq!(
        named(&brief, CertificateNames::Spiffe),
        Err(Unknown::CertificateExpired)
    );
}

#[test]
fn nonsense_names_nobody() {
    for nonsense in [&b""[..], b"\x30\x00", b"-----BEGIN"] {
        let shown = ClientCertificates::from(vec![CertificateDer::from(nonsense.to_vec())]);
        assert!(why(&shown).contains("cannot be read"));
    }
}
