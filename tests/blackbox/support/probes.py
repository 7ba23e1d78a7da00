"""The HTTP port, as an orchestrator sees it."""

import urllib.error
import urllib.request

from support.server import Server


def status(server: Server, path: str) -> int:
    """The status of one page."""
    try:
        with urllib.request.urlopen(f"http://{server.http}{path}", timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
