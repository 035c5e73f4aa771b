"""Which door answers at which address."""

from django.contrib import admin
from django.urls import include, path

from generations.api import files, health, prometheus

admin.autodiscover()

handler404 = "generations.web.missing.page_not_found"
handler500 = "generations.web.middleware.server_error"

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.healthz),
    path("metrics", prometheus.metrics),
    path("admin/", admin.site.urls),
    path("", include("generations.graphql.urls")),
    path("files/<path:key>", files.file),
    path("", include("generations.api.otlp_urls")),
    path("", include("generations.api.langfuse")),
    path("", include("generations.gateway.urls")),
    path("", include("generations.api.gantry.urls")),
    path("", include("generations.literal.urls")),
    path("", include("generations.web.urls")),
    # Last: below /api/ it answers whatever is left.
    path("", include("generations.api.urls")),
]
