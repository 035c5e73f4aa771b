"""Which door answers at which address."""

from django.contrib import admin
from django.urls import include, path, re_path

from generations.api import files, health, prometheus
from observability import refusing

admin.autodiscover()

handler400 = "observability.refusing.unread"
handler404 = "observability.refusing.no_page"
handler500 = "generations.web.middleware.server_error"

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", prometheus.metrics),
    path("admin/", admin.site.urls),
    path("", include("generations.graphql.urls")),
    path("files/<path:key>", files.file),
    path("", include("generations.api.otlp_urls")),
    path("", include("generations.api.langfuse")),
    path("", include("generations.api.langfuse_media")),
    path("", include("generations.api.logfire")),
    path("", include("generations.gateway.urls")),
    path("", include("generations.api.gantry.urls")),
    path("", include("generations.literal.urls")),
    path("", include("generations.web.urls")),
    path("", include("generations.api.urls")),
    # Whatever is in the address, line breaks too.
    re_path(r"^(?:/*)(?:api|v1|otlp|otel|gateway|openai|graphql)(?:/[\s\S]*)?\Z", refusing.unknown_address),
]
