"""What travels beside a request: trace context and a correlation id."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

correlation_id: ContextVar[str] = ContextVar("tenure_correlation_id", default="")
"""If set, calls carry it, and it is in every log line that the service writes about them."""

Carrier = list[tuple[str, str]]


def _find_tracer() -> Callable[[Carrier], None]:
    try:
        from opentelemetry.trace import INVALID_SPAN, get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return lambda _carrier: None
    propagator = TraceContextTextMapPropagator()

    def inject(carrier: Carrier) -> None:
        if get_current_span() is INVALID_SPAN:
            return
        headers: dict[str, str] = {}
        propagator.inject(headers)
        carrier.extend(headers.items())

    return inject


inject_trace = _find_tracer()
"""Adds the W3C `traceparent` of the current span, if the OpenTelemetry API is installed and there is one."""
