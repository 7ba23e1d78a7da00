//! The labels of metrics. Each has few values, all known when the service starts: no caller can make another
//! series. Ids, owners and tenants are never labels.

use crate::call::Operation;
use crate::session::refusal::EndReason;

/// What is known only when the service starts.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The namespaces that the configuration lists.
    pub namespaces: Vec<Box<str>>,
}

/// A value for what is on no list.
pub const OTHER: &str = "_OTHER";

/// One label.
pub trait Label: Copy {
    /// Its key, as OpenTelemetry writes keys.
    const KEY: &'static str;

    /// All values it can have.
    fn values(known: &Known) -> Vec<Box<str>>;

    /// Where in the list of values it stands, of which there are `size`.
    fn number(self, size: usize) -> usize;
}

/// The labels of an instrument.
pub trait Labels: Copy {
    /// Their keys.
    fn keys() -> Vec<&'static str>;

    /// For each of them all values it can have.
    fn values(known: &Known) -> Vec<Vec<Box<str>>>;

    /// Which of the series it is, if the labels have so many values each.
    fn number(self, sizes: &[usize]) -> usize;
}

impl Labels for () {
    fn keys() -> Vec<&'static str> {
        Vec::new()
    }

    fn values(_: &Known) -> Vec<Vec<Box<str>>> {
        Vec::new()
    }

    fn number(self, _: &[usize]) -> usize {
        0
    }
}

impl<A: Label> Labels for (A,) {
    fn keys() -> Vec<&'static str> {
        vec![A::KEY]
    }

    fn values(known: &Known) -> Vec<Vec<Box<str>>> {
        vec![A::values(known)]
    }

    fn number(self, sizes: &[usize]) -> usize {
        self.0.number(sizes[0])
    }
}

impl<A: Label, B: Label> Labels for (A, B) {
    fn keys() -> Vec<&'static str> {
        vec![A::KEY, B::KEY]
    }

    fn values(known: &Known) -> Vec<Vec<Box<str>>> {
        vec![A::values(known), B::values(known)]
    }

    fn number(self, sizes: &[usize]) -> usize {
        self.0.number(sizes[0]) * sizes[1] + self.1.number(sizes[1])
    }
}

impl<A: Label, B: Label, C: Label> Labels for (A, B, C) {
    fn keys() -> Vec<&'static str> {
        vec![A::KEY, B::KEY, C::KEY]
    }

    fn values(known: &Known) -> Vec<Vec<Box<str>>> {
        vec![A::values(known), B::values(known), C::values(known)]
    }

    fn number(self, sizes: &[usize]) -> usize {
        (self.0, self.1).number(sizes) * sizes[2] + self.2.number(sizes[2])
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $key:literal: $($(#[$value_doc:meta])* $value:ident = $text:literal,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &[$name] = &[$($name::$value,)+];

            /// Its text.
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$value => $text,)+
                }
            }
        }

        impl Label for $name {
            const KEY: &'static str = $key;

            fn values(_: &Known) -> Vec<Box<str>> {
                Self::ALL.iter().map(|value| value.name().into()).collect()
            }

            fn number(self, _: usize) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// The kind of call.
    System, "rpc.system.name":
        /// gRPC, the only one.
        Grpc = "grpc",
}

/// The method that was called, with its service.
#[derive(Clone, Copy, Debug)]
pub struct Method(pub Option<Operation>);

impl Label for Method {
    const KEY: &'static str = "rpc.method";

    fn values(_: &Known) -> Vec<Box<str>> {
        let methods = Operation::ALL.iter();
        let names = methods.map(|operation| operation.path().trim_start_matches('/'));
        names.chain([OTHER]).map(Into::into).collect()
    }

    fn number(self, size: usize) -> usize {
        self.0.map_or(size - 1, |operation| operation as usize)
    }
}

/// The code of a gRPC status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(u8);

impl Code {
    const NAMES: [&'static str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];

    /// The call was served.
    pub const OK: Code = Code(0);
    /// Whoever called went away.
    pub const CANCELLED: Code = Code(1);
    /// None of the others.
    pub const UNKNOWN: Code = Code(2);

    /// The code as it is written in a `grpc-status`.
    pub fn of(status: &[u8]) -> Code {
        let number = std::str::from_utf8(status)
            .ok()
            .and_then(|text| text.parse().ok());
        let number = number.filter(|&number: &u8| usize::from(number) < Self::NAMES.len());
        number.map_or(Code::UNKNOWN, Code)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.0)]
    }
}

impl Label for Code {
    const KEY: &'static str = "rpc.response.status_code";

    fn values(_: &Known) -> Vec<Box<str>> {
        Self::NAMES.map(Into::into).to_vec()
    }

    fn number(self, _: usize) -> usize {
        self.0.into()
    }
}

/// A namespace that the configuration lists, or all others together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace(Option<u32>);

impl Namespace {
    /// All that are not listed.
    pub const OTHER: Namespace = Namespace(None);

    /// The one in this place of the list.
    pub(super) fn listed(place: u32) -> Namespace {
        Namespace(Some(place))
    }
}

impl Label for Namespace {
    const KEY: &'static str = "namespace";

    fn values(known: &Known) -> Vec<Box<str>> {
        let listed = known.namespaces.iter().cloned();
        listed.chain([OTHER.into()]).collect()
    }

    fn number(self, size: usize) -> usize {
        self.0.map_or(size - 1, |place| place as usize)
    }
}

label! {
    /// What the store was asked to do.
    Step, "operation":
        /// `Store::create`
        Create = "create",
        /// `Store::read`
        Read = "read",
        /// `Store::update`
        Update = "update",
        /// `Store::rotate`
        Rotate = "rotate",
        /// `Store::end`
        End = "end",
        /// `Store::revoke`
        Revoke = "revoke",
        /// `Store::list`
        List = "list",
        /// `Store::claim_once`
        ClaimOnce = "claim_once",
        /// `Store::credential`
        Credential = "credential",
        /// `Store::put_credential`
        PutCredential = "put_credential",
        /// `Store::delete_credential`
        DeleteCredential = "delete_credential",
        /// `Store::begin_refresh`
        BeginRefresh = "begin_refresh",
        /// `Store::abandon_refresh`
        AbandonRefresh = "abandon_refresh",
        /// All that reads or changes tenants' wrapped keys.
        TenantKeys = "tenant_keys",
        /// `Store::bearers`
        Bearers = "bearers",
        /// `Store::watch`, up to its first answer.
        Watch = "watch",
        /// `Store::sweep`
        Sweep = "sweep",
        /// `Store::ping`
        Ping = "ping",
        /// Anything else.
        Other = "other",
}

label! {
    /// What came of it.
    Outcome, "outcome":
        /// It was done.
        Done = "done",
        /// The rules refused it: the caller's affair.
        Refused = "refused",
        /// The store could not do it.
        Failed = "failed",
}

label! {
    /// Why a session ended.
    Cause, "cause":
        /// It was not used for its idle TTL.
        ExpiredIdle = "expired_idle",
        /// It reached its absolute ceiling.
        ExpiredAbsolute = "expired_absolute",
        /// Its owner ended it.
        Deleted = "deleted",
        /// A newer session took its conversation.
        Replaced = "replaced",
        /// It made room at the limit of sessions per owner.
        Evicted = "evicted",
        /// It was invalidated.
        Invalidated = "invalidated",
}

impl Cause {
    /// The cause behind a reason. A session that got a new id lives on.
    pub fn of(reason: EndReason) -> Option<Cause> {
        Some(match reason {
            EndReason::ExpiredIdle => Cause::ExpiredIdle,
            EndReason::ExpiredAbsolute => Cause::ExpiredAbsolute,
            EndReason::Deleted => Cause::Deleted,
            EndReason::Rotated => return None,
            EndReason::Replaced => Cause::Replaced,
            EndReason::Evicted => Cause::Evicted,
            EndReason::Invalidated(_) => Cause::Invalidated,
        })
    }
}

label! {
    /// Why a call was not let in.
    Barred, "why":
        /// It shows nothing, or nothing sound, by which its caller could be known.
        Unknown = "unknown",
        /// No rule of the policy allows it.
        NotAllowed = "not_allowed",
        /// It does not prove the owner where the namespace wants that.
        OwnerNotProved = "owner_not_proved",
}

label! {
    /// Whether calls to a server of the store go out.
    Breaker, "breaker":
        /// They do.
        Closed = "closed",
        /// They are refused at once, until the server is found well again.
        Open = "open",
}

label! {
    /// Why a store is not used although it answers.
    Trouble, "what":
        /// It is set up to evict what must stay.
        UnsafeEviction = "unsafe_eviction",
        /// Its clock and this instance's are more than 2 s apart.
        ClockSkew = "clock_skew",
}

label! {
    /// What stood in the way of sealing or opening.
    SealFault, "why":
        /// What is kept does not open in its place.
        Unreadable = "unreadable",
        /// The key-encryption key is not at hand.
        KeyUnavailable = "key_unavailable",
        /// The keys are written down in a way that cannot be read.
        KeysAtFault = "keys_at_fault",
        /// There is no key to encrypt with.
        NotConfigured = "not_configured",
}

label! {
    /// What is sent to a collector.
    Signal, "signal":
        /// Spans.
        Traces = "traces",
        /// Series.
        Metrics = "metrics",
        /// Lines of the log.
        Logs = "logs",
}

/// The version of this program.
#[derive(Clone, Copy, Debug)]
pub struct Version;

impl Label for Version {
    const KEY: &'static str = "version";

    fn values(_: &Known) -> Vec<Box<str>> {
        vec![env!("CARGO_PKG_VERSION").into()]
    }

    fn number(self, _: usize) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_every_code_has_its_place() {
        let methods = Method::values(&Known::default());
        for operation in Operation::ALL {
            let number = Method(Some(*operation)).number(methods.len());
            assert_eq!(format!("/{}", methods[number]), operation.path());
        }
        let number = Method(None).number(methods.len());
        assert_eq!(&*methods[number], OTHER);
        assert_eq!(Code::of(b"0"), Code::OK);
        assert_eq!(Code::of(b"16").name(), "UNAUTHENTICATED");
        for nonsense in [&b""[..], b"17", b"-1", b"x", b"\xff"] {
            assert_eq!(Code::of(nonsense), Code::UNKNOWN);
        }
    }

    #[test]
    fn no_two_series_are_one() {
        let known = Known {
            namespaces: ["a", "b"].map(Into::into).to_vec(),
        };
        let values = <(Namespace, Cause)>::values(&known);
        let sizes: Vec<usize> = values.iter().map(Vec::len).collect();
        let namespaces = [Namespace::listed(0), Namespace::listed(1), Namespace::OTHER];
        let mut numbers: Vec<usize> = namespaces
            .iter()
            .flat_map(|namespace| Cause::ALL.iter().map(move |cause| (*namespace, *cause)))
            .map(|labels| labels.number(&sizes))
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..18).collect::<Vec<_>>());
    }
}
