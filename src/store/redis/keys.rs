//! Where everything is: names of keys, and which of them go together.
//!
//! All keys of one owner share the hash tag `{namespace:cell}`, so that each operation is one script on one
//! server, in a cluster too.

use aws_lc_rs::digest;

use super::pack;
use crate::session::marks::Subject;
use crate::session::names::{NamespaceName, Owner, RequestId, SessionId};
use crate::session::request::Rpc;

/// Over how many cells a namespace is spread. Never to be changed: the store remembers it and checks.
pub(super) const CELLS: usize = 256;

/// How long an owner's hash is.
pub(super) const HASH_LEN: usize = 16;

/// What a due list holds beside sessions, whose members begin with an owner's hash: never with so many zeros.
pub(super) const NO_HASH: &[u8] = &[0; HASH_LEN];

/// One cell of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell(pub(super) u8);

impl Cell {
    pub(super) fn all() -> impl Iterator<Item = Cell> {
        (0..=u8::MAX).map(Cell)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Makes the names of keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Keys {
        Keys {
            prefix: prefix.to_owned(),
        }
    }

    /// What the instances that share the store agree on.
    pub(super) fn registry(&self) -> Vec<u8> {
        format!("{}registry", self.prefix).into_bytes()
    }

    /// The names of those who call, by their tags.
    pub(super) fn callers(&self) -> Vec<u8> {
        format!("{}callers", self.prefix).into_bytes()
    }

    /// The tenants' wrapped keys, and in which order they are shown.
    pub(super) fn tenant_keys(&self) -> [Vec<u8>; 2] {
        let named = |name| format!("{}{{tenant-keys}}:{name}", self.prefix).into_bytes();
        [named("k"), named("o")]
    }

    /// The keys of a cell.
    pub(super) fn cell(&self, namespace: &NamespaceName, cell: Cell) -> CellKeys {
        CellKeys(format!("{}{{{}:{:02x}}}:", self.prefix, namespace.as_str(), cell.0).into_bytes())
    }
}

/// The keys of one cell.
#[derive(Clone, Debug)]
pub(super) struct CellKeys(Vec<u8>);

impl CellKeys {
    fn named(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.0.len() + 80);
        key.extend_from_slice(&self.0);
        for part in parts {
            key.extend_from_slice(part);
        }
        key
    }

    pub(super) fn owner(&self, hash: &[u8]) -> Vec<u8> {
        self.named(&[b"o:", hash])
    }

    pub(super) fn tombstones(&self, hash: &[u8]) -> Vec<u8> {
        self.named(&[b"t:", hash])
    }

    pub(super) fn content(&self, hash: &[u8], id: &[u8]) -> Vec<u8> {
        self.named(&[b"s:", hash, b":", id])
    }

    pub(super) fn credentials(&self, hash: &[u8], id: &[u8]) -> Vec<u8> {
        self.named(&[b"k:", hash, b":", id])
    }

    pub(super) fn claims(&self, hash: &[u8]) -> Vec<u8> {
        self.named(&[b"c:", hash])
    }

    pub(super) fn request(&self, hash: &[u8], rpc: Rpc, id: RequestId) -> Vec<u8> {
        let rpc: &[u8] = match rpc {
            Rpc::Create => b"c",
            Rpc::Update => b"u",
            Rpc::Rotate => b"r",
            Rpc::Claim => b"o",
        };
        self.named(&[b"q:", hash, b":", rpc, b":", id.0.as_bytes()])
    }

    pub(super) fn marks(&self) -> Vec<u8> {
        self.named(&[b"m"])
    }

    pub(super) fn due(&self) -> Vec<u8> {
        self.named(&[b"d"])
    }

    pub(super) fn ids(&self) -> Vec<u8> {
        self.named(&[b"i"])
    }

    pub(super) fn events(&self) -> Vec<u8> {
        self.named(&[b"e"])
    }

    /// What nobody ever writes: see [`Call::absent`](super::link::Call::absent).
    pub(super) fn absent(&self) -> Vec<u8> {
        self.named(&[b"-"])
    }

    pub(super) fn counters(&self) -> Vec<u8> {
        self.named(&[b"n"])
    }
}

/// Where one owner's record is. The anonymous owner has one for each place and for each claim.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// What its keys are named by. Nobody can guess it who does not know the owner.
    pub(super) hash: [u8; HASH_LEN],
    pub(super) cell: Cell,
    pub(super) keys: CellKeys,
}

impl Keys {
    pub(super) fn of_session(
        &self,
        namespace: &NamespaceName,
        owner: &Owner,
        id: &SessionId,
    ) -> Spot {
        let place = if owner.is_anonymous() {
            id.place()
        } else {
            String::new()
        };
        self.spot(namespace, owner, &place)
    }

    /// Where the only record of a named owner is.
    pub(super) fn of_owner(&self, namespace: &NamespaceName, owner: &Owner) -> Spot {
        self.spot(namespace, owner, "")
    }

    pub(super) fn of_claim(&self, namespace: &NamespaceName, owner: &Owner, claim: &str) -> Spot {
        let place = if owner.is_anonymous() { claim } else { "" };
        self.spot(namespace, owner, place)
    }

    fn spot(&self, namespace: &NamespaceName, owner: &Owner, place: &str) -> Spot {
        let mut text = Vec::with_capacity(128);
        for part in [owner.tenant(), owner.user(), owner.issuer(), place] {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash = digest::digest(&digest::SHA256, &text);
        let mut first = [0; HASH_LEN];
        first.copy_from_slice(&hash.as_ref()[..HASH_LEN]);
        self.known(namespace, first)
    }

    /// Where the owner's record is whose hash was read from Redis.
    pub(super) fn known(&self, namespace: &NamespaceName, hash: [u8; HASH_LEN]) -> Spot {
        let cell = Cell(hash[0]);
        Spot {
            keys: self.cell(namespace, cell),
            cell,
            hash,
        }
    }
}

impl Spot {
    pub(super) fn hash(&self) -> &[u8] {
        &self.hash
    }

    pub(super) fn content(&self, id: &SessionId) -> Vec<u8> {
        self.keys.content(self.hash(), &pack::id(id))
    }

    pub(super) fn credentials(&self, id: &SessionId) -> Vec<u8> {
        self.keys.credentials(self.hash(), &pack::id(id))
    }

    pub(super) fn request(&self, rpc: Rpc, id: RequestId) -> Vec<u8> {
        self.keys.request(self.hash(), rpc, id)
    }

    /// The field of the owner's own mark.
    pub(super) fn own_mark(&self) -> Vec<u8> {
        [b"o:", self.hash()].concat()
    }
}

/// The field of a subject's mark. Names hold no control characters, so a zero byte parts two of them.
pub(super) fn mark_field(subject: &Subject) -> Vec<u8> {
    match subject {
        Subject::Everybody => b"*".to_vec(),
        Subject::Tenant(tenant) => tenant_field(tenant),
        Subject::Issuer(issuer) => issuer_field(issuer),
        Subject::User { issuer, user } => user_field(issuer, user),
    }
}

/// The fields of the wide marks that concern an owner, in the order in which the rules look at them.
pub(super) fn wide_mark_fields(owner: &Owner) -> [Vec<u8>; 4] {
    [
        b"*".to_vec(),
        tenant_field(owner.tenant()),
        issuer_field(owner.issuer()),
        user_field(owner.issuer(), owner.user()),
    ]
}

pub(super) fn tenant_field(tenant: &str) -> Vec<u8> {
    [b"t:", tenant.as_bytes()].concat()
}

fn issuer_field(issuer: &str) -> Vec<u8> {
    [b"i:", issuer.as_bytes()].concat()
}

fn user_field(issuer: &str, user: &str) -> Vec<u8> {
    [b"u:", issuer.as_bytes(), b"\0", user.as_bytes()].concat()
}

/// The field of the index that says which owners bear an id.
pub(super) fn id_field(id: &SessionId) -> Vec<u8> {
    [b"s:", &*pack::id(id)].concat()
}

/// The field of the index that says which owners have sessions of a login.
pub(super) fn login_field(issuer: &str, login: &str) -> Vec<u8> {
    [b"p:", issuer.as_bytes(), b"\0", login.as_bytes()].concat()
}
