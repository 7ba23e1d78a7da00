"""Writes `_sync` from `_async`: the same code without asyncio. `--check` only compares.

python tools/make_sync.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "tenure"
MODULES = ("_client.py", "_connection.py", "_credentials.py", "_watch.py")
HEADER = "# Made from _async/{name} by tools/make_sync.py; change that one.\n"
WORDS = {
    r"\basync def\b": "def",
    r"\basync with\b": "with",
    r"\basync for\b": "for",
    r"\bawait ": "",
    r"\bAsyncIterator\b": "Iterator",
    r"\b__aenter__\b": "__enter__",
    r"\b__aexit__\b": "__exit__",
    r"\b__aiter__\b": "__iter__",
    r"\b__anext__\b": "__next__",
    r"\bStopAsyncIteration\b": "StopIteration",
    r"\bAwaitable\[TokenSet\]": "TokenSet",
    r"\bAwaitable, ": "",
}


def blocking(text: str, name: str) -> str:
    """The text of a module without asyncio."""
    for word, replacement in WORDS.items():
        text = re.sub(word, replacement, text)
    return HEADER.format(name=name) + text


def main() -> int:
    """Writes or compares all modules."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name in MODULES:
        text = blocking((SOURCE / "_async" / name).read_text(), name)
        target = SOURCE / "_sync" / name
        if check:
            if not target.exists() or target.read_text() != text:
                stale.append(name)
        else:
            target.write_text(text)
    for name in stale:
        print(f"src/tenure/_sync/{name} is not what _async/{name} gives: run tools/make_sync.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
