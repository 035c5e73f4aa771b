"""The product's application with one address more, for `creates.py`: a call stored as a plain Django view would."""

from __future__ import annotations

import datetime as dt
import json

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from observability.wsgi import application  # first: it sets Django up

# isort: split
from generations import access, identities
from generations.models import Generation, GenerationPayload
from observability import urls

__all__ = ["application"]


@csrf_exempt
def create(request: HttpRequest) -> HttpResponse:
    """Check the key, store facts and text by one `create` each, and answer with the id."""
    grant = access.by_key(request.headers.get("Authorization", "").removeprefix("Bearer "))
    document = json.loads(request.body)
    now = timezone.now()
    key = {
        "project_id": grant.project.pk,
        "uid": identities.uid(grant.project.pk, "generation", document["id"]),
        "started_at": dt.datetime.fromisoformat(document["timestamp"]),
    }
    with transaction.atomic():
        Generation.objects.create(
            **key,
            public_id=document["id"],
            type="chat",
            model_id=document["model"]["id"],
            provider=document["model"]["provider"],
            thread_id=document["threadId"],
            user_id=document["metadata"]["userId"],
            tags=document["metadata"]["tags"],
            prompt_tokens=document["usage"]["promptTokens"],
            completion_tokens=document["usage"]["completionTokens"],
            created_at=now,
            updated_at=now,
        )
        GenerationPayload.objects.create(**key, messages=document["messages"], completion=document["output"]["content"])
    return JsonResponse({"id": document["id"]}, status=201)


urls.urlpatterns.insert(0, path("orm", create))
