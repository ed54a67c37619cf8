"""Addresses of the queue, help and password pages."""

from django.urls import path

from workers import views
from workers.team import views as team

app_name = "workers"

urlpatterns = [
    path("datasets/<slug:name>/members/", team.members, name="members"),
    path("datasets/<slug:name>/members/revoke/", team.revoke, name="revoke"),
    path("datasets/<slug:name>/members/role/", team.role, name="role"),
    path("datasets/<slug:name>/members/remove/", team.remove, name="remove"),
    path(
        "datasets/<slug:name>/members/label-link/",
        team.new_label_link,
        name="new-label-link",
    ),
    path("label-links/<str:token>/", team.label_link, name="label-link"),
    path("invitations/<str:token>/", team.accept, name="join"),
    path("work/", views.work, name="work"),
    path("help/", views.help_index, name="help"),
    path("help/images/<str:name>", views.help_image, name="help-image"),
    path("help/<slug:slug>/", views.help_page, name="help-page"),
    path("password/", views.Password.as_view(), name="password"),
]
