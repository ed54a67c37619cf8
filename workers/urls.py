"""Addresses of the queue, help and password pages."""

from django.urls import path

from workers import member_views, views

app_name = "workers"

urlpatterns = [
    path("datasets/<slug:name>/members/", member_views.members, name="members"),
    path("datasets/<slug:name>/members/revoke/", member_views.revoke, name="revoke"),
    path("datasets/<slug:name>/members/role/", member_views.role, name="role"),
    path("datasets/<slug:name>/members/remove/", member_views.remove, name="remove"),
    path("invitations/<str:token>/", member_views.accept, name="join"),
    path("work/", views.work, name="work"),
    path("help/", views.help_index, name="help"),
    path("help/images/<str:name>", views.help_image, name="help-image"),
    path("help/<slug:slug>/", views.help_page, name="help-page"),
    path("password/", views.Password.as_view(), name="password"),
]
