"""Where exporters of OpenTelemetry knock: with and without a slash at the end, for a redirect loses what they send.

Those that were made for other products only change the host: whatever they have before `v1/traces` is passed over, and
some have addresses of their own.
"""

from django.urls import re_path

from generations.api import otlp

_BEFORE = r"^(?:[\w\-.]{1,60}/){0,6}?"

urlpatterns = [
    re_path(_BEFORE + r"v1/traces/?\Z", otlp.traces),
    re_path(_BEFORE + r"v1/logs/?\Z", otlp.log_records),
    re_path(_BEFORE + r"v1/metrics/?\Z", otlp.metrics),
    re_path(r"^api/v2/traces/?\Z", otlp.traces),  # Respan's
    re_path(r"^api/trace/?\Z", otlp.traces),  # Langtrace's
    re_path(r"^i/v0/ai/otel/?\Z", otlp.traces),  # PostHog's
]
