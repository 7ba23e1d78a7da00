"""The samples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tenure import testing

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
    "token_refresh": "tokens: ['access-2'], refreshes: 1\n",
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
