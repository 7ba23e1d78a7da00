"""Credentials and their keys, from outside: the real binary, another toolchain's stubs."""

import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from tenure.v1 import credential_service_pb2 as wire
from tenure.v1.credential_service_pb2_grpc import CredentialServiceStub
from tenure.v1.session_service_pb2_grpc import SessionServiceStub

from support.errors import refused
from support.server import Server, serving, tenure
from support.wire import NAMESPACE, calls, new_owner, records, seconds, struct

CANARY = "canary-4711"


@pytest.fixture
def credentials(channel: grpc.Channel) -> Any:
    return CredentialServiceStub(channel)


def new_session(api: Any, owner: Any, **fields: Any) -> str:
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, **fields)
    return str(api.CreateSession(request).session.id)


def of(owner: Any, session_id: str, name: str = "token") -> dict[str, Any]:
    return {"namespace": NAMESPACE, "owner": owner, "session_id": session_id, "name": name}


def token_set(access: str) -> Any:
    return records.Credential(oauth=records.OAuthTokenSet(access_token=access, refresh_token=f"r-{access}"))


def test_a_credential_lives_with_its_session(api: Any, credentials: Any, owner: Any) -> None:
    session_id = new_session(api, owner, credentials={"first": records.Credential(opaque=b"\0\1")})
    first = credentials.GetCredential(wire.GetCredentialRequest(**of(owner, session_id, "first")))
    assert (first.credential.opaque, first.version) == (b"\0\1", 1)
    put = wire.PutCredentialRequest(**of(owner, session_id), credential=token_set("a-1"))
    assert credentials.PutCredential(put).version == 1
    got = credentials.GetCredential(wire.GetCredentialRequest(**of(owner, session_id)))
    assert got.credential == token_set("a-1")
    session = api.GetSession(
        calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
    ).session
    assert list(session.credential_names) == ["first", "token"]

    stranger = wire.GetCredentialRequest(**of(new_owner(), session_id))
    refused(credentials.GetCredential, stranger, grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    missing = wire.GetCredentialRequest(**of(owner, session_id, "none"))
    refused(credentials.GetCredential, missing, grpc.StatusCode.NOT_FOUND, "CREDENTIAL_NOT_FOUND")
    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id))
    gone = wire.GetCredentialRequest(**of(owner, session_id))
    refused(credentials.GetCredential, gone, grpc.StatusCode.NOT_FOUND, "SESSION_DELETED")


def test_fifty_refreshers_make_one_refresh(api: Any, credentials: Any, owner: Any) -> None:
    session_id = new_session(api, owner, credentials={"token": token_set("a-1")})
    leases: list[str] = []
    answers: list[str] = []

    def refresh() -> None:
        begin = wire.BeginRefreshRequest(**of(owner, session_id), stale_version=1)
        begun = credentials.BeginRefresh(begin, timeout=20)
        if begun.WhichOneof("outcome") == "lease":
            leases.append(begun.lease.lease_id)
            complete = wire.CompleteRefreshRequest(
                **of(owner, session_id), lease_id=begun.lease.lease_id, credential=token_set("a-2")
            )
            assert credentials.CompleteRefresh(complete).version == 2
        else:
            answers.append(begun.refreshed.credential.oauth.access_token)

    threads = [threading.Thread(target=refresh) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases) == 1
    assert answers == ["a-2"] * 49


def test_a_holder_that_dies_leaves_a_doubt(api: Any, credentials: Any, owner: Any) -> None:
    session_id = new_session(api, owner, credentials={"token": token_set("a-1")})
    begin = wire.BeginRefreshRequest(**of(owner, session_id), stale_version=1, lease_ttl=seconds(1))
    dead = credentials.BeginRefresh(begin).lease
    assert not dead.uncertain
    heir = credentials.BeginRefresh(begin).lease
    assert heir.uncertain
    assert heir.credential == token_set("a-1")
    late = wire.CompleteRefreshRequest(
        **of(owner, session_id), lease_id=dead.lease_id, credential=token_set("late")
    )
    refused(credentials.CompleteRefresh, late, grpc.StatusCode.ABORTED, "REFRESH_LEASE_LOST")


def keys(server: Server, *arguments: str) -> str:
    ended = tenure("keys", *arguments, TENURE_SERVER=f"http://{server.grpc}")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_keys_are_rotated_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    assert tenure("keys", "new", "--id", "one", "--file", str(file)).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    config = f'[keys]\nfile = "{file}"\n'
    # A store of its own: others' tenant keys would be counted too.
    with serving(tmp_path, config, "--store", "memory:") as server, server.channel() as channel:
        api, credentials = SessionServiceStub(channel), CredentialServiceStub(channel)
        owner = new_owner()
        secret = records.Credential(opaque=CANARY.encode())
        session_id = new_session(api, owner, credentials={"token": secret}, state=struct(a=1))
        assert tenure("keys", "new", "--id", "two", "--file", str(file)).returncode == 0
        assert "two" in keys(server, "rotate")
        read = wire.GetCredentialRequest(**of(owner, session_id))
        assert credentials.GetCredential(read).credential == secret
        assert "rewrapped  1" in keys(server, "rewrap")
        file.write_text(file.read_text().splitlines()[-1] + "\n")
        keys(server, "rotate")
        assert keys(server, "status").split() == ["two", "active", "1", "tenant", "keys"]
        assert credentials.GetCredential(read).credential == secret
        assert tenure("keys", "destroy", "-n", NAMESPACE, "--tenant", "acme").returncode == 2
        keys(server, "destroy", "-n", NAMESPACE, "--tenant", "acme", "--yes")
        refused(credentials.GetCredential, read, grpc.StatusCode.DATA_LOSS, "DATA_UNREADABLE")
        assert CANARY not in server.log.read_text()


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(tenure("keys", "new").stdout)
    file.chmod(0o644)
    ended = tenure("config", "check", "--set", f"keys.file={file}")
    assert ended.returncode == 2
    assert "chmod 600" in ended.stderr
