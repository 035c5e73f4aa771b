"""The Celery application: `celery -A observability worker` and `beat` start from here."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "observability.settings")

app = Celery("generations")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
