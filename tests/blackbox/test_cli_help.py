"""What the command says about itself."""

import shutil
import subprocess

import pytest

from support.server import tenure


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell: str) -> None:
    """A script on stdout; bash, which is there, finds it well-formed."""
    ended = tenure("completions", shell)
    assert ended.returncode == 0, ended.stderr
    assert "tenure" in ended.stdout
    assert ended.stderr == ""
    if shell == "bash":
        bash = shutil.which("bash")
        assert bash
        subprocess.run([bash, "-n"], input=ended.stdout, text=True, check=True)


def test_the_manual_page() -> None:
    ended = tenure("man")
    assert ended.returncode == 0, ended.stderr
    assert ".TH" in ended.stdout
    assert ended.stderr == ""


def test_version() -> None:
    ended = tenure("--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith("tenure ")


def test_exit_codes_are_documented() -> None:
    assert "Exit codes" in tenure("--help").stdout


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["session", "--help"], ["config", "--help"]]
)
def test_help(arguments: list[str]) -> None:
    """Help that was asked for is data: stdout, exit code 0."""
    ended = tenure(*arguments)
    assert ended.returncode == 0
    assert "Usage" in ended.stdout


def test_an_unknown_command() -> None:
    ended = tenure("srve")
    assert ended.returncode == 2
    assert "serve" in ended.stderr
    assert ended.stdout == ""
