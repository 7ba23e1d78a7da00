use std::fs;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

/// A directory with a certificate, a key and a client CA.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Files {
        let files = Files {
            directory: tempfile::tempdir().expect("a directory"),
        };
        let (cert, key) = pair();
        files.write("cert", &cert);
        files.write("key", &key);
        files.write("ca", &cert);
        files
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.directory.path().join(name), content).expect("written");
    }

    fn config(&self) -> Tls {
        let path = |name| self.directory.path().join(name);
        Tls {
            cert: path("cert"),
            key: path("key"),
            client_ca: Some(path("ca")),
            client_optional: false,
        }
    }

    /// Why they cannot be loaded.
    fn fault(&self) -> String {
        match Certificates::load(self.config()) {
            Ok(_) => panic!("no fault was found"),
            Err(error) => format!("{error:#}"),
        }
    }
}

fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}

#[test]
fn every_fault_names_its_file() {
    let files = Files::new();
    let good = Files::new();
    assert!(Certificates::load(files.config()).is_ok());
    for name in ["cert", "key", "ca"] {
        let path = files.directory.path().join(name);
        let content = fs::read_to_string(&path).expect("readable");
        files.write(name, "nothing of use");
        assert!(files.fault().contains(&path.display().to_string()));
        fs::remove_file(&path).expect("removed");
        let fault = files.fault();
        assert!(fault.contains(&path.display().to_string()), "{fault}");
        files.write(name, &content);
    }
    let other_key = fs::read_to_string(good.directory.path().join("key")).expect("readable");
    files.write("key", &other_key);
    assert!(files.fault().contains("do not go together"));
}

#[test]
fn a_fault_in_the_key_does_not_quote_it() {
    let files = Files::new();
    files.write(
        "key",
        "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----BEGIN secret",
    );
    let fault = files.fault();
    assert!(
        !fault.contains("c2VjcmV0") && !fault.contains("secret"),
        "{fault}"
    );
}

#[test]
fn new_files_are_taken_once_they_rest_and_only_if_they_are_good() {
    let files = Files::new();
    let certificates = Certificates::load(files.config()).expect("good files");
    let mut following = certificates.start();
    let first = certificates.current.load_full();
    let is_first =
        |certificates: &Certificates| Arc::ptr_eq(&certificates.current.load_full(), &first);
    certificates.look(&mut following);
    certificates.look(&mut following);
    assert!(is_first(&certificates));

    // The certificate is replaced; its key will follow. Neither look may take the pair apart.
    let (cert, key) = pair();
    files.write("cert", &cert);
    certificates.look(&mut following);
    certificates.look(&mut following);
    assert!(is_first(&certificates));
    files.write("key", &key);
    certificates.look(&mut following);
    assert!(is_first(&certificates), "not at rest yet");
    certificates.look(&mut following);
    assert!(!is_first(&certificates));

    // Gone, and back again.
    let second = certificates.current.load_full();
    fs::remove_file(files.directory.path().join("key")).expect("removed");
    for _ in 0..3 {
        certificates.look(&mut following);
    }
    assert!(Arc::ptr_eq(&certificates.current.load_full(), &second));
    let (cert, key) = pair();
    files.write("key", &key);
    files.write("cert", &cert);
    certificates.look(&mut following);
    certificates.look(&mut following);
    assert!(!Arc::ptr_eq(&certificates.current.load_full(), &second));
}
