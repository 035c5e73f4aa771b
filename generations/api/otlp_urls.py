"""Where exporters of OpenTelemetry knock: with and without a slash at the end, for a redirect loses what they send."""

from django.urls import re_path

from generations.api import otlp

_BASE = r"^(?:api/public/otel/|api/otel/|api/otlp/|otlp/|otel/|opentelemetry/)?(?:v1/traces/|v1/logs/)?"

urlpatterns = [
    re_path(_BASE + r"v1/traces/?\Z", otlp.traces),
    re_path(r"^api/v2/traces/?\Z", otlp.traces),  # Respan's
    re_path(_BASE + r"v1/logs/?\Z", otlp.log_records),
    re_path(_BASE + r"v1/metrics/?\Z", otlp.metrics),
]
