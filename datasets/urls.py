from django.urls import path

from datasets import api, views

app_name = "datasets"

urlpatterns = [
    path("", views.home, name="home"),
    path("datasets/", views.dataset_list, name="list"),
    path("new-dataset/", views.dataset_new, name="new"),
    path("datasets/<slug:name>/upload/", views.upload, name="upload"),
    path("datasets/<slug:name>/transfers/", api.transfers, name="transfers"),
    path("datasets/<slug:name>/transfers/<uuid:key>/", api.transfer, name="transfer"),
    path("datasets/<slug:name>/transfers/<uuid:key>/parts/", api.parts, name="parts"),
    path("datasets/<slug:name>/videos/", views.video_list, name="videos"),
    path("datasets/<slug:name>/delete/", views.dataset_delete, name="delete"),
    path(
        "datasets/<slug:name>/videos/<slug:video>/delete/",
        views.video_delete,
        name="delete-video",
    ),
    path("datasets/<slug:name>/retry/<slug:kind>/", views.retry, name="retry"),
    path("datasets/<slug:name>/clips/<slug:clip>/video.mp4", views.clip_file, name="clip-file"),
    path("datasets/<slug:name>/clips/<slug:clip>/poster.jpg", views.clip_poster, name="poster"),
    path(
        "datasets/<slug:name>/clips/<slug:clip>/keyframes/<int:second>.jpg",
        views.keyframe,
        name="keyframe",
    ),
]
