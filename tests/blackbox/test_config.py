"""Settings: default < file < environment < flags; every fault at once; secrets hidden."""

import tomllib
from pathlib import Path

import pytest

from support.server import serving, tenure


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tenure.toml"


def test_a_sound_file(file: Path) -> None:
    file.write_text('[defaults]\nidle_ttl = "5m"\n[namespaces.shop]\nsessions_per_owner = 3\n')
    ended = tenure("config", "check", "--config", str(file))
    assert ended.returncode == 0, ended.stderr


def test_every_fault_at_once(file: Path) -> None:
    """Each with its key and where it came from, so that one run is enough to mend them all."""
    file.write_text(
        '[grpc]\nlisten = "nowhere"\n[defaults]\nidle_ttl = "soon"\nstate_keys = -1\n[namespaces."Bad Name"]\n'
    )
    ended = tenure("config", "check", "--config", str(file), TENURE_STORE__MAX_SESSIONS="many")
    assert ended.returncode == 2
    for key in ("grpc.listen", "defaults.idle_ttl", "defaults.state_keys", "Bad Name", "store.max_sessions"):
        assert key in ended.stderr
    assert "TENURE_STORE__MAX_SESSIONS" in ended.stderr
    assert file.name in ended.stderr


@pytest.mark.parametrize(
    ("content", "variables", "wrong", "nearest"),
    [
        ('[grpc]\nlissten = "127.0.0.1:0"\n', {}, "lissten", "listen"),
        ("[defaults]\nstate_byts = 1\n", {}, "state_byts", "state_bytes"),
        ("", {"TENURE_STORE__URI": "memory:"}, "TENURE_STORE__URI", "store.url"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(
    file: Path, content: str, variables: dict[str, str], wrong: str, nearest: str
) -> None:
    file.write_text(content)
    ended = tenure("config", "check", "--config", str(file), **variables)
    assert ended.returncode == 2
    assert wrong in ended.stderr
    assert nearest in ended.stderr.lower()


def test_a_faulty_file_keeps_the_service_from_starting(file: Path) -> None:
    """Nothing is served with half the settings."""
    file.write_text("[defaults]\nidle_tll = 1\n")
    ended = tenure("serve", "--config", str(file), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert ended.returncode == 2
    assert "idle_tll" in ended.stderr
    assert ended.stdout == ""


def test_a_missing_file(tmp_path: Path) -> None:
    ended = tenure("config", "check", "--config", str(tmp_path / "nothing.toml"))
    assert ended.returncode == 2
    assert "nothing.toml" in ended.stderr


def test_variables_that_others_inject(tmp_path: Path) -> None:
    """Kubernetes makes TENURE_PORT and the like for a service of that name: no `__`, no setting."""
    variables = {"TENURE_PORT": "tcp://10.0.0.1:7070", "TENURE_SERVICE_HOST": "10.0.0.1"}
    with serving(tmp_path, "", **variables) as server:
        assert server.store


def test_show_says_what_is_in_force(file: Path) -> None:
    """The environment wins over the file, and each value says where it came from."""
    file.write_text('[grpc]\nlisten = "127.0.0.1:1111"\n[http]\nlisten = "127.0.0.1:2222"\n')
    ended = tenure(
        "config",
        "show",
        "--config",
        str(file),
        TENURE_HTTP__LISTEN="127.0.0.1:3333",
    )
    assert ended.returncode == 0, ended.stderr
    assert "127.0.0.1:1111" in ended.stdout
    assert "127.0.0.1:3333" in ended.stdout
    assert "127.0.0.1:2222" not in ended.stdout
    assert "TENURE_HTTP__LISTEN" in ended.stdout


def test_a_password_is_never_shown(file: Path) -> None:
    """Whether the store's address is taken or refused."""
    file.write_text("")
    for url in ("redis://user:canary-password@127.0.0.1:6379", "nonsense://:canary-password@127.0.0.1"):
        for command in ("check", "show"):
            ended = tenure("config", command, "--config", str(file), "--store", url)
            assert "canary-password" not in ended.stdout + ended.stderr


def test_a_flag_wins(tmp_path: Path) -> None:
    """`serving` gives port 0 as a flag: neither the file nor the environment decides."""
    with serving(tmp_path, '[grpc]\nlisten = "127.0.0.1:1"\n', TENURE_HTTP__LISTEN="127.0.0.1:1") as server:
        assert not server.grpc.endswith(":1")
        assert not server.http.endswith(":1")


def test_what_is_shown_is_a_configuration(file: Path, tmp_path: Path) -> None:
    """Shown, checked and shown again, it means the same."""
    file.write_text('strict_namespaces = true\n[namespaces.shop]\nidle_ttl = "90s"\n')
    shown = tenure("config", "show", "--config", str(file)).stdout
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert tenure("config", "check", "--config", str(again)).returncode == 0
    second = tenure("config", "show", "--config", str(again)).stdout
    assert tomllib.loads(second) == tomllib.loads(shown)
    assert tomllib.loads(shown)["namespaces"]["shop"]["idle_ttl"] == "1m30s"
