"""Where Literal AI's clients knock. The TypeScript client writes `//api/...` when its address ends in a slash."""

from django.urls import path, re_path

from generations.literal import links, views

urlpatterns = [
    re_path(r"^(?:/*)api/graphql/?$", views.graphql),
    re_path(r"^(?:/*)api/my-project/?$", views.my_project),
    re_path(r"^(?:/*)api/export/dataset/?$", views.export_dataset),
    re_path(r"^(?:/*)api/upload/file/?$", views.sign_upload),
    re_path(r"^(?:/*)api/upload/(?P<token>[\w.:=\-]+)$", views.upload, name="upload"),
    path("projects/<int:project>/logs/threads/<str:id>", links.thread),
    path("projects/<int:project>/playground", links.playground),
]
