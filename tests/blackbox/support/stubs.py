"""Python stubs, generated from the protos by another toolchain than the server's."""

import sys
from importlib import resources

from grpc_tools import protoc

from support.paths import PROTO, TARGET

STUBS = TARGET / "blackbox" / "stubs"


def generate() -> None:
    """Writes the stubs of every `tenure` proto and makes them importable."""
    STUBS.mkdir(parents=True, exist_ok=True)
    files = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("tenure/**/*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    out = [f"--{kind}_out={STUBS}" for kind in ("python", "grpc_python")]
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *out, *files]) != 0:
        raise RuntimeError("the stubs could not be generated")
    if str(STUBS) not in sys.path:
        sys.path.insert(0, str(STUBS))
