"""The services beside SessionService: health and reflection."""

from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from support.wire import SERVICE

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", ["", SERVICE])
def test_health_says_serving(channel: grpc.Channel, service: str) -> None:
    """grpc.health.v1, for the whole server and for the service."""
    health = health_pb2_grpc.HealthStub(channel)
    assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
    assert next(watch).status == SERVING
    watch.cancel()


def test_health_of_an_unknown_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert raised.value.code() == StatusCode.NOT_FOUND


def reflect(channel: grpc.Channel, version: str, **question: Any) -> Any:
    """The messages of v1 and v1alpha are the same on the wire."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    (answer,) = call(iter([reflection_pb2.ServerReflectionRequest(**question)]))
    return answer


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_services(channel: grpc.Channel, version: str) -> None:
    services = reflect(channel, version, list_services="").list_services_response.service
    assert {SERVICE, "grpc.health.v1.Health"} <= {service.name for service in services}


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_describes_every_rpc(channel: grpc.Channel, version: str) -> None:
    """What a client without the protos can learn: all ten RPCs of the contract."""
    answer = reflect(channel, version, file_containing_symbol=SERVICE)
    files = [
        FileDescriptorProto.FromString(raw) for raw in answer.file_descriptor_response.file_descriptor_proto
    ]
    rpcs = {
        method.name
        for file in files
        for service in file.service
        if f"{file.package}.{service.name}" == SERVICE
        for method in service.method
    }
    assert rpcs >= {
        "CreateSession",
        "GetSession",
        "UpdateSession",
        "TouchSession",
        "RotateSession",
        "DeleteSession",
        "InvalidateSessions",
        "ListSessions",
        "WatchSessions",
        "ClaimOnce",
    }
