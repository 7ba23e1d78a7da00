//! What is called: sessions that need no memory here, and requests as bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint};
use uuid::Uuid;

/// What a turn consists of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Create,
    Delete,
    Get,
    Update,
    Mixed { reads: u8 },
    Lifecycle,
    Credential,
}

impl Work {
    pub(super) fn name(self) -> &'static str {
        match self {
            Work::Create => "create",
            Work::Delete => "delete",
            Work::Get => "get",
            Work::Update => "update",
            Work::Mixed { .. } => "mixed",
            Work::Lifecycle => "lifecycle",
            Work::Credential => "credential",
        }
    }

    /// The calls of one turn.
    pub(super) fn calls(self, random: &mut Random) -> &'static [Rpc] {
        match self {
            Work::Create => &[Rpc::Create],
            Work::Delete => &[Rpc::Delete],
            Work::Get => &[Rpc::Get],
            Work::Mixed { reads } if random.below(100) < u64::from(reads) => &[Rpc::Get],
            Work::Update | Work::Mixed { .. } => &[Rpc::Update],
            Work::Lifecycle => &[Rpc::Create, Rpc::Get, Rpc::Update, Rpc::Delete],
            Work::Credential => &[Rpc::GetCredential],
        }
    }
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rpc {
    Create,
    Get,
    Update,
    Delete,
    GetCredential,
}

impl Rpc {
    pub(super) const ALL: [Rpc; 5] = [
        Rpc::Create,
        Rpc::Get,
        Rpc::Update,
        Rpc::Delete,
        Rpc::GetCredential,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Rpc::Create => "create",
            Rpc::Get => "get",
            Rpc::Update => "update",
            Rpc::Delete => "delete",
            Rpc::GetCredential => "get_credential",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Rpc::Create => "/tenure.v1.SessionService/CreateSession",
            Rpc::Get => "/tenure.v1.SessionService/GetSession",
            Rpc::Update => "/tenure.v1.SessionService/UpdateSession",
            Rpc::Delete => "/tenure.v1.SessionService/DeleteSession",
            Rpc::GetCredential => "/tenure.v1.CredentialService/GetCredential",
        }
    }
}

/// What the sessions are like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) namespace: String,
    pub(super) tenant: String,
    pub(super) count: usize,
    pub(super) per_owner: usize,
    pub(super) keys: usize,
    pub(super) value_bytes: usize,
    pub(super) idle_ttl: Duration,
    pub(super) request_ids: bool,
    /// Bytes of a credential that each session has.
    pub(super) credential_bytes: Option<usize>,
}

/// The sessions of a run. Owner and id follow from a session's number.
#[derive(Debug)]
pub(super) struct Sessions {
    plan: Plan,
    /// No two runs meet.
    run: u64,
    state: Vec<u8>,
    /// The first credentials of a session.
    credentials: Vec<u8>,
    idle_ttl: Vec<u8>,
    /// The next number for a lifecycle of its own.
    next: AtomicU64,
}

impl Sessions {
    pub(super) fn new(plan: Plan) -> Sessions {
        let mut state = Vec::new();
        for key in 0..plan.keys {
            put(&mut state, 1, &entry(key, plan.value_bytes, b'x'));
        }
        let mut credentials = Vec::new();
        if let Some(bytes) = plan.credential_bytes {
            let mut secret = Vec::new();
            put(&mut secret, 2, &vec![b'x'; bytes]);
            put(&mut credentials, 1, CREDENTIAL.as_bytes());
            put(&mut credentials, 2, &secret);
        }
        let mut idle_ttl = Vec::new();
        encode_key(1, WireType::Varint, &mut idle_ttl);
        encode_varint(plan.idle_ttl.as_secs(), &mut idle_ttl);
        Sessions {
            run: Random::new().next(),
            state,
            credentials,
            idle_ttl,
            next: AtomicU64::new(plan.count as u64),
            plan,
        }
    }

    /// How many there are during the run.
    pub(super) fn count(&self) -> u64 {
        self.plan.count as u64
    }

    /// One that is there, or for a lifecycle one that is not.
    pub(super) fn choose(&self, work: Work, random: &mut Random) -> u64 {
        match work {
            Work::Lifecycle => self.next.fetch_add(1, Ordering::Relaxed),
            _ => random.below(self.count()),
        }
    }

    /// A request as gRPC frames it.
    pub(super) fn request(&self, rpc: Rpc, number: u64, random: &mut Random) -> Bytes {
        let mut out = BytesMut::with_capacity(256 + self.plan.value_bytes);
        out.put_slice(&[0; FRAME]);
        put(&mut out, 1, self.plan.namespace.as_bytes());
        let mut owner = Vec::with_capacity(64);
        put(&mut owner, 1, self.plan.tenant.as_bytes());
        let user = format!("bench-user-{}", number / self.plan.per_owner as u64);
        put(&mut owner, 2, user.as_bytes());
        put(&mut out, 2, &owner);
        // Like the ids that the service makes.
        let id = Uuid::from_u64_pair(self.run, number).to_string();
        put(&mut out, 3, id.as_bytes());
        match rpc {
            Rpc::Get | Rpc::Delete => {}
            Rpc::GetCredential => put(&mut out, 4, CREDENTIAL.as_bytes()),
            Rpc::Create => {
                put(&mut out, 5, &self.state);
                if !self.credentials.is_empty() {
                    put(&mut out, 8, &self.credentials);
                }
                put(&mut out, 9, &self.idle_ttl);
                self.put_request_id(&mut out, 14, random);
            }
            Rpc::Update => {
                let key = usize::try_from(random.below(self.plan.keys as u64)).unwrap_or_default();
                let fill = b'a' + u8::try_from(random.below(26)).unwrap_or_default();
                let mut set = Vec::with_capacity(self.plan.value_bytes + 32);
                put(&mut set, 1, &entry(key, self.plan.value_bytes, fill));
                put(&mut out, 4, &set);
                self.put_request_id(&mut out, 12, random);
            }
        }
        let len = u32::try_from(out.len() - FRAME).unwrap_or(u32::MAX);
        out[1..FRAME].copy_from_slice(&len.to_be_bytes());
        out.freeze()
    }

    fn put_request_id(&self, out: &mut BytesMut, field: u32, random: &mut Random) {
        if self.plan.request_ids {
            let id = Uuid::from_u64_pair(random.next(), random.next());
            let mut text = Uuid::encode_buffer();
            put(
                out,
                field,
                id.as_hyphenated().encode_lower(&mut text).as_bytes(),
            );
        }
    }
}

/// Before each message: whether it is compressed, and its length.
const FRAME: usize = 5;

/// The name of the credential that sessions have.
const CREDENTIAL: &str = "bench";

/// A key of the state with a text as its value.
fn entry(key: usize, value_bytes: usize, fill: u8) -> Vec<u8> {
    let mut value = Vec::with_capacity(value_bytes + 8);
    put(&mut value, 3, &vec![fill; value_bytes]);
    let mut entry = Vec::with_capacity(value_bytes + 32);
    put(&mut entry, 1, format!("key-{key}").as_bytes());
    put(&mut entry, 2, &value);
    entry
}

/// A field whose value is bytes: a text or a message.
fn put(out: &mut impl bytes::BufMut, field: u32, bytes: &[u8]) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.put_slice(bytes);
}

/// Numbers that nobody needs to be unable to guess (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new() -> Random {
        Random(u64::from_le_bytes(crate::mint::random()))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(end);
        u64::try_from(wide >> 64).unwrap_or_default()
    }
}
