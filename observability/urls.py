"""Which door answers at which address."""

from django.contrib import admin
from django.urls import include, path

from generations.api import health

# Whoever answers requests also sends tasks: this makes the application that they are sent through.
from observability import celery  # noqa: F401

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.healthz),
    path("admin/", admin.site.urls),
    path("", include("generations.web.urls")),
]
