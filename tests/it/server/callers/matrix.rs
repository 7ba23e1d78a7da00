//! Every RPC of the descriptors, called as every kind of caller. An RPC without a row fails.

use prost::Message as _;
use prost_types::FileDescriptorSet;
use secrecy::ExposeSecret as _;
use tenure::call::Operation;
use tenure::callers::new_key;
use tenure::config::{ApiKey, Callers};
use tenure::grpc::DESCRIPTORS;
use tonic::Code;

use super::{House, bearer, config, raw, rule};

const SERVER: &[&str] = &["server", "one-tenant"];
const CREDENTIALS: &[&str] = &["credentials"];
const WATCHES: &[&str] = &["auditor", "auditor-of-all"];
const INVALIDATES: &[&str] = &[
    "server",
    "one-tenant",
    "events",
    "admin",
    "one-tenants-events",
];
const INVALIDATES_ACROSS: &[&str] = &["server", "events", "admin"];
const INVALIDATES_WIDELY: &[&str] = &["events", "admin", "one-tenants-events"];
const INVALIDATES_ALL: &[&str] = &["events", "admin"];
/// What is about the whole service takes a rule for every namespace.
const OPERATES: &[&str] = &["operator"];
const SEES_ALL: &[&str] = &["operator", "auditor-of-all"];
const DESTROYS: &[&str] = &["admin"];

/// Whoever may look at sessions of acme in crm, and of everybody.
const SEES: &[&str] = &["admin", "auditor", "auditor-of-all", "one-tenants-auditor"];
const SEES_ALL_TENANTS: &[&str] = &["admin", "auditor", "auditor-of-all"];

/// Which of the callers below may do it in `crm` for `acme`. Nobody else may.
const ROWS: &[(&str, &[&str])] = &[
    ("CreateSession", SERVER),
    ("GetSession", SERVER),
    ("UpdateSession", SERVER),
    ("TouchSession", SERVER),
    ("RotateSession", SERVER),
    ("DeleteSession", SERVER),
    ("ListSessions", SERVER),
    ("ClaimOnce", SERVER),
    ("WatchSessions", WATCHES),
    ("InvalidateSessions", INVALIDATES),
    ("InvalidateSessions by id", INVALIDATES_ACROSS),
    ("InvalidateSessions by tenant", INVALIDATES_WIDELY),
    ("InvalidateSessions by all", INVALIDATES_ALL),
    ("PutCredential", SERVER),
    ("DeleteCredential", SERVER),
    ("ListCredentials", SERVER),
    ("GetCredential", CREDENTIALS),
    ("BeginRefresh", CREDENTIALS),
    ("CompleteRefresh", CREDENTIALS),
    ("AbandonRefresh", CREDENTIALS),
    ("GetKeyStatus", SEES_ALL),
    ("RotateKeys", OPERATES),
    ("RewrapKeys", OPERATES),
    ("DestroyTenantKey", DESTROYS),
    ("ListNamespaces", SEES_ALL),
    ("GetStoreStatus", SEES_ALL),
    ("GetLogLevel", SEES_ALL),
    ("SetLogLevel", OPERATES),
    ("FindSessions", SEES),
    ("FindSessions of all tenants", SEES_ALL_TENANTS),
    ("StreamSessions", SEES),
    ("InspectSession", SEES),
    ("ExplainSession", SEES),
    ("ExplainSession of all tenants", SEES_ALL_TENANTS),
    ("ListTopOwners", SEES),
    ("ReadSessionState", &["break-glass"]),
    ("EndSessions", &["admin"]),
    ("EndSessions of all tenants", &["admin"]),
];

/// The callers: their names, what they may do, where, for whom.
const CALLERS: &[(&str, &[&str], &str, &str)] = &[
    ("server", &["server"], "crm", "*"),
    ("credentials", &["credentials"], "crm", "*"),
    ("events", &["events"], "crm", "*"),
    ("admin", &["admin"], "crm", "*"),
    ("auditor", &["auditor"], "crm", "*"),
    (
        "operator",
        &[
            "GetKeyStatus",
            "RotateKeys",
            "RewrapKeys",
            "ListNamespaces",
            "GetStoreStatus",
            "GetLogLevel",
            "SetLogLevel",
        ],
        "*",
        "*",
    ),
    ("auditor-of-all", &["auditor"], "*", "*"),
    ("break-glass", &["break_glass"], "crm", "*"),
    (
        "one-tenants-auditor",
        &[
            "FindSessions",
            "StreamSessions",
            "InspectSession",
            "ExplainSession",
            "ListTopOwners",
        ],
        "crm",
        "acme",
    ),
    ("one-tenant", &["server", "WatchSessions"], "crm", "acme"),
    ("one-tenants-events", &["events"], "crm", "acme"),
    (
        "foreign-namespace",
        &["server", "credentials", "events", "auditor"],
        "billing",
        "*",
    ),
    (
        "foreign-tenant",
        &["server", "credentials", "events", "auditor"],
        "crm",
        "beta",
    ),
    // It has a rule, as half-configured ones are refused, but of no use.
    ("nobody", &["ClaimOnce"], "nowhere", "nobody"),
];

/// All RPCs of our own services, from the descriptors that reflection shows.
fn rpcs() -> Vec<(String, String)> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("our own descriptors");
    let mut rpcs = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                rpcs.push((method.name().to_owned(), path));
            }
        }
    }
    assert!(rpcs.len() >= 10, "the descriptors are there");
    rpcs
}

#[test]
fn every_rpc_is_an_operation_and_has_a_row() {
    for (rpc, path) in rpcs() {
        let operation = Operation::at(&path);
        assert!(
            operation.is_some(),
            "{path} is no operation: nobody decides about it"
        );
        let row = ROWS.iter().find(|(own, _)| *own == rpc);
        assert!(row.is_some(), "{path} has no row in the matrix");
    }
    for operation in Operation::ALL {
        let row = ROWS.iter().find(|(own, _)| *own == operation.name());
        assert!(row.is_some(), "{operation:?} has no row in the matrix");
    }
}

#[tokio::test]
async fn every_rpc_as_every_kind_of_caller() {
    let mut settings = config();
    let mut keys = Vec::new();
    let mut callers = Callers::default();
    for (name, allow, namespace, tenant) in CALLERS {
        let (key, hash) = new_key();
        keys.push((*name, bearer(key.expose_secret())));
        let key = ApiKey {
            hashes: vec![hash],
            hash_file: None,
        };
        callers.api_keys.push(((*name).to_owned(), key));
        let caller = format!("apikey:{name}");
        settings
            .policy
            .push(rule(name, &caller, allow, namespace, tenant));
    }
    settings.callers = callers;
    let closed = House::start(settings).await;
    let open = House::start(config()).await;
    let (closed, open) = (closed.channel().await, open.channel().await);
    let (stranger, _) = new_key();
    let stranger = bearer(stranger.expose_secret());

    let known = rpcs();
    let mut wrong = Vec::new();
    for (row, allowed) in ROWS {
        let rpc = row.split(' ').next().unwrap_or_default();
        // A row may be ahead of the services.
        let Some((_, path)) = known.iter().find(|(own, _)| own == rpc) else {
            continue;
        };
        let path = Operation::at(path).expect("an operation").path();
        let request = || raw::request(row, "crm", "acme");
        let mut see = |caller: &str, expected: &str, answered: &raw::Answered| {
            let seen = match answered.code {
                Code::Unauthenticated => "unknown",
                Code::PermissionDenied => "denied",
                _ => "served",
            };
            if seen != expected {
                wrong.push(format!("{row} as {caller}: {seen}, not {expected}"));
            }
        };
        let none = raw::call(closed.clone(), path, &[], request()).await;
        see("none", "unknown", &none);
        let header = [("authorization", &*stranger)];
        let bad = raw::call(closed.clone(), path, &header, request()).await;
        see("bad", "unknown", &bad);
        assert_eq!(none, bad, "{row}");
        let local = raw::call(open.clone(), path, &[], request()).await;
        see("local", "served", &local);
        for (name, key) in &keys {
            let expected = if allowed.contains(name) {
                "served"
            } else {
                "denied"
            };
            let header = [("authorization", &**key)];
            let answered = raw::call(closed.clone(), path, &header, request()).await;
            see(name, expected, &answered);
            if expected == "denied" && answered.code == Code::PermissionDenied {
                assert_eq!(answered.reason, "CALLER_NOT_ALLOWED", "{row} as {name}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn who_may_not_do_it_learns_nothing_about_the_request() {
    let (key, hash) = new_key();
    let key_of = |hash| ApiKey {
        hashes: vec![hash],
        hash_file: None,
    };
    let mut settings = config();
    settings.callers.api_keys = vec![("crm".to_owned(), key_of(hash))];
    settings.policy = vec![rule("crm", "apikey:crm", &["GetSession"], "crm", "acme")];
    settings.strict_namespaces = true;
    let house = House::start(settings).await;
    let bearer = bearer(key.expose_secret());
    let path = "/tenure.v1.SessionService/GetSession";
    let mut told = Vec::new();
    for (namespace, tenant) in [
        ("billing", "acme"),
        ("NO NAME!", "acme"),
        ("", "acme"),
        ("crm", "beta"),
        ("crm", "\u{7}"),
    ] {
        let request = raw::request("GetSession", namespace, tenant);
        let header = [("authorization", &*bearer)];
        told.push(raw::call(house.channel().await, path, &header, request).await);
    }
    assert_eq!(told[0].reason, "CALLER_NOT_ALLOWED");
    assert!(told.iter().all(|one| *one == told[0]), "{told:#?}");
}
