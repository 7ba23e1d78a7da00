"""Runs the shared vectors through a client; see tests/vectors/README.md."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import tenure

from .calls import Caller, Json, show_error, value_of

VECTORS = Path(__file__).resolve().parents[3] / "tests" / "vectors"
# Python has a value for everything that a case may need.
EXPRESSIBLE = {"nan", "big_integers", "lone_surrogates", "symbols"}
ADA = {"ada": {"tenant": "acme-${run}", "user": "ada", "issuer": "https://id.example"}}
REFERENCE = re.compile(r"\$\{([a-z0-9_.]+)\}")
LETTERS = string.ascii_lowercase + string.digits


TOKENS: dict[str, str] = json.loads((VECTORS / "servers" / "tokens.json").read_text())


@dataclass(frozen=True)
class Case:
    """One case, and the server that it needs."""

    name: str
    server: str
    body: Json

    @property
    def token(self) -> str | None:
        """What its client connects with."""
        given: str | None = resolve(self.body.get("token"), {"tokens": TOKENS})
        return given


def load() -> list[Case]:
    """All cases of all files."""
    cases = []
    for path in sorted((VECTORS / "cases").glob("*.json")):
        content = json.loads(path.read_text())
        for body in content["cases"]:
            if set(body.get("needs", ())) <= EXPRESSIBLE:
                cases.append(Case(body["name"], content["server"], body))
    return cases


class Mismatch(AssertionError):
    """An answer is not what the case expects."""


def resolve(value: Any, saved: Mapping[str, Any]) -> Any:
    """A value with its references replaced."""
    if isinstance(value, dict):
        return {key: resolve(item, saved) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, saved) for item in value]
    if not isinstance(value, str):
        return value
    whole = REFERENCE.fullmatch(value)
    if whole:
        return look_up(whole[1], saved)
    return REFERENCE.sub(lambda found: str(look_up(found[1], saved)), value)


def look_up(path: str, saved: Mapping[str, Any]) -> Any:
    """What an earlier step saved."""
    value: Any = saved
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def match(expected: Any, actual: Any, at: str, exact: bool = False) -> None:
    """Raises Mismatch unless the answer matches."""
    if isinstance(expected, dict) and len(expected) == 1 and next(iter(expected)) in MATCHERS:
        ((name, argument),) = expected.items()
        MATCHERS[name](argument, actual, at)
        return
    if exact:
        expected = value_of(expected)
    elif isinstance(expected, dict):
        if not isinstance(actual, dict):
            raise Mismatch(f"{at}: {actual!r} is not an object")
        for key, inner in expected.items():
            if isinstance(inner, dict) and set(inner) == {"$absent"}:
                if key in actual:
                    raise Mismatch(f"{at}.{key}: must be absent")
            elif key not in actual:
                raise Mismatch(f"{at}.{key}: is absent")
            else:
                match(inner, actual[key], f"{at}.{key}", exact=key == "state")
        return
    elif isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            raise Mismatch(f"{at}: {actual!r}, expected {expected!r}")
        for index, inner in enumerate(expected):
            match(inner, actual[index], f"{at}[{index}]")
        return
    if not same(value_of(expected), actual, exact):
        raise Mismatch(f"{at}: {shortened(actual)}, expected {shortened(expected)}")


def same(one: Any, other: Any, exact: bool) -> bool:
    """Equality that tells booleans from numbers. Where it is exact, numbers without a fraction must be int."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key], exact) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(each, other[index], exact) for index, each in enumerate(one))
    if exact and isinstance(other, float) and other.is_integer() and abs(other) < 2**53:
        return False
    return bool(one == other)


def shortened(value: Any) -> str:
    """For messages."""
    text = repr(value)
    return text if len(text) < 600 else text[:600] + "…"


def _any(kind: str, actual: Any, at: str) -> None:
    right = {
        "text": isinstance(actual, str) and actual != "",
        "time": isinstance(actual, datetime),
        "number": isinstance(actual, (int, float)) and not isinstance(actual, bool),
        "uuid": isinstance(actual, str) and len(actual) == 36 and UUID(actual).version == 4,
        "any": True,
    }[kind]
    if not right:
        raise Mismatch(f"{at}: {actual!r} is no {kind}")


def _not(expected: Any, actual: Any, at: str) -> None:
    try:
        match(expected, actual, at)
    except Mismatch:
        return
    raise Mismatch(f"{at}: {actual!r} is what it must not be")


def _unordered(expected: list[Any], actual: Any, at: str) -> None:
    left = list(actual)
    for each in expected:
        for candidate in left:
            try:
                match(each, candidate, at)
            except Mismatch:
                continue
            left.remove(candidate)
            break
        else:
            raise Mismatch(f"{at}: nothing matches {each!r} in {actual!r}")
    if left:
        raise Mismatch(f"{at}: {left!r} is too much")


def _bound(bound: Any) -> Any:
    if isinstance(bound, dict) and "$plus" in bound:
        start, seconds = bound["$plus"]
        return start + timedelta(seconds=seconds)
    return value_of(bound)


def _between(bounds: list[Any], actual: Any, at: str) -> None:
    low, high = map(_bound, bounds)
    if (low is not None and actual < low) or (high is not None and actual > high):
        raise Mismatch(f"{at}: {actual!r} is not between {low!r} and {high!r}")


def _plus(argument: list[Any], actual: Any, at: str) -> None:
    wanted = _bound({"$plus": argument})
    if actual != wanted:
        raise Mismatch(f"{at}: {actual!r}, expected {wanted!r}")


MATCHERS: dict[str, Any] = {
    "$any": _any,
    "$not": _not,
    "$unordered": _unordered,
    "$between": _between,
    "$plus": _plus,
}


class Run:
    """One run of one case."""

    def __init__(self, client: Any, case: Case) -> None:
        self._client = client
        self._case = case
        self._saved: dict[str, Any] = {
            "run": "".join(secrets.choice(LETTERS) for _ in range(12)),
            "tokens": TOKENS,
        }
        self._watches: dict[str, Any] = {}
        self._owners: Json = resolve(case.body.get("owners", ADA), self._saved)
        self._namespace: str = resolve(case.body.get("namespace", "v-${run}"), self._saved)

    async def play(self) -> None:
        """All steps, in order."""
        try:
            for number, step in enumerate(self._case.body["steps"], 1):
                await self._play_step(step, f"{self._case.name}, step {number} ({step['do']})")
        finally:
            for watch in self._watches.values():
                closing = watch.close()
                if closing is not None:
                    await closing

    async def _play_step(self, step: Json, at: str) -> None:
        until = time.monotonic() + step.get("eventually", 0.0)
        while True:
            try:
                await self._attempt(step, at)
            except Mismatch:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(0.05)
            else:
                return

    async def _attempt(self, step: Json, at: str) -> None:
        owner = self._owners[step["as"]] if "as" in step else next(iter(self._owners.values()))
        namespace = resolve(step.get("namespace", self._namespace), self._saved)
        caller = Caller(self._client, namespace, owner)
        arguments = resolve(step.get("with", {}), self._saved)
        try:
            answer = await caller.call(step["do"], arguments, self._watches)
        except tenure.TenureError as error:
            if "expect_error" not in step:
                raise Mismatch(f"{at}: {error}") from error
            match(resolve(step["expect_error"], self._saved), show_error(error), at)
            return
        if "expect_error" in step:
            raise Mismatch(f"{at}: must fail, but answered {shortened(answer)}")
        if "expect" in step:
            match(resolve(step["expect"], self._saved), answer, at)
        if "save" in step:
            self._saved[step["save"]] = answer
        if step["do"] == "watch":
            self._watches[step["save"]] = self._watches.pop("$new")
