"""The Django project: composition only. What it is composed of is in `generations`."""

# Whatever loads the project has the application that `task.delay()` sends through.
from observability.celery import app as celery_app

__all__ = ["celery_app"]
