"""Where things are."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
PROTO = REPOSITORY / "proto"


def binary() -> Path:
    """The binary under test: TENURE_BIN, or what `cargo build` has made."""
    path = Path(os.environ.get("TENURE_BIN", TARGET / "debug" / "tenure"))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `cargo build`, or set TENURE_BIN")
    return path
