//! Keys that are rotated while the service runs, and keys that are destroyed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;
use tempfile::NamedTempFile;
use tenure::vault::{KeyId, generate_line};
use tenure_client::proto::admin_v1 as admin;
use tonic::Code;

use super::{Caller, Fleet, SECRET, config, opaque, refused};

/// A key file with keys of these names.
pub(super) fn key_file(names: &[&str]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    write(&file, &lines(names));
    file
}

fn lines(names: &[&str]) -> Vec<String> {
    let each = names.iter().map(|name| {
        let id = KeyId::new(name).expect("a good name");
        generate_line(&id).expose_secret().to_owned()
    });
    each.collect()
}

fn write(file: &NamedTempFile, lines: &[String]) {
    fs::write(file.path(), lines.join("\n")).expect("written");
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).expect("a mode");
}

impl Caller {
    async fn key_status(&mut self) -> Vec<(String, bool, bool, i64)> {
        let answer = self
            .admin
            .get_key_status(admin::GetKeyStatusRequest {})
            .await;
        let status = answer.expect("a status").into_inner();
        assert_eq!(status.damaged_tenant_keys, 0);
        let keys = status.keys.into_iter();
        keys.map(|key| (key.key_id, key.active, key.loaded, key.tenant_keys))
            .collect()
    }

    async fn rotate_keys(&mut self) -> (String, bool) {
        let answer = self.admin.rotate_keys(admin::RotateKeysRequest {}).await;
        let rotation = answer.expect("rotated").into_inner();
        (rotation.active_key_id, rotation.rotated)
    }

    /// The last word of a rewrapping.
    async fn rewrap(&mut self) -> admin::RewrapKeysResponse {
        let answer = self.admin.rewrap_keys(admin::RewrapKeysRequest {}).await;
        let mut progress = answer.expect("begun").into_inner();
        let mut last = None;
        while let Some(told) = progress.message().await.expect("progress") {
            assert!(told.seen_count <= told.total_count);
            last = Some(told);
        }
        last.expect("at least one message")
    }

    async fn destroy(&mut self, tenant: &str) -> bool {
        let request = admin::DestroyTenantKeyRequest {
            namespace: self.namespace.clone(),
            tenant: tenant.to_owned(),
        };
        let answer = self.admin.destroy_tenant_key(request).await;
        answer.expect("destroyed").into_inner().destroyed
    }
}

#[tokio::test]
async fn rotated_while_the_service_runs() {
    let file = key_file(&["one"]);
    let one = fs::read_to_string(file.path()).expect("read");
    let mut config = config();
    config.keys.file = Some(file.path().to_owned());
    let fleet = Fleet::start(config).await;
    let mut ann = fleet.caller().await;
    let id = ann.make().await;
    ann.put(&id, "a", opaque("under one")).await.expect("put");
    assert_eq!(ann.key_status().await, [("one".to_owned(), true, true, 1)]);
    assert_eq!(ann.rotate_keys().await, ("one".to_owned(), false));

    let two = lines(&["two"]).remove(0);
    write(&file, &[one.clone(), two.clone()]);
    assert_eq!(ann.rotate_keys().await, ("two".to_owned(), true));
    assert_eq!(
        ann.get(&id, "a").await.expect("readable"),
        (opaque("under one"), 1)
    );
    // What is new is under the newest key; so is what an old tenant writes from now on.
    let mut bob = ann.for_user("other", "bob");
    let theirs = bob.make().await;
    bob.put(&theirs, "a", opaque("under two"))
        .await
        .expect("put");
    let one_each = [
        ("one".to_owned(), false, true, 1),
        ("two".to_owned(), true, true, 1),
    ];
    assert_eq!(ann.key_status().await, one_each);
    ann.put(&id, "b", opaque("more")).await.expect("put");
    let all_new = [
        ("one".to_owned(), false, true, 0),
        ("two".to_owned(), true, true, 2),
    ];
    assert_eq!(ann.key_status().await, all_new);

    // A third one, by command, and then without the others.
    let three = lines(&["three"]).remove(0);
    write(&file, &[one, two, three.clone()]);
    assert_eq!(ann.rotate_keys().await, ("three".to_owned(), true));
    let last = ann.rewrap().await;
    assert_eq!((last.total_count, last.seen_count), (2, 2));
    assert_eq!((last.rewrapped_count, last.failed_count), (2, 0));
    assert_eq!(ann.rewrap().await.rewrapped_count, 0);
    write(&file, &[three]);
    assert_eq!(ann.rotate_keys().await, ("three".to_owned(), false));
    assert_eq!(
        ann.key_status().await,
        [("three".to_owned(), true, true, 2)]
    );
    assert_eq!(
        ann.get(&id, "a").await.expect("readable"),
        (opaque("under one"), 1)
    );
    assert_eq!(
        bob.get(&theirs, "a").await.expect("readable"),
        (opaque("under two"), 1)
    );
}

#[tokio::test]
async fn a_key_that_was_removed_too_early_is_told() {
    let file = key_file(&["one"]);
    let one = fs::read_to_string(file.path()).expect("read");
    let mut config = config();
    config.keys.file = Some(file.path().to_owned());
    let fleet = Fleet::start(config).await;
    let mut ann = fleet.caller().await;
    let id = ann.make().await;
    ann.put(&id, "a", opaque("x")).await.expect("put");
    write(&file, &lines(&["two"]));
    assert_eq!(ann.rotate_keys().await, ("two".to_owned(), true));
    let missing = [
        ("one".to_owned(), false, false, 1),
        ("two".to_owned(), true, true, 0),
    ];
    assert_eq!(ann.key_status().await, missing);
    assert_eq!(ann.rewrap().await.failed_count, 1);
    let answer = ann.put(&id, "a", opaque("y")).await;
    refused(answer, Code::Unavailable, "KEY_UNAVAILABLE");
    write(&file, &["nonsense".to_owned()]);
    let answer = ann.admin.rotate_keys(admin::RotateKeysRequest {}).await;
    refused(answer, Code::FailedPrecondition, "KEYS_AT_FAULT");
    write(&file, &[one]);
    assert_eq!(ann.rotate_keys().await, ("one".to_owned(), true));
    assert_eq!(ann.put(&id, "a", opaque("y")).await.expect("put"), 2);
}

#[tokio::test]
async fn a_destroyed_tenant_is_unreadable_and_the_others_are_not() {
    let fleet = Fleet::start(config()).await;
    let mut ann = fleet.caller().await.in_namespace(SECRET);
    let mut bob = ann.for_user("other", "bob");
    let (hers, his) = (ann.make().await, bob.make().await);
    ann.put(&hers, "a", opaque("hers")).await.expect("put");
    bob.put(&his, "a", opaque("his")).await.expect("put");
    assert!(ann.destroy("acme").await);
    assert!(!ann.destroy("acme").await);
    refused(ann.get(&hers, "a").await, Code::DataLoss, "DATA_UNREADABLE");
    assert_eq!(
        bob.get(&his, "a").await.expect("readable"),
        (opaque("his"), 1)
    );
    // What comes later has a key of its own.
    assert_eq!(ann.put(&hers, "a", opaque("new")).await.expect("put"), 2);
    assert_eq!(
        ann.get(&hers, "a").await.expect("readable"),
        (opaque("new"), 2)
    );
}
