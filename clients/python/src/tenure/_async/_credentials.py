"""The secrets that are kept with a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import TypeVar

from .. import _requests
from ..errors import RefreshLeaseLost, TenureError
from ..types import RefreshLease, Stored, TokenSet, to_credential, to_lease
from ..v1 import credential_service_pb2 as pb
from ..v1 import session_pb2
from ._connection import AnyConnection
from ._runtime import run, to_the_end

Message = TypeVar("Message")

_LONGEST_FAREWELL = 1.0


class Credentials:
    """The credentials of one session. They never appear in a `Session`."""

    def __init__(self, connection: AnyConnection, namespace: str, owner: session_pb2.Owner, session_id: str) -> None:
        self._connection = connection
        self._namespace = namespace
        self._owner = owner
        self._session_id = session_id

    def _about(self, message: Callable[..., Message], name: str, **fields: object) -> Message:
        return message(namespace=self._namespace, owner=self._owner, session_id=self._session_id, name=name, **fields)

    async def put(self, name: str, credential: TokenSet | bytes, *, timeout: float | None = None) -> int:
        """Stores a credential, whole. Gives its version. Not repeated by itself: it could undo a newer one."""
        request = self._about(
            pb.PutCredentialRequest,
            name,
            credential=_requests.credential_message(credential),
        )
        answer: pb.PutCredentialResponse = await self._connection.call("PutCredential", request, timeout, safe=False)
        return answer.version

    async def get(self, name: str, *, timeout: float | None = None) -> Stored:
        """Reads a credential."""
        request = self._about(pb.GetCredentialRequest, name)
        answer: pb.GetCredentialResponse = await self._connection.call("GetCredential", request, timeout)
        return Stored(to_credential(answer.credential), answer.version)

    async def delete(self, name: str, *, timeout: float | None = None) -> bool:
        """Destroys a credential. False if there was none, or if a repetition found it gone."""
        request = self._about(pb.DeleteCredentialRequest, name)
        answer: pb.DeleteCredentialResponse = await self._connection.call("DeleteCredential", request, timeout)
        return answer.deleted

    async def names(self, *, timeout: float | None = None) -> Sequence[str]:
        """The names, in order."""
        request = pb.ListCredentialsRequest(namespace=self._namespace, owner=self._owner, session_id=self._session_id)
        answer: pb.ListCredentialsResponse = await self._connection.call("ListCredentials", request, timeout)
        return list(answer.names)

    async def with_fresh_token(
        self,
        name: str,
        refresh: Callable[[RefreshLease], Awaitable[TokenSet]],
        *,
        leeway: float = 60.0,
        rejected: Stored | None = None,
        lease_ttl: float = 30.0,
        timeout: float = 60.0,
    ) -> Stored:
        """The token set, refreshed if it ends within `leeway` seconds.

        Of all processes that ask at once, one calls its `refresh`; the others wait for its result. If the
        resource server refused a token that looked fresh, give it as `rejected`: it is refreshed unless
        somebody has done so. When `refresh` fails or is cancelled the lease is given back and its error raised.

        `timeout` is for reading and for waiting: who is still not done then raises `RefreshInProgress`. `refresh`
        and the storing of its result take their own time; `lease_ttl` is when somebody else may try.
        """
        deadline = monotonic() + timeout
        current = rejected or await self.get(name, timeout=timeout)
        if rejected is None and current.token.is_fresh(leeway):
            return current
        left = max(deadline - monotonic(), 0.001)
        request = self._about(
            pb.BeginRefreshRequest,
            name,
            stale_version=current.version,
            lease_ttl=_requests.span_message(lease_ttl),
            wait=_requests.span_message(_wait(left)),
        )
        begun: pb.BeginRefreshResponse = await self._connection.call("BeginRefresh", request, left)
        if begun.HasField("refreshed"):
            return Stored(to_credential(begun.refreshed.credential), begun.refreshed.version)
        lease = to_lease(begun.lease)
        try:
            token: TokenSet = await run(refresh, lease)
        except Exception:
            await to_the_end(self._abandon(name, lease, None))
            raise
        except GeneratorExit:
            raise  # nothing can be awaited any more
        except BaseException:
            # Whoever cancels does not want to wait for long.
            await to_the_end(self._abandon(name, lease, _LONGEST_FAREWELL))
            raise
        # The old refresh token may be spent by now: this goes on even if the caller gives up.
        return await to_the_end(self._complete(name, lease, token))

    async def _complete(self, name: str, lease: RefreshLease, token: TokenSet) -> Stored:
        """Stores the new token set. Losing it would lose the refresh token, so this is repeated."""
        request = self._about(
            pb.CompleteRefreshRequest,
            name,
            lease_id=lease.lease_id,
            credential=_requests.credential_message(token),
        )
        try:
            answer: pb.CompleteRefreshResponse = await self._connection.call("CompleteRefresh", request, None)
        except RefreshLeaseLost:
            # An earlier try may have been applied without its answer having arrived.
            stored = await self.get(name)
            if stored.version > lease.version:
                return stored
            raise
        return Stored(token, answer.version)

    async def _abandon(self, name: str, lease: RefreshLease, timeout: float | None) -> bool:
        request = self._about(
            pb.AbandonRefreshRequest,
            name,
            lease_id=lease.lease_id,
            # `refresh` was called and gave nothing: it may have used the refresh token.
            uncertain=True,
        )
        # The lease ends by itself; what refresh raised is what the caller has to know.
        try:
            await self._connection.call("AbandonRefresh", request, timeout)
        except TenureError:
            return False
        return True


def _wait(left: float) -> float:
    """How long the service may wait: a tenth less than there is, so that its answer arrives in time."""
    return max(left - min(max(0.1 * left, 0.2), 1.0), 0.0)
