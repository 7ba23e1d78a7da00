"""InvalidateSessions: every selector, what it leaves alone, and the marks that it leaves."""

import time
import uuid
from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.wire import NAMESPACE, calls, moment, new_id, new_owner, records

MINUTE = 60 * 1_000_000_000


@pytest.fixture
def label() -> str:
    """A tenant, an issuer, a provider session that no other test has."""
    return f"only-{uuid.uuid4()}"


def create(api: Any, owner: Any, namespace: str = NAMESPACE, **fields: Any) -> str:
    request = calls.CreateSessionRequest(namespace=namespace, owner=owner, **fields)
    return str(api.CreateSession(request).session.id)


def invalidate(api: Any, selector: Any, namespace: str = NAMESPACE, **fields: Any) -> Any:
    return api.InvalidateSessions(
        calls.InvalidateSessionsRequest(namespace=namespace, selector=selector, **fields)
    )


def is_live(api: Any, owner: Any, session_id: str, namespace: str = NAMESPACE) -> bool:
    listed = api.ListSessions(calls.ListSessionsRequest(namespace=namespace, owner=owner)).sessions
    return session_id in {session.id for session in listed}


def assert_ended(api: Any, owner: Any, session_id: str, namespace: str = NAMESPACE) -> None:
    get = calls.GetSessionRequest(namespace=namespace, owner=owner, session_id=session_id)
    refused(api.GetSession, get, StatusCode.NOT_FOUND, "SESSION_INVALIDATED")
    assert not is_live(api, owner, session_id, namespace)


def test_by_id_ends_all_bearers(api: Any) -> None:
    """Whoever owns them; the count is exact, and repeating it is no error."""
    owners, session_id = [new_owner(), new_owner()], new_id()
    for owner in owners:
        create(api, owner, session_id=session_id)
    selector = records.Selector(session_id=session_id)
    assert invalidate(api, selector).ended_count == 2
    for owner in owners:
        assert_ended(api, owner, session_id)
    assert invalidate(api, selector).ended_count == 0


def test_by_the_id_before_a_rotation(api: Any, owner: Any) -> None:
    """Who invalidates the old id ends the new one too."""
    old = create(api, owner)
    rotate = calls.RotateSessionRequest(namespace=NAMESPACE, owner=owner, session_id=old)
    new = api.RotateSession(rotate).session.id
    assert invalidate(api, records.Selector(session_id=old)).ended_count == 1
    assert_ended(api, owner, new)


def test_by_owner_leaves_others_alone(api: Any, owner: Any) -> None:
    """One owner's sessions, also against the same user at another tenant."""
    mine = [create(api, owner) for _ in range(3)]
    other = records.Owner(tenant="another", user=owner.user, issuer=owner.issuer)
    theirs = create(api, other)
    assert invalidate(api, records.Selector(owner=owner)).ended_count == 3
    for session_id in mine:
        assert_ended(api, owner, session_id)
    assert is_live(api, other, theirs)


def test_sign_out_everywhere_else(api: Any, owner: Any) -> None:
    """`except_session_id` stays, and stays usable."""
    kept, ended = create(api, owner), create(api, owner)
    selector = records.Selector(owner=owner)
    assert invalidate(api, selector, except_session_id=kept).ended_count == 1
    assert is_live(api, owner, kept)
    assert_ended(api, owner, ended)


def test_by_subject_over_all_tenants(api: Any, label: str) -> None:
    """One user of an issuer, wherever; another issuer's user of that name is somebody else."""
    here = new_owner(tenant="here", user=label, issuer="https://one.test")
    there = new_owner(tenant="there", user=label, issuer="https://one.test")
    namesake = new_owner(tenant="here", user=label, issuer="https://two.test")
    sessions = {owner.SerializeToString(): create(api, owner) for owner in (here, there, namesake)}
    answer = invalidate(api, records.Selector(subject=records.Subject(issuer="https://one.test", user=label)))
    assert not answer.HasField("ended_count")
    for owner in (here, there):
        assert_ended(api, owner, sessions[owner.SerializeToString()])
    assert is_live(api, namesake, sessions[namesake.SerializeToString()])


def test_by_provider_session(api: Any, owner: Any, label: str) -> None:
    """One login, whoever has sessions from it; exact, and without a mark."""
    from_it = create(api, owner, provider_session_id=label)
    not_from_it = create(api, owner, provider_session_id="another")
    selector = records.Selector(
        provider_session=records.ProviderSession(issuer=owner.issuer, provider_session_id=label)
    )
    assert invalidate(api, selector).ended_count == 1
    assert_ended(api, owner, from_it)
    assert is_live(api, owner, not_from_it)
    an_hour_ago = moment(time.time_ns() - 60 * MINUTE)
    assert is_live(api, owner, create(api, owner, authenticated_at=an_hour_ago))


@pytest.mark.parametrize("wide", ["tenant", "issuer"])
def test_by_tenant_or_issuer(api: Any, label: str, wide: str) -> None:
    """In force at once, without a count."""
    covered = [new_owner(**{wide: label}) for _ in range(2)]
    spared = new_owner()
    sessions = [create(api, owner) for owner in covered]
    other = create(api, spared)
    assert not invalidate(api, records.Selector(**{wide: label})).HasField("ended_count")
    for owner, session_id in zip(covered, sessions, strict=True):
        assert_ended(api, owner, session_id)
    assert is_live(api, spared, other)


def test_all_of_a_namespace_and_of_no_other(api: Any, owner: Any, label: str) -> None:
    here, elsewhere = create(api, owner, namespace=label), create(api, owner)
    assert not invalidate(api, records.Selector(all=True), namespace=label).HasField("ended_count")
    assert_ended(api, owner, here, namespace=label)
    assert is_live(api, owner, elsewhere)


@pytest.mark.parametrize("wide", ["owner", "subject", "tenant", "issuer", "all"])
def test_an_old_login_cannot_make_a_new_session(api: Any, label: str, wide: str) -> None:
    """Rule of the marks: AUTHENTICATION_REVOKED for the old login, a new login is welcome."""
    owner = new_owner(tenant=label, issuer=f"https://{label}.test")
    create(api, owner, namespace=label)
    selector = {
        "owner": records.Selector(owner=owner),
        "subject": records.Selector(subject=records.Subject(issuer=owner.issuer, user=owner.user)),
        "tenant": records.Selector(tenant=owner.tenant),
        "issuer": records.Selector(issuer=owner.issuer),
        "all": records.Selector(all=True),
    }[wide]
    before = moment(time.time_ns() - MINUTE)
    invalidate(api, selector, namespace=label)
    old_login = calls.CreateSessionRequest(namespace=label, owner=owner, authenticated_at=before)
    refused(api.CreateSession, old_login, StatusCode.FAILED_PRECONDITION, "AUTHENTICATION_REVOKED")
    new_login = create(api, owner, namespace=label)
    assert is_live(api, owner, new_login, namespace=label)


def test_a_late_event_never_ends_a_newer_login(api: Any, owner: Any) -> None:
    """`authenticated_until` covers only logins up to then."""
    now = time.time_ns()
    older = create(api, owner, authenticated_at=moment(now - 30 * MINUTE))
    newer = create(api, owner, authenticated_at=moment(now - 10 * MINUTE))
    until = moment(now - 20 * MINUTE)
    selector = records.Selector(owner=owner)
    assert invalidate(api, selector, authenticated_until=until).ended_count == 1
    assert_ended(api, owner, older)
    assert is_live(api, owner, newer)


def test_a_dry_run_changes_nothing(api: Any, label: str) -> None:
    """Exact for an owner, an estimate for the wide ones, and no mark."""
    owner = new_owner(tenant=label)
    session_id = create(api, owner)
    exact = invalidate(api, records.Selector(owner=owner), dry_run=True)
    assert (exact.ended_count, exact.HasField("estimated_count")) == (1, False)
    wide = invalidate(api, records.Selector(tenant=label), dry_run=True)
    assert wide.HasField("estimated_count")
    assert not wide.HasField("ended_count")
    assert is_live(api, owner, session_id)
    create(api, owner, authenticated_at=moment(time.time_ns() - MINUTE))
