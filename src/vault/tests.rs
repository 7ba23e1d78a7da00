//! What is sealed opens in its place, and nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::session::names::{CredentialName, Owner, RecordId, RequestId};

/// A place, with all that it is made of.
#[derive(Clone, Debug, PartialEq)]
struct Somewhere {
    namespace: &'static str,
    owner: (&'static str, &'static str, &'static str),
    record: u128,
    kind: u8,
    field: &'static str,
    version: u64,
}

impl Somewhere {
    fn with<T>(&self, then: impl FnOnce(&Binding<'_>) -> T) -> T {
        let namespace = NamespaceName::new(self.namespace).expect("a good name");
        let (tenant, user, issuer) = self.owner;
        let owner = Owner::new(tenant, user, issuer).expect("a good owner");
        let name = CredentialName::new(self.field).expect("a good name");
        let part = match self.kind {
            0 => Part::Credential(&name),
            1 => Part::State(self.field),
            _ => Part::Increments(RequestId(uuid::Uuid::from_u128(self.record))),
        };
        then(&Binding {
            namespace: &namespace,
            owner: &owner,
            record_id: RecordId(self.record),
            part,
            version: self.version,
        })
    }
}

/// Few of each, so that places differ in one thing or in several, and share what could be confused: parts
/// that are the same when they are joined.
fn anywhere() -> impl Strategy<Value = Somewhere> {
    let namespaces = prop::sample::select(vec!["crm", "crm2", "c"]);
    let owners = prop::sample::select(vec![
        ("acme", "ann", "idp"),
        ("acmea", "nn", "idp"),
        ("acme", "anni", "dp"),
        ("acme", "", "annidp"),
        ("", "acmeann", "idp"),
    ]);
    let fields = prop::sample::select(vec!["token", "tok", "en", "github"]);
    (namespaces, owners, 0..3_u128, 0..3_u8, fields, 1..4_u64).prop_map(
        |(namespace, owner, record, kind, field, version)| Somewhere {
            namespace,
            owner,
            record,
            kind,
            field,
            version,
        },
    )
}

/// What may befall sealed bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Moved(Somewhere),
    Flipped(prop::sample::Index, u8),
    Truncated(prop::sample::Index),
    Extended(Vec<u8>),
    CutInFront(prop::sample::Index),
    OtherKey,
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => anywhere().prop_map(Mutation::Moved),
        3 => (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flipped(at, bit)),
        1 => any::<prop::sample::Index>().prop_map(Mutation::Truncated),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Mutation::Extended),
        1 => any::<prop::sample::Index>().prop_map(Mutation::CutInFront),
        1 => Just(Mutation::OtherKey),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// 10,000 mutations: moved to another session, field, owner or namespace, sealed for another version of
    /// the field, flipped, truncated, extended.
    #[test]
    fn whatever_befalls_sealed_bytes_they_do_not_open(
        home in anywhere(),
        plain in prop::collection::vec(any::<u8>(), 0..80),
        mutation in any_mutation(),
    ) {
        let key = DataKey::generate();
        let sealed = home.with(|home| key.seal(home, &plain));
        let opened = home.with(|home| key.open(home, &sealed));
        prop_assert_eq!(opened.expect("it opens at home").to_vec(), plain);

        let mut bytes = sealed.clone();
        let opened = match mutation {
            Mutation::Moved(elsewhere) => {
                // The increments of a request have no name of their own.
                let same = elsewhere.with(|there| there.associated_data([0; 8]))
                    == home.with(|home| home.associated_data([0; 8]));
                prop_assume!(!same);
                elsewhere.with(|there| key.open(there, &bytes))
            }
            Mutation::OtherKey => home.with(|home| DataKey::generate().open(home, &bytes)),
            other => {
                match other {
                    Mutation::Flipped(at, bit) => {
                        let at = at.index(bytes.len());
                        bytes[at] ^= 1 << bit;
                    }
                    Mutation::Truncated(at) => bytes.truncate(at.index(bytes.len())),
                    Mutation::CutInFront(at) => drop(bytes.drain(..=at.index(bytes.len()))),
                    Mutation::Extended(more) => bytes.extend(more),
                    Mutation::Moved(_) | Mutation::OtherKey => {}
                }
                home.with(|home| key.open(home, &bytes))
            }
        };
        prop_assert!(opened.is_err());
    }

    #[test]
    fn a_wrapped_key_opens_only_for_its_tenant(
        flipped in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        tenant in "[a-z]{0,8}",
        other in "[a-z]{0,8}",
    ) {
        let ring = Keyring::open(Source::Process).expect("a random key");
        let vault = Vault::new(Arc::new(ring));
        let namespace = NamespaceName::new("crm").expect("a good name");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let wrapped = vault.new_key(&namespace, &tenant).await.expect("a key");
            prop_assert!(vault.unwrap(&namespace, &tenant, &wrapped).await.is_ok());
            if tenant != other {
                prop_assert!(vault.unwrap(&namespace, &other, &wrapped).await.is_err());
            }
            let mut bytes = wrapped.as_bytes().to_vec();
            let at = flipped.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let damaged = Sealed::new(bytes);
            prop_assert!(vault.unwrap(&namespace, &tenant, &damaged).await.is_err());
            Ok(())
        })?;
    }
}

#[test]
fn the_same_secret_is_never_sealed_alike() {
    let home = Somewhere {
        namespace: "crm",
        owner: ("acme", "ann", "idp"),
        record: 1,
        kind: 0,
        field: "token",
        version: 1,
    };
    let key = DataKey::generate();
    let sealed: std::collections::HashSet<_> = (0..1000)
        .map(|_| home.with(|home| key.seal(home, b"secret")))
        .collect();
    assert_eq!(sealed.len(), 1000);
    assert!(
        sealed
            .iter()
            .all(|sealed| sealed.len() == 6 + DataKey::OVERHEAD)
    );
}

fn line(id: &str) -> String {
    let id = KeyId::new(id).expect("a good id");
    generate_line(&id).expose_secret().to_owned()
}

fn parse(text: &str) -> Result<Vec<String>, String> {
    let keys = Keys::parse(&SecretString::from(text.to_owned()));
    keys.map(|keys| keys.ids().map(ToString::to_string).collect())
        .map_err(|fault| fault.to_string())
}

#[test]
fn keys_are_read_as_they_are_written() {
    let (one, two) = (line("2026-01"), line("2026-02"));
    let both = ["2026-01".to_owned(), "2026-02".to_owned()];
    assert_eq!(
        parse(&format!("# mine\n\n {one} \n{two}\n")),
        Ok(both.to_vec())
    );
    assert_eq!(parse(&format!("{one},{two}")), Ok(both.to_vec()));
    let keys = Keys::parse(&SecretString::from(format!("{one}\n{two}"))).expect("two keys");
    assert_eq!(keys.active().as_str(), "2026-02");
}

#[test]
fn a_fault_in_keys_names_the_line_and_never_quotes_it() {
    let good = line("one");
    let canary = "c2VjcmV0LWNhbmFyeQ==";
    for (text, expected) in [
        (String::new(), "holds no key"),
        ("# nothing".to_owned(), "holds no key"),
        (
            format!("{good}\nx:{canary}"),
            "line 2: the key must be 32 bytes in base64",
        ),
        (canary.to_owned(), "line 1: not of the form ID:KEY"),
        (
            format!("a b:{canary}"),
            "line 1: the id must be 1 to 64 of letters, digits, '.', '_', '-'",
        ),
        (
            format!("{good}\n{good}"),
            "line 2: this id stands here twice",
        ),
    ] {
        let fault = parse(&text).expect_err("a fault");
        assert_eq!(fault, expected);
        assert!(!fault.contains(canary));
    }
}

#[test]
fn a_key_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    fs::write(&path, line("one")).expect("written");
    for mode in [0o644, 0o640, 0o604, 0o660, 0o622] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        let fault = Keyring::open(Source::File(path.clone()))
            .err()
            .expect("refused");
        assert!(fault.to_string().contains("make it 0600"), "{fault}");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        assert!(
            Keyring::open(Source::File(path.clone())).is_ok(),
            "{mode:o}"
        );
    }
}

#[tokio::test]
async fn newer_keys_are_taken_over_and_faulty_ones_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys");
    let write = |text: &str| {
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    let (one, two) = (line("one"), line("two"));
    write(&one);
    let ring = Arc::new(Keyring::open(Source::File(path.clone())).expect("keys"));
    let vault = Vault::new(Arc::clone(&ring) as Arc<dyn KeyService>);
    let namespace = NamespaceName::new("crm").expect("a good name");
    let old = vault.new_key(&namespace, "acme").await.expect("a key");
    assert_eq!(ring.look_for_newer().await, Ok(false));

    write(&format!("{one}\nnonsense"));
    assert!(ring.look_for_newer().await.is_err());
    assert_eq!(ring.active_key().as_str(), "one");

    write(&format!("{one}\n{two}"));
    assert_eq!(ring.look_for_newer().await, Ok(true));
    assert_eq!(ring.active_key().as_str(), "two");
    let key = vault
        .unwrap(&namespace, "acme", &old)
        .await
        .expect("the old one is readable");
    assert!(vault.at_hand(&namespace, "acme").is_some());
    assert!(vault.at_hand_for_writing(&namespace, "acme").is_none());

    let newer = vault
        .rewrapped(&namespace, "acme", &old)
        .await
        .expect("both keys are here");
    let newer = newer.expect("an older one wraps it");
    assert_eq!(vault.rewrapped(&namespace, "acme", &newer).await, Ok(None));
    write(&two);
    assert_eq!(ring.look_for_newer().await, Ok(false));
    let again = vault
        .unwrap(&namespace, "acme", &newer)
        .await
        .expect("without the old one");
    assert!(again.id() == key.id());
    let gone = vault.unwrap(&namespace, "acme", &old).await.err();
    let one = KeyId::new("one").expect("a good id");
    assert_eq!(gone, Some(Fault::KeyNotLoaded(one)));
}

#[tokio::test]
async fn more_tenants_than_are_kept_do_no_harm() {
    let ring = Keyring::open(Source::Process).expect("a random key");
    let vault = Vault::new(Arc::new(ring));
    let namespace = NamespaceName::new("crm").expect("a good name");
    let wrapped = vault.new_key(&namespace, "first").await.expect("a key");
    let key = vault
        .unwrap(&namespace, "first", &wrapped)
        .await
        .expect("unwrapped");
    for number in 0..2 * Vault::KEPT {
        vault.keep(
            &namespace,
            &number.to_string(),
            &key,
            vault.service.active_key(),
        );
    }
    assert!(vault.unwrapped.read().len() <= Vault::KEPT);
}
