"""One client's channels: which one a call takes, and when it is repeated."""

from __future__ import annotations

from threading import Lock
from time import monotonic
from typing import Any

import grpc

from .._metadata import Carrier, correlation_id, inject_trace
from .._retry import RetryBudget, is_transient, pause
from .._settings import Settings, TokenSource, checked_token, unencrypted
from ..errors import TenureError, from_rpc_error
from ..v1.credential_service_pb2_grpc import CredentialServiceStub
from ..v1.session_service_pb2_grpc import SessionServiceStub
from ._runtime import Cancelled, Channel, fixed_headers, open_channel, resolve, sleep

_REST = 1.0


def client_closed() -> TenureError:
    """Whoever calls through a closed client gets this."""
    return TenureError("the client is closed", reason="CLIENT_CLOSED")


def bearer(token: object) -> tuple[str, str]:
    """The header that says who calls."""
    return ("authorization", f"Bearer {checked_token(token)}")


class Endpoint:
    """One address."""

    def __init__(self, target: str, settings: Settings) -> None:
        self.channel: Channel = open_channel(target, settings.credentials, settings.options)
        self.methods: dict[str, Any] = {
            **vars(SessionServiceStub(self.channel)),
            **vars(CredentialServiceStub(self.channel)),
        }
        self.resting_until = 0.0


class Connection:
    """The channels, opened at the first call."""

    def __init__(self, settings: Settings) -> None:
        self.timeout = settings.timeout
        self._settings = settings
        self._endpoints: list[Endpoint] = []
        self._opening = Lock()
        self._turn = 0
        self._budget = RetryBudget()
        self.closed = False
        token = settings.token
        self._asked = None if isinstance(token, str) else token
        self._fixed = fixed_headers([bearer(token)]) if isinstance(token, str) else None

    async def call(
        self,
        method: str,
        request: Any,
        timeout: float | None,
        *,
        safe: bool = True,
        user_token: TokenSource | None = None,
    ) -> Any:
        """Makes a call. A safe one is repeated when that may help, inside the deadline."""
        left = self.timeout if timeout is None else timeout
        deadline = monotonic() + left
        attempt = 1
        while True:
            endpoint = self._next()
            metadata: Any = self._fixed
            beside = self._beside()
            if self._asked is not None or user_token is not None:
                beside += await self._tokens(user_token)
            if beside:
                metadata = [*(metadata or ()), *beside]
            try:
                answer = await endpoint.methods[method](request, timeout=left, metadata=metadata)
            except Cancelled:
                # Closing the client is not a cancelling of the task that waits here.
                if self.closed:
                    raise client_closed() from None
                raise
            except grpc.RpcError as failure:
                if self.closed:
                    raise client_closed() from None
                error = from_rpc_error(failure)
            else:
                self._budget.succeeded()
                return answer
            if error.code == "UNAVAILABLE":
                endpoint.resting_until = monotonic() + _REST
            if not safe or not is_transient(error) or attempt > self._settings.retries:
                raise error
            wait = pause(attempt, error.retry_after)
            if monotonic() + wait >= deadline or not self._budget.take():
                raise error
            await sleep(wait)
            attempt += 1
            left = max(deadline - monotonic(), 0.0)

    async def stream(self, method: str, request: Any, *, user_token: TokenSource | None = None) -> Any:
        """Opens a stream. Nothing is repeated here."""
        metadata = [*(self._fixed or ()), *self._beside(), *await self._tokens(user_token)]
        return self._next().methods[method](request, metadata=metadata)

    async def close(self) -> None:
        """Ends what is in progress."""
        self.closed = True
        endpoints, self._endpoints = self._endpoints, []
        for endpoint in endpoints:
            await endpoint.channel.close()

    def _next(self) -> Endpoint:
        endpoints = self._endpoints
        if not endpoints:
            endpoints = self._open()
        if len(endpoints) == 1:
            return endpoints[0]
        now = monotonic()
        chosen = endpoints[self._turn % len(endpoints)]
        for _ in endpoints:
            self._turn += 1
            if chosen.resting_until <= now:
                break
            chosen = endpoints[self._turn % len(endpoints)]
        return chosen

    def _open(self) -> list[Endpoint]:
        with self._opening:
            if self.closed:
                raise client_closed()
            if not self._endpoints:
                self._endpoints = [Endpoint(target, self._settings) for target in self._settings.targets]
            return self._endpoints

    def proving(self, user_token: TokenSource) -> ProvingConnection:
        """The same, with a user's token in every call."""
        if not self._settings.confidential:
            raise unencrypted()
        return ProvingConnection(self, checked_token(user_token) if isinstance(user_token, str) else user_token)

    def _beside(self) -> Carrier:
        """What the context of this one call says: mostly nothing."""
        carrier: Carrier = []
        inject_trace(carrier)
        correlation = correlation_id.get()
        if correlation:
            carrier.append(("tenure-correlation-id", correlation))
        return carrier

    async def _tokens(self, user_token: TokenSource | None) -> Carrier:
        """What has to be asked for with each request."""
        carrier: Carrier = []
        if self._asked is not None:
            carrier.append(bearer(await resolve(self._asked)))
        if user_token is not None:
            carrier.append(("tenure-user-token", checked_token(await resolve(user_token))))
        return carrier


class ProvingConnection:
    """A connection as an owner uses it who is proved by the user's own token."""

    def __init__(self, connection: Connection, user_token: TokenSource) -> None:
        self.timeout = connection.timeout
        self._connection = connection
        self._user_token = user_token

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._connection.closed

    async def call(self, method: str, request: Any, timeout: float | None, *, safe: bool = True) -> Any:
        """As `Connection.call`."""
        return await self._connection.call(method, request, timeout, safe=safe, user_token=self._user_token)

    async def stream(self, method: str, request: Any) -> Any:
        """As `Connection.stream`."""
        return await self._connection.stream(method, request, user_token=self._user_token)


AnyConnection = Connection | ProvingConnection
