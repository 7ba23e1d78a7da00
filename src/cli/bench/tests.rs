use std::time::{Duration, Instant};

use tenure_client::proto::v1;

use super::tally::Tally;
use super::work::{Plan, Random, Rpc, Sessions, Work};

fn sessions(request_ids: bool) -> Sessions {
    Sessions::new(Plan {
        namespace: "crm".to_owned(),
        tenant: "acme".to_owned(),
        count: 30,
        per_owner: 3,
        keys: 10,
        value_bytes: 102,
        idle_ttl: Duration::from_mins(15),
        request_ids,
        credential_bytes: request_ids.then_some(700),
    })
}

/// The message behind gRPC's frame.
fn message<M: prost::Message + Default>(framed: &[u8]) -> M {
    let (frame, message) = framed.split_at(5);
    let len = u32::try_from(message.len()).expect("short");
    assert_eq!(frame[0], 0, "not compressed");
    assert_eq!(frame[1..], len.to_be_bytes());
    M::decode(message).expect("sound")
}

#[test]
fn requests_are_what_the_protos_say() {
    let (sessions, random) = (sessions(true), &mut Random::new());
    let create: v1::CreateSessionRequest = message(&sessions.request(Rpc::Create, 29, random));
    let owner = create.owner.expect("an owner");
    assert_eq!(create.namespace, "crm");
    assert_eq!(
        (owner.tenant.as_str(), owner.user.as_str()),
        ("acme", "bench-user-9")
    );
    assert_eq!(create.idle_ttl.expect("a ttl").seconds, 900);
    let state = create.state.expect("a state").fields;
    assert_eq!(state.len(), 10);
    for value in state.values() {
        let Some(prost_types::value::Kind::StringValue(text)) = &value.kind else {
            panic!("a text")
        };
        assert_eq!(text.len(), 102);
    }
    assert!(create.request_id.parse::<uuid::Uuid>().is_ok());

    let [(name, kept)] = &create.credentials.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one credential")
    };
    let Some(v1::credential::Secret::Opaque(secret)) = &kept.secret else {
        panic!("a secret")
    };
    assert_eq!(secret.len(), 700);
    let read: v1::GetCredentialRequest = message(&sessions.request(Rpc::GetCredential, 29, random));
    assert_eq!(
        (&read.name, read.session_id),
        (name, create.session_id.clone())
    );

    let get: v1::GetSessionRequest = message(&sessions.request(Rpc::Get, 29, random));
    let update: v1::UpdateSessionRequest = message(&sessions.request(Rpc::Update, 29, random));
    let delete: v1::DeleteSessionRequest = message(&sessions.request(Rpc::Delete, 29, random));
    for id in [&get.session_id, &update.session_id, &delete.session_id] {
        assert_eq!(*id, create.session_id);
    }
    assert_eq!(create.session_id.len(), 36);
    let set = update.set.expect("changes").fields;
    assert!(set.len() == 1 && set.keys().all(|key| state.contains_key(key)));

    let other: v1::GetSessionRequest = message(&sessions.request(Rpc::Get, 28, random));
    assert_ne!(other.session_id, create.session_id);
    assert_eq!(other.owner, get.owner, "three sessions for each owner");
}

#[test]
fn request_ids_can_be_left_out() {
    let sessions = sessions(false);
    let update: v1::UpdateSessionRequest =
        message(&sessions.request(Rpc::Update, 1, &mut Random::new()));
    assert_eq!(update.request_id, "");
}

#[test]
fn mixed_work_has_the_share_of_reads_that_was_asked_for() {
    let random = &mut Random::new();
    let mut reads = |share| {
        let work = Work::Mixed { reads: share };
        let calls = (0..10_000).filter(|_| work.calls(random) == [Rpc::Get]);
        calls.count()
    };
    assert_eq!((reads(0), reads(100)), (0, 10_000));
    assert!((7_500..8_500).contains(&reads(80)));
}

#[test]
fn sessions_of_lifecycles_are_new_and_all_others_are_there() {
    let (sessions, random) = (sessions(true), &mut Random::new());
    assert_eq!(sessions.choose(Work::Lifecycle, random), 30);
    assert_eq!(sessions.choose(Work::Lifecycle, random), 31);
    assert!((0..1000).all(|_| sessions.choose(Work::Get, random) < 30));
}

#[test]
fn a_tally_counts_from_the_intended_time() {
    let begin = Instant::now();
    let at = |millis| begin + Duration::from_millis(millis);
    let mut tally = Tally::since(begin);
    tally.count(Rpc::Get, at(0), at(5), Ok(()));
    let mut other = Tally::since(begin);
    other.count(Rpc::Get, at(10), at(500), Ok(()));
    other.count(Rpc::Update, at(10), at(20), Err("OVERLOADED".to_owned()));
    other.unsent = 3;
    tally.add(other);
    assert_eq!(tally.answered(), 2);
    assert_eq!(tally.elapsed(), Duration::from_millis(500));
    assert_eq!(tally.errors()["OVERLOADED"], 1);
    assert_eq!(tally.errors_in_words(), "1 x OVERLOADED");
    assert_eq!(tally.unsent, 3);
    let total = tally.total();
    assert_eq!(total.failed, 1);
    let longest = Duration::from_nanos(total.latencies.max());
    assert!((489..492).contains(&longest.as_millis()), "{longest:?}");
}
