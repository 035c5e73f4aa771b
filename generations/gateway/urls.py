"""Where OpenAI's clients knock: `/v1/...` with our key, or `/gateway/KEY/v1/...` beside the provider's own."""

from django.urls import re_path

from generations.gateway import views

urlpatterns = [
    re_path(r"^gateway/(?P<key>[^/]{1,200})/v1/(?P<path>[\w\-./:@%+]{1,500})\Z", views.forward),
    re_path(r"^v1/(?P<path>[\w\-./:@%+]{1,500})\Z", views.forward),
]
