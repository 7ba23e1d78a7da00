"""The image without a container engine: the Dockerfile's steps, and what its last stage holds."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

from paths import REPOSITORY, WORK

# What gcr.io/distroless/cc-debian12 is made of that a program can use: these packages of Debian, unpacked and not
# installed, and the authorities' certificates in one file.
PACKAGES = [
    "libc6",
    "libgcc-s1",
    "libgomp1",
    "libstdc++6",
    "netbase",
    "tzdata",
    "media-types",
    "ca-certificates",
]
USER = 65532

# Mounting and changing the root take root.
AS_ROOT: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]


@cache
def steps() -> list[dict[str, Any]]:
    """The Dockerfile's instructions, in order."""
    parser = DockerfileParser(path=str(REPOSITORY / "Dockerfile"), cache_content=True)
    return [step for step in parser.structure if step["instruction"] != "COMMENT"]


def stages() -> list[list[dict[str, Any]]]:
    """The stages, each from its FROM on."""
    found: list[list[dict[str, Any]]] = []
    for step in steps():
        if step["instruction"] == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


def context(directory: Path) -> Path:
    """What an engine would send to the build: the checkout without what .dockerignore says."""
    kept = []
    for line in (REPOSITORY / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            kept.append(line[1:])
        else:
            # The rest of the language is not needed, and not understood here.
            assert line in ("", "*") or line.startswith("#"), line
    for name in kept:
        source, place = REPOSITORY / name, directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("target", "__pycache__")
            shutil.copytree(source, place, ignore=ignored)
        else:
            shutil.copy2(source, place)
    return directory


@cache
def base() -> Path:
    """The last stage's base. Kept between runs."""
    packages, root = WORK / "packages", WORK / "base"
    if (root / "made").exists() and (root / "made").read_text() == " ".join(PACKAGES):
        return root
    for directory in (packages, root):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
    download = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *PACKAGES]
    if subprocess.run(download, cwd=packages, check=False).returncode:
        subprocess.run([*AS_ROOT, "apt-get", "update", "-qq"], check=True)
        subprocess.run(download, cwd=packages, check=True)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text() for path in authorities))
    for name in ("dev", "proc", "tmp", "home/nonroot"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text(f"nonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/sbin/nologin\n")
    (root / "etc/group").write_text(f"nonroot:x:{USER}:\n")
    (root / "made").write_text(" ".join(PACKAGES))
    return root


def assemble(root: Path, binary: Path) -> Path:
    """The image's files: the base, and what the last stage copies."""
    subprocess.run(["cp", "--archive", f"{base()}/.", root], check=True)
    for step in stages()[-1]:
        if step["instruction"] != "COPY":
            continue
        words = step["value"].split()
        place = root / words[-1].lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        source = binary if words[0] == "--from=build" else REPOSITORY / words[0]
        shutil.copy2(source, place)
    return root


def container(root: Path, command: list[str], *options: str) -> list[str]:
    """A command line that runs this in the image, as the image's user."""
    script = Path(__file__).with_name("container.sh")
    return [*AS_ROOT, str(script), str(root), str(USER), *options, "--", *command]
