"""Writes `src/tenure/v1` from the protos; needs grpcio-tools 1.76 and mypy-protobuf. `--check` only compares.

    python tools/make_stubs.py [--check]

Newer generators write code that demands a newer runtime, so the version is fixed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
PROTOS = PACKAGE.parent.parent / "proto"
NAMES = ("session", "session_service", "credential_service")
GENERATOR = "1.76."


def generate(target: Path) -> None:
    """Writes the stubs below a directory."""
    installed = version("grpcio-tools")
    if not installed.startswith(GENERATOR):
        sys.exit(f"grpcio-tools {GENERATOR}x is needed, {installed} is installed")
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{PROTOS}",
        f"--python_out={target}",
        f"--grpc_python_out={target}",
        f"--mypy_out=quiet:{target}",
        f"--mypy_grpc_out=quiet:{target}",
        *(f"tenure/v1/{name}.proto" for name in NAMES),
    ]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    subprocess.run(command, check=True, env={**os.environ, "PATH": path})
    for name in NAMES:
        if "service" not in name:
            for ending in ("py", "pyi"):
                (target / "tenure" / "v1" / f"{name}_pb2_grpc.{ending}").unlink(missing_ok=True)


def main() -> int:
    """Writes or compares the stubs."""
    if "--check" not in sys.argv[1:]:
        generate(PACKAGE / "src")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = {path.name: path.read_bytes() for path in (Path(scratch) / "tenure" / "v1").iterdir()}
    kept = {
        path.name: path.read_bytes()
        for path in (PACKAGE / "src" / "tenure" / "v1").iterdir()
        if path.is_file() and path.name != "__init__.py"
    }
    stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
    for name in stale:
        print(f"src/tenure/v1/{name} is not what the protos give: run tools/make_stubs.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
