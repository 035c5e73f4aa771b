"""Which door answers at which address."""

from django.contrib import admin
from django.urls import include, path

from generations.api import files, health

# Whoever answers requests also sends tasks: this makes the application that they are sent through.
from observability import celery  # noqa: F401

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.healthz),
    path("admin/", admin.site.urls),
    path("graphql/", include("generations.graphql.urls")),
    path("files/<path:key>", files.file),
    path("", include("generations.literal.urls")),
    path("", include("generations.web.urls")),
    # Last: below /api/ it answers whatever is left.
    path("", include("generations.api.urls")),
]
