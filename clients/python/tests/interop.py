"""The interop program: reads calls as JSON lines, writes answers; see tests/vectors/README.md.

python -m tests.interop ADDRESS
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime
from typing import Any

import tenure

from .calls import Caller, show_error


def plain(value: Any) -> str:
    """What JSON does not know: times."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(type(value).__name__)


def main() -> None:
    """Answers line by line until stdin ends."""
    with tenure.sync.connect(sys.argv[1]) as client:
        for line in sys.stdin:
            call = json.loads(line)
            caller = Caller(client, call["namespace"], call["owner"])
            try:
                answer = {"answer": asyncio.run(caller.call(call["do"], call.get("with", {}), {}))}
            except tenure.TenureError as error:
                answer = {"error": show_error(error)}
            print(json.dumps(answer, default=plain), flush=True)


if __name__ == "__main__":
    main()
