"""Tells Django about the app."""

from django.apps import AppConfig


class GenerationsConfig(AppConfig):
    """The one app of the project."""

    name = "generations"
    verbose_name = "Generations"
    default_auto_field = "django.db.models.BigAutoField"
