"""When a call is repeated, and after how long. Pure: the clock and the sleeping are the caller's."""

from __future__ import annotations

import random

from .errors import TenureError

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class RetryBudget:
    """A token bucket over all calls of a client: when most calls fail, repeating them would only add load.

    A repetition costs one token, a call that succeeds gives a tenth back.
    """

    def __init__(self, capacity: float = 20.0, refill: float = 0.1) -> None:
        self._capacity = capacity
        self._refill = refill
        self._tokens = capacity

    def succeeded(self) -> None:
        """A call went well."""
        if self._tokens < self._capacity:
            self._tokens = min(self._capacity, self._tokens + self._refill)

    def take(self) -> bool:
        """Whether there is a token for a repetition."""
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def is_transient(error: TenureError) -> bool:
    """Whether the same call may work a moment later."""
    return error.code == "UNAVAILABLE" or error.retry_after is not None


def pause(attempt: int, retry_after: float | None) -> float:
    """How long to wait after the attempt, the first being 1. Jittered, so that clients do not come back at once."""
    ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))
    jitter = random.uniform(0, ceiling)
    if retry_after is None:
        return max(jitter, _FIRST_PAUSE / 5)
    return retry_after + jitter
