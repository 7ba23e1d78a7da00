//! Where the service listens, and whether it may.

use std::fs;

use super::{faults, load};

#[test]
fn loopback_only_unless_told() {
    for address in ["0.0.0.0:7070", "[::]:7070", "192.0.2.1:7070"] {
        let text = format!("[grpc]\nlisten = \"{address}\"\n");
        let refused = faults(load(&text));
        assert_eq!(refused.len(), 1);
        assert!(
            refused[0].contains("without caller authentication"),
            "{refused:?}"
        );
        assert!(refused[0].contains("--insecure"), "{refused:?}");
        load(&format!("{text}insecure = true\n")).unwrap();
    }
    for address in ["127.0.0.1:1", "[::1]:1", "127.3.4.5:1", "localhost:1"] {
        load(&format!("[grpc]\nlisten = \"{address}\"\n")).unwrap();
    }
    let same = faults(load("[grpc]\nlisten = \"127.0.0.1:7071\"\n"));
    assert!(same[0].contains("is the gRPC port already"), "{same:?}");
}

#[test]
fn tls_is_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for name in ["cert.pem", "key.pem", "ca.pem"] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    let (cert, key, ca) = (path("cert.pem"), path("key.pem"), path("ca.pem"));
    let setting = |name: &str, path: &str| format!("grpc.{name} = \"{path}\"\n");

    let whole =
        setting("tls_cert", &cert) + &setting("tls_key", &key) + &setting("tls_client_ca", &ca);
    let tls = load(&whole).unwrap().config.grpc.tls.unwrap();
    assert_eq!(
        (tls.cert, tls.key),
        (cert.clone().into(), key.clone().into())
    );
    assert_eq!(tls.client_ca, Some(ca.clone().into()));

    let table = [
        (
            setting("tls_cert", &cert),
            "grpc.tls_key (built-in default): is missing",
        ),
        (
            setting("tls_key", &key),
            "grpc.tls_cert (built-in default): is missing",
        ),
        (
            setting("tls_client_ca", &ca),
            "asks for clients' certificates",
        ),
        (
            setting("tls_cert", &path("gone.pem")) + &setting("tls_key", &key),
            "gone.pem cannot be read: ",
        ),
        (
            setting("tls_cert", &cert)
                + &setting("tls_key", &directory.path().display().to_string()),
            "is not a file",
        ),
    ];
    for (text, expected) in table {
        let faults = faults(load(&text));
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].contains(expected), "{faults:?}");
    }
}
