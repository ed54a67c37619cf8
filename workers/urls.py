"""Addresses of the queue, help and password pages."""

from django.urls import path

from workers import views

app_name = "workers"

urlpatterns = [
    path("work/", views.work, name="work"),
    path("help/", views.help_index, name="help"),
    path("help/images/<str:name>", views.help_image, name="help-image"),
    path("help/<slug:slug>/", views.help_page, name="help-page"),
    path("password/", views.Password.as_view(), name="password"),
]
