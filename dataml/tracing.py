"""Traces by OpenTelemetry, for installations with `DATAML_OTLP_ENDPOINT`.

Without it nothing of OpenTelemetry is imported, and a span is a call that returns at once.
"""

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from dataml.errors import StartupError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

Attributes = Mapping[str, str | int | float | bool]
_HEADER: Final = "traceparent"
_NO_SPAN: Final = nullcontext()
_tracer: "Tracer | None" = None


def start(endpoint: str | None, process: str) -> None:
    """Send the spans of this process to a collector, by OTLP over HTTP; do nothing without an endpoint.

    Sampling, headers and the name of the service are those of OpenTelemetry's own variables (`OTEL_*`).

    Raises:
        StartupError: the packages of the extra `otel` are not installed.
    """
    if endpoint is None or _tracer is not None:
        return
    try:
        exporter = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise StartupError("DATAML_OTLP_ENDPOINT needs more packages: pip install 'dataml[server,otel]'") from error
    named = Resource.create({"service.name": "dataml", "dataml.process": process})
    provider = TracerProvider(resource=named.merge(OTELResourceDetector().detect()))
    url = f"{endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(exporter.OTLPSpanExporter(endpoint=url)))
    use(provider)


def use(provider: "TracerProvider | None") -> None:
    """Make spans by this provider from now on; by none with None."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("dataml")


def is_on() -> bool:
    """Return whether spans are made."""
    return _tracer is not None


def span(name: str, attributes: Attributes | None = None) -> "AbstractContextManager[Span | None]":
    """Return a context within which a span is the current one, a child of the one before; None when spans are off."""
    if _tracer is None:
        return _NO_SPAN
    return _tracer.start_as_current_span(name, attributes=attributes)


def span_within(
    traceparent: str | None, name: str, attributes: Attributes | None = None, *, is_request: bool = False
) -> "AbstractContextManager[Span | None]":
    """Return as `span`, a child of the span of another process, or of none; `is_request` for one that a caller sent."""
    if _tracer is None:
        return _NO_SPAN
    from opentelemetry.trace import SpanKind

    kind = SpanKind.SERVER if is_request else SpanKind.INTERNAL
    return _tracer.start_as_current_span(name, _context_of(traceparent), kind, attributes)


def record_span(traceparent: str | None, name: str, began_ns: int, ended_ns: int, attributes: Attributes) -> None:
    """Record a span that has ended, a child of the span of another process; times are since 1970."""
    if _tracer is not None and traceparent is not None:
        span = _tracer.start_span(name, _context_of(traceparent), attributes=attributes, start_time=began_ns)
        span.end(ended_ns)


def current_traceparent() -> str | None:
    """Return the current span, as another process takes it for the parent of its own; None without one."""
    if _tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, Any] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_HEADER)


def _context_of(traceparent: str | None) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # What is not well formed is no parent.
    return TraceContextTextMapPropagator().extract({_HEADER: traceparent} if traceparent else {}, Context())
