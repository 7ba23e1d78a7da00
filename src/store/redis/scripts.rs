//! The scripts: each is a few shared pieces and its own text.

use std::sync::LazyLock;

use super::link::Script;

/// For scripts that only read, touch, end or mark: they must work when Redis is full.
const ALWAYS: &str = "#!lua flags=allow-oom\n";
/// For those that make something.
const WITH_ROOM: &str = "#!lua\n";

const CLOCK: &str = include_str!("clock.lua");
const RULES: &str = include_str!("rules.lua");
const REQUESTS: &str = include_str!("requests.lua");
const RECORD: &str = include_str!("record.lua");
const OWNER: &str = include_str!("owner.lua");
const MARK: &str = include_str!("mark.lua");
const CREDENTIALS: &str = include_str!("credentials.lua");
const WIRE: &str = include_str!("wire.lua");

type Lazy = LazyLock<Script>;

fn joined(name: &'static str, pieces: &[&str]) -> Script {
    Script::new(name, pieces.concat())
}

pub(super) static READ: Lazy =
    Lazy::new(|| joined("read", &[ALWAYS, CLOCK, RULES, include_str!("read.lua")]));

pub(super) static CREATE: Lazy = Lazy::new(|| {
    let own = include_str!("create.lua");
    joined(
        "create",
        &[WITH_ROOM, CLOCK, RULES, REQUESTS, RECORD, OWNER, own],
    )
});

pub(super) static UPDATE: Lazy = Lazy::new(|| {
    let own = include_str!("update.lua");
    joined(
        "update",
        &[WITH_ROOM, CLOCK, RULES, REQUESTS, RECORD, WIRE, own],
    )
});

pub(super) static ROTATE: Lazy = Lazy::new(|| {
    let own = include_str!("rotate.lua");
    joined(
        "rotate",
        &[ALWAYS, CLOCK, RULES, REQUESTS, RECORD, OWNER, own],
    )
});

pub(super) static END: Lazy = Lazy::new(|| {
    let own = include_str!("end.lua");
    joined("end", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, own])
});

pub(super) static REVOKE: Lazy = Lazy::new(|| {
    let own = include_str!("revoke.lua");
    joined("revoke", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, MARK, own])
});

pub(super) static RAISE: Lazy =
    Lazy::new(|| joined("raise", &[ALWAYS, CLOCK, MARK, include_str!("raise.lua")]));

pub(super) static LIST: Lazy = Lazy::new(|| {
    let own = include_str!("list.lua");
    joined("list", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, own])
});

pub(super) static SLICE: Lazy =
    Lazy::new(|| joined("slice", &[ALWAYS, CLOCK, RULES, include_str!("slice.lua")]));

pub(super) static INSPECT: Lazy = Lazy::new(|| {
    let own = include_str!("inspect.lua");
    joined("inspect", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, WIRE, own])
});

pub(super) static KNOWS: Lazy = Lazy::new(|| {
    let own = include_str!("knows.lua");
    joined("knows", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, own])
});

pub(super) static CLAIM: Lazy = Lazy::new(|| {
    let own = include_str!("claim.lua");
    joined("claim", &[WITH_ROOM, CLOCK, REQUESTS, own])
});

pub(super) static SETTLE: Lazy = Lazy::new(|| {
    let own = include_str!("settle.lua");
    joined("settle", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, own])
});

pub(super) static ORPHAN: Lazy =
    Lazy::new(|| joined("orphan", &[ALWAYS, include_str!("orphan.lua")]));

pub(super) static DUE: Lazy = Lazy::new(|| joined("due", &[ALWAYS, include_str!("due.lua")]));

pub(super) static WALK: Lazy =
    Lazy::new(|| joined("walk", &[ALWAYS, CLOCK, include_str!("walk.lua")]));

pub(super) static SPENT: Lazy =
    Lazy::new(|| joined("spent", &[ALWAYS, CLOCK, include_str!("spent.lua")]));

pub(super) static LOST: Lazy = Lazy::new(|| {
    let own = include_str!("lost.lua");
    joined("lost", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, own])
});

pub(super) static ASSERT: Lazy = Lazy::new(|| {
    let own = include_str!("assert.lua");
    joined("assert", &[ALWAYS, CLOCK, RULES, RECORD, OWNER, own])
});

/// One that works on a credential.
fn on_credential(name: &'static str, flags: &'static str, own: &'static str) -> Script {
    joined(
        name,
        &[flags, CLOCK, RULES, RECORD, OWNER, CREDENTIALS, own],
    )
}

pub(super) static CREDENTIAL: Lazy =
    Lazy::new(|| on_credential("credential", ALWAYS, include_str!("credential.lua")));

pub(super) static PUT_CREDENTIAL: Lazy = Lazy::new(|| {
    let own = include_str!("put_credential.lua");
    on_credential("put_credential", WITH_ROOM, own)
});

/// The same for what a refresh gave: without it the session could not be used any more, so it must be kept when
/// Redis is full, too. It takes the place of what was refreshed.
pub(super) static COMPLETE_REFRESH: Lazy = Lazy::new(|| {
    let own = include_str!("put_credential.lua");
    on_credential("complete_refresh", ALWAYS, own)
});

pub(super) static DELETE_CREDENTIAL: Lazy = Lazy::new(|| {
    let own = include_str!("delete_credential.lua");
    on_credential("delete_credential", ALWAYS, own)
});

pub(super) static BEGIN_REFRESH: Lazy = Lazy::new(|| {
    let own = include_str!("begin_refresh.lua");
    on_credential("begin_refresh", ALWAYS, own)
});

pub(super) static ABANDON_REFRESH: Lazy = Lazy::new(|| {
    let own = include_str!("abandon_refresh.lua");
    on_credential("abandon_refresh", ALWAYS, own)
});

pub(super) static PUT_TENANT_KEY: Lazy = Lazy::new(|| {
    let own = include_str!("put_tenant_key.lua");
    joined("put_tenant_key", &[WITH_ROOM, own])
});

pub(super) static DESTROY_TENANT_KEY: Lazy = Lazy::new(|| {
    let own = include_str!("destroy_tenant_key.lua");
    joined("destroy_tenant_key", &[ALWAYS, own])
});

pub(super) static TENANT_KEYS: Lazy =
    Lazy::new(|| joined("tenant_keys", &[ALWAYS, include_str!("tenant_keys.lua")]));
