"""Where OpenAI's clients knock: `/v1/...` with our key, or `/gateway/KEY/v1/...` beside the provider's own; and those
that were written for Azure, which name the model in the address."""

from django.urls import re_path

from generations.gateway import views

urlpatterns = [
    re_path(r"^gateway/(?P<key>[^/]{1,200})/v1/(?P<path>[\w\-./:@%+]{1,500})\Z", views.forward),
    re_path(
        r"^(?:gateway/(?P<key>[^/]{1,200})/)?openai/deployments/(?P<deployment>[^/]{1,200})/(?P<path>[\w\-./]{1,200})\Z",
        views.forward,
    ),
    re_path(r"^v1/(?P<path>[\w\-./:@%+]{1,500})\Z", views.forward),
]
