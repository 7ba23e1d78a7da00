"""The calls of the shared vectors in this client's spelling, blocking and asyncio, and values as JSON.

The vectors' runner and the interop program are both made of this; see tests/vectors/README.md.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import tenure

Json = dict[str, Any]


class Symbol:
    """Something that no state can hold."""


def value_of(value: Any) -> Any:
    """A value with its `$` forms resolved."""
    if isinstance(value, list):
        return [value_of(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, inner), *_ = value.items()
        if key in _FORMS:
            return _FORMS[key](inner)
    return {key: value_of(item) for key, item in value.items()}


def _nest(form: Json) -> Any:
    value = value_of(form["value"])
    for _ in range(form["levels"]):
        value = [value] if form["kind"] == "list" else {"k": value}
    return value


_FORMS: dict[str, Callable[[Any], Any]] = {
    "$now": lambda seconds: datetime.now(timezone.utc) + timedelta(seconds=seconds),
    "$number": lambda text: float(text) + 0.0 if text != "-0" else -0.0,
    "$integer": int,
    "$text": lambda form: form["repeat"] * form["times"],
    "$list": lambda form: [value_of(form["repeat"])] * form["times"],
    "$map": lambda form: {f"k{index}": value_of(form["value"]) for index in range(form["keys"])},
    "$nest": _nest,
    "$lone_surrogate": lambda _: "a\ud800b",
    "$symbol": lambda _: Symbol(),
}


def time_of(value: Any) -> datetime:
    """A time: a datetime, or an RFC 3339 text."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value.replace("Z", "+00:00"))


def show_session(session: tenure.Session) -> Json:
    """A session as the vectors want to see it."""
    shown: Json = {
        "id": session.id,
        "namespace": session.namespace,
        "owner": show_owner(session.owner),
        "conversation_id": session.conversation_id,
        "labels": session.labels,
        "revision": session.revision,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "idle_ttl": session.idle_ttl.total_seconds(),
        "idle_expires_at": session.idle_expires_at,
        "expires_at": session.expires_at,
        "authenticated_at": session.authenticated_at,
        "provider_session_id": session.provider_session_id,
        "credential_names": session.credential_names,
    }
    if session.has_state:
        shown["state"] = session.state
    mcp = session.mcp
    if mcp is not None:
        shown["mcp"] = {**vars(mcp), "resource_subscriptions": list(mcp.resource_subscriptions)}
    for name in ("created", "replayed", "increments"):
        if hasattr(session, name):
            shown[name] = getattr(session, name)
    return shown


def show_owner(owner: tenure.Owner) -> Json:
    """An owner."""
    return {"tenant": owner.tenant, "user": owner.user, "issuer": owner.issuer}


def show_selector(selector: tenure.Selector) -> Json:
    """A selector: the one thing that it says."""
    shown: Json = {}
    for name, part in vars(selector).items():
        if part is None or part is False:
            continue
        shown[name] = part if isinstance(part, (str, bool)) else dict(vars(part))
    return shown


def show_event(event: tenure.Event | tenure.StartedAnew) -> Json:
    """An event; what is unset is left out."""
    if isinstance(event, tenure.StartedAnew):
        return {"started_anew": True}
    shown: Json = {}
    for name, part in vars(event).items():
        if part in (None, "", 0, "UNSPECIFIED"):
            continue
        if isinstance(part, tenure.Owner):
            shown[name] = show_owner(part)
        elif isinstance(part, tenure.Selector):
            shown[name] = show_selector(part)
        elif isinstance(part, (tenure.EventKind, tenure.EndReason, tenure.InvalidationReason)):
            shown[name] = part.value
        else:
            shown[name] = part
    return shown


def show_credential(credential: tenure.TokenSet | bytes) -> Json:
    """A credential."""
    if isinstance(credential, bytes):
        return {"opaque": base64.b64encode(credential).decode()}
    shown = {name: part for name, part in vars(credential).items() if part is not None}
    return {"oauth": {**shown, "scopes": list(credential.scopes)}}


def show_error(error: tenure.TenureError) -> Json:
    """An error, with what its class holds."""
    shown: Json = {"reason": error.reason, "code": error.code}
    if isinstance(error, tenure.SessionInvalidated):
        shown["end_reason"] = error.end_reason
    if isinstance(error, tenure.RevisionMismatch):
        shown["revision"] = error.current
    if error.metadata.get("limit"):
        shown["limit"] = error.metadata["limit"]
        for name in ("maximum", "asked"):
            if name in error.metadata:
                shown[name] = int(error.metadata[name])
    if error.violations:
        shown["fields"] = [violation.field for violation in error.violations]
    return shown


def token_set(form: Mapping[str, Any]) -> tenure.TokenSet:
    """A token set of a case."""
    arguments = dict(form)
    if "expires_at" in arguments:
        arguments["expires_at"] = time_of(arguments["expires_at"])
    return tenure.TokenSet(**arguments)


def credential_of(form: Mapping[str, Any]) -> tenure.TokenSet | bytes:
    """A credential of a case."""
    if "opaque" in form:
        return base64.b64decode(form["opaque"])
    return token_set(form["oauth"])


def _selector(form: Mapping[str, Any]) -> Json:
    kinds: dict[str, Callable[..., Any]] = {
        "owner": tenure.Owner,
        "subject": tenure.Subject,
        "provider_session": tenure.ProviderSession,
    }
    return {name: kinds[name](**part) if name in kinds else part for name, part in form.items()}


def prepared(arguments: Mapping[str, Any]) -> Json:
    """The arguments of a call in this client's own types."""
    given: Json = value_of(dict(arguments))
    for name in ("authenticated_at", "authenticated_until"):
        if name in given:
            given[name] = time_of(given[name])
    if "mcp" in given:
        given["mcp"] = tenure.McpContext(**given["mcp"])
    if "append" in given:
        given["append"] = {
            key: tenure.Append(tail["values"], tail.get("max_length", 0)) for key, tail in given["append"].items()
        }
    if "on_existing" in given:
        given["on_existing"] = given["on_existing"].lower()
    if "credentials" in given:
        given["credentials"] = {key: credential_of(form) for key, form in given["credentials"].items()}
    if "selector" in given:
        given |= _selector(given.pop("selector"))
    return given


async def _settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


class Caller:
    """Performs calls for one owner, through either client: what is awaitable is awaited."""

    def __init__(self, client: Any, namespace: str, owner: Mapping[str, str]) -> None:
        self._namespace = client.namespace(namespace)
        self._sessions = self._namespace.owner(
            owner.get("tenant", ""),
            owner.get("user", ""),
            issuer=owner.get("issuer", ""),
            user_token=owner.get("user_token"),
        )

    async def call(self, do: str, arguments: Json, watches: dict[str, Any]) -> Json:
        """Performs a call of a case, and shows its answer."""
        given = prepared(arguments)
        method: Callable[..., Awaitable[Json]] = getattr(self, f"_{do}")
        return await (method(given, watches) if do in _WATCHING else method(given))

    async def _create(self, given: Json) -> Json:
        return show_session(await _settled(self._sessions.create(**given)))

    async def _get_or_create(self, given: Json) -> Json:
        return show_session(await _settled(self._sessions.get_or_create(**given)))

    async def _get(self, given: Json) -> Json:
        return show_session(await _settled(self._sessions.get(**given)))

    async def _update(self, given: Json) -> Json:
        return show_session(await _settled(self._sessions.update(**given)))

    async def _touch(self, given: Json) -> Json:
        return show_session(await _settled(self._sessions.touch(**given)))

    async def _rotate(self, given: Json) -> Json:
        return show_session(await _settled(self._sessions.rotate(**given)))

    async def _end(self, given: Json) -> Json:
        return {"deleted": await _settled(self._sessions.end(**given))}

    async def _list(self, given: Json) -> Json:
        page = await _settled(self._sessions.list_page(**given))
        sessions = [show_session(each) for each in page.sessions]
        return {"sessions": sessions, "next_page_token": page.next_page_token}

    async def _list_all(self, given: Json) -> Json:
        sessions = self._sessions.list(**given)
        if hasattr(sessions, "__aiter__"):
            return {"sessions": [show_session(each) async for each in sessions]}
        return {"sessions": [show_session(each) for each in sessions]}

    async def _invalidate(self, given: Json) -> Json:
        return _show_invalidated(await _settled(self._namespace.invalidate(**{"reason": "UNSPECIFIED", **given})))

    async def _invalidate_owner(self, given: Json) -> Json:
        return _show_invalidated(await _settled(self._sessions.invalidate(**{"reason": "UNSPECIFIED", **given})))

    async def _claim_once(self, given: Json) -> Json:
        claim = await _settled(self._sessions.claim_once(**given))
        return {"claimed": claim.claimed, "replayed": claim.replayed}

    async def _watch(self, given: Json, watches: dict[str, Any]) -> Json:
        scope = self._sessions if given.pop("scope", "namespace") == "owner" else self._namespace
        watch = scope.watch(**given)
        await _settled(watch.start())
        watches["$new"] = watch
        return {"cursor": watch.cursor}

    async def _events(self, given: Json, watches: dict[str, Any]) -> Json:
        watch = watches[given["watch"]]
        events = []
        for _ in range(given["count"]):
            following = watch.__anext__() if hasattr(watch, "__anext__") else watch.__next__()
            events.append(show_event(await _settled(following)))
        return {"events": events, "cursor": watch.cursor}

    async def _stop_watch(self, given: Json, watches: dict[str, Any]) -> Json:
        await _settled(watches.pop(given["watch"]).close())
        return {}

    async def _put_credential(self, given: Json) -> Json:
        credentials = self._sessions.credentials(given["session_id"])
        return {"version": await _settled(credentials.put(given["name"], credential_of(given["credential"])))}

    async def _get_credential(self, given: Json) -> Json:
        stored = await _settled(self._sessions.credentials(given["session_id"]).get(given["name"]))
        return {"credential": show_credential(stored.credential), "version": stored.version}

    async def _list_credentials(self, given: Json) -> Json:
        return {"names": list(await _settled(self._sessions.credentials(given["session_id"]).names()))}

    async def _delete_credential(self, given: Json) -> Json:
        return {"deleted": await _settled(self._sessions.credentials(given["session_id"]).delete(given["name"]))}

    async def _fresh_token(self, given: Json) -> Json:
        credentials = self._sessions.credentials(given["session_id"])
        refreshes = 0

        def refresh(_: tenure.RefreshLease) -> tenure.TokenSet:
            nonlocal refreshes
            refreshes += 1
            return token_set(given["refreshed"])

        rejected = await _settled(credentials.get(given["name"])) if given.get("force") else None
        stored = await _settled(credentials.with_fresh_token(given["name"], refresh, rejected=rejected))
        return {"credential": show_credential(stored.credential), "refreshes": refreshes}

    async def _now(self, _: Json) -> Json:
        return {"time": datetime.now(timezone.utc)}


_WATCHING = ("watch", "events", "stop_watch")


def _show_invalidated(done: tenure.Invalidated) -> Json:
    return {name: count for name, count in vars(done).items() if count is not None}
