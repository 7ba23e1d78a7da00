//! Random steps. Few ids, few requests and few conversations, so that they meet.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use tenure::session::marks::Subject;
use tenure::session::names::{CallerTag, Owner, RecordId, RequestId, SessionId};
use tenure::session::owner_record::{Claim, Create, OnExisting, Page, Read, Rotate, Shown, Update};
use tenure::session::refusal::InvalidationReason;
use tenure::session::request::Request;
use tenure::session::time::Time;
use tenure::store::{Revocation, Selector};

use super::patch;
use super::plain::Whose;
use super::secrets::{self, SecretStep};
use crate::support::values::{number, state, tail, text};
use crate::support::world::id;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Pass(Duration),
    SetBack(Duration),
    Sweep,
    Create(Whose, CreateStep),
    Read(Whose, Id, Read),
    Update(Whose, Id, UpdateStep),
    Rotate(Whose, Id, RotateStep),
    End(Whose, Id),
    Revoke(usize, RevokeStep),
    List(Whose, usize),
    Claim(Whose, ClaimStep),
    Secret(Whose, Id, SecretStep),
    Bearers(usize, Id),
}

/// One of a few ids: which place, and which of that place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(u8, u8);

impl Id {
    pub(crate) fn id(self) -> SessionId {
        id(&format!(
            "a-place-like-{:03}/of-id-number-{:03}",
            self.0, self.1
        ))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CreateStep {
    id: Id,
    conversation: Option<&'static str>,
    on_existing: OnExisting,
    idle_ttl: Duration,
    max_lifetime: Duration,
    login_age: Option<Duration>,
    login: Option<&'static str>,
    secrets: usize,
    request: Option<Request>,
}

impl CreateStep {
    pub(crate) fn at(&self, now: Time, step: usize) -> Create {
        Create {
            id: self.id.id(),
            record_id: RecordId(step as u128),
            conversation: self.conversation.map(Into::into),
            state: state(&[("a", number(1.0)), ("b", text("one"))]),
            mcp: None,
            labels: None,
            credentials: secrets::first(self.secrets),
            idle_ttl: self.idle_ttl,
            max_lifetime: self.max_lifetime,
            authenticated_at: self.login_age.map(|age| before(now, age)),
            provider_session_id: self.login.map(Into::into),
            on_existing: self.on_existing,
            request: self.request,
        }
    }
}

fn before(now: Time, age: Duration) -> Time {
    Time::from_millis(now.as_millis() - i64::try_from(age.as_millis()).expect("a short time"))
}

#[derive(Clone, Debug)]
pub(crate) struct UpdateStep {
    kind: u8,
    key: &'static str,
    if_revision: Option<u64>,
    show_state: bool,
    request: Option<Request>,
}

impl UpdateStep {
    /// What it changes, and how. The same request has the same body.
    fn change(&self) -> (u8, &'static str) {
        let Some(request) = self.request else {
            return (self.kind, self.key);
        };
        match (request.id.0.as_u128(), request.fingerprint) {
            (0, 0) => (2, "a"),
            (1, 0) => (3, "c"),
            (2, 0) => (2, "c"),
            (_, 0) => (0, "b"),
            (0, _) => (4, "a"),
            (1, _) => (2, "d"),
            (2, _) => (5, "a"),
            (_, _) => (1, "a"),
        }
    }

    pub(crate) fn update(&self) -> Update {
        let (kind, key) = self.change();
        Update {
            patch: patch(kind, key, &tail(&[1.0, 2.0], Some(3))),
            mcp: None,
            labels: (kind == 4).then(|| ["label".into()].into()),
            if_revision: self.if_revision,
            of_record: None,
            sealed_increments: None,
            show_state: self.show_state,
            request: self.request,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RotateStep {
    new_id: Id,
    login_age: Option<Duration>,
    #[expect(
        clippy::option_option,
        reason = "a rotation keeps the login, forgets it, or takes one"
    )]
    login: Option<Option<&'static str>>,
    request: Option<Request>,
}

impl RotateStep {
    pub(crate) fn at(&self, now: Time) -> Rotate {
        Rotate {
            new_id: self.new_id.id(),
            authenticated_at: self.login_age.map(|age| before(now, age)),
            provider_session_id: self.login.map(|login| login.map(Into::into)),
            request: self.request,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RevokeStep {
    what: What,
    until: Option<Duration>,
    except: Option<Id>,
    reason: InvalidationReason,
    dry_run: bool,
}

#[derive(Clone, Debug)]
enum What {
    Id(Id),
    Owner(usize),
    Login(&'static str),
    Wide(Subject),
}

impl RevokeStep {
    pub(crate) fn at(&self, now: Time, owners: &[Owner; 5]) -> Revocation {
        Revocation {
            selector: match &self.what {
                What::Id(id) => Selector::Id(id.id()),
                What::Owner(owner) => Selector::Owner(owners[*owner].clone()),
                What::Login(login) => Selector::ProviderSession {
                    issuer: "idp".into(),
                    provider_session_id: (*login).into(),
                },
                What::Wide(subject) => Selector::Wide(subject.clone()),
            },
            authenticated_until: self.until.map(|age| before(now, age)),
            except: self.except.map(Id::id),
            reason: self.reason,
            dry_run: self.dry_run,
            by: CallerTag::NOBODY,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ClaimStep {
    key: &'static str,
    ttl: Duration,
    request: Option<Request>,
}

impl ClaimStep {
    pub(crate) fn claim(&self) -> Claim {
        Claim {
            key: self.key.into(),
            ttl: self.ttl,
            request: self.request,
        }
    }
}

pub(crate) fn page(size: usize) -> Page {
    Page {
        size,
        after: None,
        include_state: true,
    }
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => span().prop_map(Step::Pass),
        1 => span().prop_map(Step::SetBack),
        3 => Just(Step::Sweep),
        12 => (whose(), create()).prop_map(|(whose, create)| Step::Create(whose, create)),
        10 => (whose(), any_id(), read()).prop_map(|(whose, id, read)| Step::Read(whose, id, read)),
        6 => (whose(), any_id(), update())
            .prop_map(|(whose, id, update)| Step::Update(whose, id, update)),
        6 => (whose(), any_id(), rotate())
            .prop_map(|(whose, id, rotate)| Step::Rotate(whose, id, rotate)),
        3 => (whose(), any_id()).prop_map(|(whose, id)| Step::End(whose, id)),
        4 => (0..2_usize, revoke()).prop_map(|(namespace, revoke)| Step::Revoke(namespace, revoke)),
        2 => (whose(), 1..4_usize).prop_map(|(whose, size)| Step::List(whose, size)),
        2 => (whose(), claim()).prop_map(|(whose, claim)| Step::Claim(whose, claim)),
        14 => (whose(), any_id(), secrets::any_secret())
            .prop_map(|(whose, id, secret)| Step::Secret(whose, id, secret)),
        1 => (0..2_usize, any_id()).prop_map(|(namespace, id)| Step::Bearers(namespace, id)),
    ]
}

/// Mostly the first owner of the first namespace: much has to happen to one for anything to meet.
fn whose() -> impl Strategy<Value = Whose> {
    (
        prop_oneof![4 => Just(0), 1 => Just(1)],
        prop_oneof![4 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3), 2 => Just(4)],
    )
}

fn any_id() -> impl Strategy<Value = Id> {
    (prop_oneof![3 => Just(0), 1 => Just(1)], 0..4_u8).prop_map(|(place, id)| Id(place, id))
}

/// Jumps: within a millisecond, around the shortest deadlines, and far beyond the longest.
fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => (0..3_u64).prop_map(Duration::from_millis),
        4 => (0..2500_u64).prop_map(Duration::from_millis),
        3 => (1..30_u32).prop_map(|seconds| seconds * SECOND),
        1 => (1..1300_u32).prop_map(|seconds| seconds * SECOND),
    ]
}

fn ttl() -> impl Strategy<Value = Duration> {
    select(vec![SECOND, 5 * SECOND, 60 * SECOND, 600 * SECOND])
}

fn age() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), span()]
}

fn request() -> impl Strategy<Value = Option<Request>> {
    let known =
        (0..4_u128, prop_oneof![4 => Just(0), 1 => Just(1)]).prop_map(|(id, fingerprint)| {
            Request {
                id: RequestId(uuid::Uuid::from_u128(id)),
                fingerprint,
            }
        });
    proptest::option::weighted(0.4, known)
}

fn login() -> impl Strategy<Value = Option<&'static str>> {
    select(vec![None, Some("sid-1"), Some("sid-2")])
}

fn create() -> impl Strategy<Value = CreateStep> {
    let on_existing = select(vec![
        OnExisting::Fail,
        OnExisting::Return,
        OnExisting::Replace,
    ]);
    (
        any_id(),
        select(vec![None, None, Some("talk"), Some("walk")]),
        on_existing,
        (ttl(), ttl()),
        proptest::option::of(age()),
        login(),
        prop_oneof![2 => Just(0), 4 => 1..3_usize, 1 => Just(3)],
        request(),
    )
        .prop_map(
            |(
                id,
                conversation,
                on_existing,
                (idle_ttl, max_lifetime),
                login_age,
                login,
                secrets,
                request,
            )| {
                CreateStep {
                    id,
                    conversation,
                    on_existing,
                    idle_ttl,
                    max_lifetime,
                    login_age,
                    login,
                    secrets,
                    request,
                }
            },
        )
}

fn read() -> impl Strategy<Value = Read> {
    let show = select(vec![
        Shown::All,
        Shown::Nothing,
        Shown::Keys(vec!["a".into(), "c".into()]),
    ]);
    (any::<bool>(), show).prop_map(|(slide, show)| Read { slide, show })
}

fn update() -> impl Strategy<Value = UpdateStep> {
    (
        0..6_u8,
        select(vec!["a", "b", "c", "d"]),
        proptest::option::weighted(0.2, 1..4_u64),
        any::<bool>(),
        request(),
    )
        .prop_map(|(kind, key, if_revision, show_state, request)| UpdateStep {
            kind,
            key,
            if_revision,
            show_state,
            request,
        })
}

fn rotate() -> impl Strategy<Value = RotateStep> {
    (
        any_id(),
        proptest::option::weighted(0.3, age()),
        proptest::option::weighted(0.3, login()),
        request(),
    )
        .prop_map(|(new_id, login_age, login, request)| RotateStep {
            new_id,
            login_age,
            login,
            request,
        })
}

fn revoke() -> impl Strategy<Value = RevokeStep> {
    let what = prop_oneof![
        any_id().prop_map(What::Id),
        (0..4_usize).prop_map(What::Owner),
        select(vec!["sid-1", "sid-2"]).prop_map(What::Login),
        select(vec![
            Subject::Everybody,
            Subject::Tenant("acme".into()),
            Subject::Issuer("idp".into()),
            Subject::User {
                issuer: "idp".into(),
                user: "ann".into(),
            },
        ])
        .prop_map(What::Wide),
    ];
    let reason = select(vec![
        InvalidationReason::Admin,
        InvalidationReason::PasswordChanged,
    ]);
    (
        what,
        proptest::option::of(age()),
        proptest::option::weighted(0.4, any_id()),
        reason,
        proptest::bool::weighted(0.1),
    )
        .prop_map(|(what, until, except, reason, dry_run)| RevokeStep {
            what,
            until,
            except,
            reason,
            dry_run,
        })
}

fn claim() -> impl Strategy<Value = ClaimStep> {
    (select(vec!["a", "b", "c", "d"]), ttl(), request()).prop_map(|(key, ttl, request)| ClaimStep {
        key,
        ttl,
        request,
    })
}
