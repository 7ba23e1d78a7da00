//! What a rule of the policy can grant: rights, and roles that bundle them.

use super::operation::Operation;

/// One thing that a caller may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// An RPC.
    Call(Operation),
    /// InvalidateSessions with a selector that leaves a mark on more than one owner: subject, tenant,
    /// issuer, all. It stands apart: one such call signs out a whole company.
    InvalidateWide,
}

/// Rights that usually go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An MCP server: the sessions of its owners. It stores credentials, but does not read them.
    Server,
    /// Reads and refreshes credentials; in addition to `server`.
    Credentials,
    /// A source of identity events: every InvalidateSessions.
    Events,
    /// Operates the service: its administration, and every InvalidateSessions. No session's content.
    Admin,
    /// Watches: WatchSessions, and what an admin sees. Changes nothing.
    Auditor,
    /// For emergencies: ReadSessionState. Beside `admin` or `auditor`, and better for a short time.
    BreakGlass,
}

impl Role {
    /// All roles, with their names.
    pub const ALL: &[(&str, Role)] = &[
        ("server", Role::Server),
        ("credentials", Role::Credentials),
        ("events", Role::Events),
        ("admin", Role::Admin),
        ("auditor", Role::Auditor),
        ("break_glass", Role::BreakGlass),
    ];

    /// What it holds.
    pub fn rights(self) -> Rights {
        let mut rights = Rights::default();
        for right in Right::all().filter(|right| right.roles().contains(&self)) {
            rights.add(right);
        }
        rights
    }
}

impl Right {
    /// All rights.
    pub fn all() -> impl Iterator<Item = Right> {
        let calls = Operation::ALL.iter().copied().map(Right::Call);
        calls.chain([Right::InvalidateWide])
    }

    /// What it is called in the configuration: an RPC's name, or `InvalidateWide`.
    pub fn name(self) -> &'static str {
        match self {
            Right::Call(operation) => operation.name(),
            Right::InvalidateWide => "InvalidateWide",
        }
    }

    /// The right of this name.
    pub fn named(name: &str) -> Option<Right> {
        Right::all().find(|right| right.name() == name)
    }

    fn roles(self) -> &'static [Role] {
        match self {
            Right::Call(operation) => operation.roles(),
            Right::InvalidateWide => &[Role::Events, Role::Admin],
        }
    }

    fn bit(self) -> u64 {
        const { assert!(Operation::ALL.len() < 63, "the set is one word") };
        match self {
            Right::Call(operation) => 1 << operation as u64,
            Right::InvalidateWide => 1 << 63,
        }
    }
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u64);

impl Rights {
    /// Adds one.
    pub fn add(&mut self, right: Right) {
        self.0 |= right.bit();
    }

    /// Whether it is among them.
    pub fn contains(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, others: Rights) -> Rights {
        Rights(self.0 | others.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::all().filter(move |right| self.contains(*right))
    }

    /// What a word of the configuration grants: a right's name, or a role's.
    pub fn named(name: &str) -> Option<Rights> {
        if let Some((_, role)) = Role::ALL.iter().find(|(own, _)| *own == name) {
            return Some(role.rights());
        }
        let mut rights = Rights::default();
        rights.add(Right::named(name)?);
        Some(rights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(role: Role, right: Right) -> bool {
        role.rights().contains(right)
    }

    #[test]
    fn every_right_has_its_own_bit_and_name() {
        let mut seen = 0;
        for right in Right::all() {
            assert_eq!(seen & right.bit(), 0, "{right:?}");
            seen |= right.bit();
            assert_eq!(Right::named(right.name()), Some(right));
        }
        assert_eq!(Rights::named("server"), Some(Role::Server.rights()));
        assert_eq!(Rights::named("everything"), None);
    }

    #[test]
    fn what_stands_apart_is_in_no_role_for_everyday_work() {
        for right in [
            Right::Call(Operation::WatchSessions),
            Right::Call(Operation::GetCredential),
            Right::Call(Operation::BeginRefresh),
            Right::Call(Operation::ReadSessionState),
            Right::InvalidateWide,
        ] {
            assert!(!holds(Role::Server, right), "{right:?}");
        }
        for role in [Role::Events, Role::Admin, Role::Auditor] {
            for operation in [
                Operation::GetSession,
                Operation::GetCredential,
                Operation::BeginRefresh,
                Operation::ReadSessionState,
            ] {
                assert!(!holds(role, Right::Call(operation)), "{role:?}");
            }
        }
        assert!(holds(Role::Events, Right::InvalidateWide));
    }

    #[test]
    fn every_right_is_in_some_role() {
        for right in Right::all() {
            assert!(!right.roles().is_empty(), "{right:?}");
        }
    }
}
