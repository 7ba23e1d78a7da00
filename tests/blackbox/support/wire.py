"""The generated messages and short ways to fill them."""

import uuid
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct
from google.protobuf.timestamp_pb2 import Timestamp

from support import stubs

stubs.generate()

from tenure.v1 import session_pb2 as records
from tenure.v1 import session_service_pb2 as calls
from tenure.v1.session_service_pb2_grpc import SessionServiceStub

NAMESPACE = "blackbox"
SERVICE = "tenure.v1.SessionService"


def new_owner(**parts: str) -> Any:
    """An owner that no other test has."""
    return records.Owner(
        **({"tenant": "acme", "user": f"user-{uuid.uuid4()}", "issuer": "https://id.test"} | parts)
    )


def new_id() -> str:
    """A session id, made by the client as most MCP SDKs do."""
    return f"client-made-{uuid.uuid4()}"


def new_request_id() -> str:
    return str(uuid.uuid4())


def struct(**values: Any) -> Struct:
    message = Struct()
    message.update(values)
    return message


def values(*elements: Any) -> ListValue:
    message = ListValue()
    message.extend(elements)
    return message


def native(message: Struct) -> dict[str, Any]:
    """A Struct as the map that a Python caller works with."""

    def plain(value: Any) -> Any:
        if isinstance(value, Struct):
            return {key: plain(value[key]) for key in value}
        if isinstance(value, ListValue):
            return [plain(element) for element in value]
        return value

    return {key: plain(message[key]) for key in message}


def seconds(number: float) -> Duration:
    message = Duration()
    message.FromNanoseconds(round(number * 1_000_000_000))
    return message


def moment(nanoseconds: int) -> Timestamp:
    message = Timestamp()
    message.FromNanoseconds(nanoseconds)
    return message


def nanos(timestamp: Timestamp) -> int:
    """A time as a number that can be compared exactly."""
    return timestamp.ToNanoseconds()
