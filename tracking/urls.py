"""Addresses of tracking: configurations, runs, contact sheets, bundles."""

from django.urls import path

from tracking import api, people, views

app_name = "tracking"

urlpatterns = [
    path("api/datasets/<slug:name>/bundles/", api.Bundles.as_view(), name="api-bundles"),
    path(
        "api/datasets/<slug:name>/bundles/<int:pk>/",
        api.BundleDetail.as_view(),
        name="api-bundle",
    ),
    path(
        "api/datasets/<slug:name>/bundles/<int:pk>/<str:file>",
        api.BundleFile.as_view(),
        name="api-bundle-file",
    ),
    path("detector-files/", views.files, name="files"),
    path("detector-speeds/", views.speeds, name="speeds"),
    path("datasets/<slug:name>/tracking/", views.page, name="page"),
    path("datasets/<slug:name>/tracking/activate/", views.activate, name="activate"),
    path("datasets/<slug:name>/tracking/delete/", views.delete, name="delete"),
    path("datasets/<slug:name>/tracking/weights/", views.read_weights, name="read-weights"),
    path("datasets/<slug:name>/tracking/cancel/", views.cancel, name="cancel"),
    path("datasets/<slug:name>/bundles/create/", views.bundle_request, name="bundle-create"),
    path(
        "datasets/<slug:name>/bundles/<int:pk>/<str:file>",
        views.bundle_file,
        name="bundle-file",
    ),
    path("datasets/<slug:name>/runs/<int:pk>/tracks/", views.tracks, name="tracks"),
    path("datasets/<slug:name>/runs/<int:pk>/", views.run, name="run"),
    path(
        "datasets/<slug:name>/runs/<int:pk>/sheets/<int:track>.jpg", views.sheet, name="sheet"
    ),
    path("datasets/<slug:name>/people/", people.videos, name="people-videos"),
    path("datasets/<slug:name>/people/<slug:video>/", people.people, name="people"),
    path("datasets/<slug:name>/people/<slug:video>/correct/", people.correct, name="correct"),
    path(
        "datasets/<slug:name>/people/<slug:video>/<int:number>/alike/",
        people.alike,
        name="people-alike",
    ),
    path(
        "datasets/<slug:name>/people/<slug:video>/<int:number>.jpg",
        people.crops,
        name="person-crops",
    ),
    path("datasets/<slug:name>/retry-tracking/<slug:kind>/", views.retry, name="retry"),
]
