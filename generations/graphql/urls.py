"""The address of the GraphQL door."""

from __future__ import annotations

from django.urls import path

from generations.graphql.view import endpoint

app_name = "graphql"

urlpatterns = [path("", endpoint, name="endpoint")]
