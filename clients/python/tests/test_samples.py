"""The samples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Condition
from typing import Any

import pytest

from tenure import testing

from .scripted import Script, credential_pb, pb, scripted, session, session_pb2

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SAY = {
    "tool_handler": (
        "Orders of Globex (search 1, recently ['Globex'])\n"
        "Orders of Globex (search 2, recently ['Globex', 'Globex'])\n"
        "Orders of Initech (search 3, recently ['Globex', 'Globex', 'Initech'])\n"
    ),
    "conversation_isolation": (
        "ada, write an offer: Globex\nada, check an invoice: Initech\n"
        "bob, write an offer: {}\nbob, with ada's id: SESSION_NOT_FOUND\n"
    ),
    "logout_everywhere": (
        "dropped: INVALIDATED, PASSWORD_CHANGED\ndropped: INVALIDATED, PASSWORD_CHANGED\nended: 2\n"
        "the laptop is told: PASSWORD_CHANGED\n"
    ),
}


def run(name: str, address: str) -> str:
    """What a sample prints."""
    done = subprocess.run(
        [sys.executable, str(SAMPLES / f"{name}.py")],
        env={**os.environ, "TENURE_SERVER": address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", SAY)
def test_sample(name: str, binary: None) -> None:
    with testing.serve() as server:
        assert run(name, server.address) == SAY[name]


class Leases:
    """As much of CredentialService as the sample needs: one lease at a time, the others wait."""

    def __init__(self, script: Script) -> None:
        self._changed = Condition()
        self._leased = False
        self._credential = session_pb2.Credential()
        self._version = 1
        script.last |= {
            "CreateSession": self._create,
            "GetCredential": self._get,
            "BeginRefresh": self._begin,
            "CompleteRefresh": self._complete,
        }

    def _create(self, request: Any) -> Any:
        self._credential = request.credentials["github"]
        return pb.CreateSessionResponse(session=session("session-0123456789"), created=True)

    def _get(self, _: Any) -> Any:
        return credential_pb.GetCredentialResponse(credential=self._credential, version=self._version)

    def _begin(self, request: Any) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: not self._leased or self._version > request.stale_version, 30)
            if self._version > request.stale_version:
                refreshed = credential_pb.RefreshedCredential(credential=self._credential, version=self._version)
                return credential_pb.BeginRefreshResponse(refreshed=refreshed)
            self._leased = True
            lease = credential_pb.RefreshLease(lease_id="l", credential=self._credential, version=self._version)
            return credential_pb.BeginRefreshResponse(lease=lease)

    def _complete(self, request: Any) -> Any:
        with self._changed:
            self._leased = False
            self._credential, self._version = request.credential, self._version + 1
            self._changed.notify_all()
            return credential_pb.CompleteRefreshResponse(version=self._version)


def test_token_refresh() -> None:
    """Against a stand-in in this process: the real service has no CredentialService yet."""
    script = Script()
    Leases(script)
    with scripted(script) as address:
        assert run("token_refresh", address) == "tokens: ['access-2'], refreshes: 1\n"
