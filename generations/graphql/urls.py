"""The address of the GraphQL door, with and without the slash at its end: a redirect loses what is sent."""

from __future__ import annotations

from django.urls import path

from generations.graphql.view import endpoint

app_name = "graphql"

urlpatterns = [path("graphql/", endpoint, name="endpoint"), path("graphql", endpoint)]
