"""Where things are: of the repository, and what tests/run has installed and built."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "helm" / "tenure"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
BINARY = Path(os.environ.get("TENURE_BIN", TARGET / "debug" / "tenure"))
# What the tests make and keep: the image's base, what was built for it.
WORK = TARGET / "operate"
