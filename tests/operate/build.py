"""The Dockerfile's build stage, step by step, in what its base image is made of."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from image import AS_ROOT, context, stages
from paths import REPOSITORY, TARGET, WORK

# What rust:slim-bookworm adds to Debian, beside Rust.
PACKAGES = "ca-certificates,gcc,libc6-dev"
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"


@dataclass(frozen=True)
class Built:
    """What came out, and which crates each RUN compiled."""

    binary: Path
    compiled: list[set[str]]


def base() -> Path:
    """The base image's files. Kept between runs; a build leaves its traces in /src and /out only."""
    root = WORK / "build-base"
    made = WORK / "build-base-made"
    if made.exists() and made.read_text() == PACKAGES:
        return root
    subprocess.run([*AS_ROOT, "rm", "--recursive", "--force", "--one-file-system", str(root)], check=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root), MIRROR]
    subprocess.run([*AS_ROOT, *command], check=True, stdout=subprocess.DEVNULL)
    made.write_text(PACKAGES)
    return root


def build(profile: str, fresh: bool) -> Built:
    """Runs the stage. `fresh` takes nothing from earlier builds; else what cargo has built for the other parts serves."""
    root, stage = base(), stages()[0]
    sources = root / "src"
    for directory in (sources, root / "out"):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
    # The network stays outside: crates come from this machine's cache.
    subprocess.run(["cargo", "fetch", "--locked", "--quiet"], cwd=REPOSITORY, check=True)
    if not fresh:
        lend(sources / "target" / "debug")
    sent = WORK / "context"
    shutil.rmtree(sent, ignore_errors=True)
    context(sent)
    compiled = []
    for step in stage:
        match step["instruction"]:
            case "COPY":
                copy(sent, sources, step["value"].split())
            case "RUN":
                compiled.append(run(root, step["value"], profile))
            case "FROM" | "ARG" | "WORKDIR":
                continue
            case other:
                raise AssertionError(f"a step that is not known here: {other}")
    return Built(root / "out" / "tenure", compiled)


def lend(place: Path) -> None:
    """Other people's crates as `cargo build` has left them. Links will do: a compiler writes a new file in place of an old one."""
    lent = TARGET / "debug"
    place.mkdir(parents=True)
    (place / "deps").mkdir()
    for name in ("build", ".fingerprint"):
        subprocess.run(["cp", "--archive", lent / name, place / name], check=True)
    for path in (lent / "deps").iterdir():
        if path.suffix in (".rlib", ".rmeta", ".so", ".d") and not path.name.startswith(
            ("libtenure", "tenure")
        ):
            os.link(path, place / "deps" / path.name)


def copy(sent: Path, sources: Path, words: list[str]) -> None:
    """COPY from the context: a folder's content goes into the named one, a file keeps its time."""
    *names, place = words
    into = sources / place
    for name in names:
        source = sent / name
        if source.is_dir():
            shutil.copytree(source, into, dirs_exist_ok=True)
        else:
            target = into / source.name if place.endswith("/") else into
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def run(root: Path, command: str, profile: str) -> set[str]:
    """One RUN; answers which crates it compiled."""
    sysroot = ["rustc", "--print", "sysroot"]
    environment = {
        "PATH": os.environ["PATH"],
        "SYSROOT": subprocess.run(
            sysroot, cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.strip(),
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
        "PROFILE": profile,
    }
    given = [f"{name}={value}" for name, value in environment.items()]
    script = Path(__file__).with_name("builder.sh")
    ended = subprocess.run(
        [*AS_ROOT, "env", *given, str(script), str(root), command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return set(re.findall(r"^ +Compiling (\S+) v", ended.stderr, re.MULTILINE))
