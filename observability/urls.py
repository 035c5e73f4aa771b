"""Which door answers at which address."""

from django.contrib import admin
from django.urls import path

from generations.api import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.healthz),
    path("admin/", admin.site.urls),
]
