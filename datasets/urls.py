"""URLs of datasets, uploads, videos and clip files."""

from django.urls import path

from datasets.views import pages, recordings, tus, vocabulary

app_name = "datasets"

urlpatterns = [
    path("", pages.home, name="home"),
    path("datasets/", pages.dataset_list, name="list"),
    path("new-dataset/", pages.dataset_new, name="new"),
    path("datasets/<slug:name>/upload/", pages.upload, name="upload"),
    path("datasets/<slug:name>/transfers/", tus.transfers, name="transfers"),
    path("datasets/<slug:name>/transfers/<uuid:key>/", tus.transfer, name="transfer"),
    path("datasets/<slug:name>/transfers/<uuid:key>/parts/", tus.parts, name="parts"),
    path("datasets/<slug:name>/vocabulary/", vocabulary.vocabulary, name="vocabulary"),
    path("datasets/<slug:name>/videos/", pages.video_list, name="videos"),
    path("datasets/<slug:name>/recordings/", recordings.recordings, name="recordings"),
    path("datasets/<slug:name>/settings/", pages.dataset_settings, name="settings"),
    path("datasets/<slug:name>/delete/", pages.dataset_delete, name="delete"),
    path(
        "datasets/<slug:name>/videos/<slug:video>/delete/",
        pages.video_delete,
        name="delete-video",
    ),
    path("datasets/<slug:name>/retry/<slug:kind>/", pages.retry, name="retry"),
    path("datasets/<slug:name>/clips/<slug:clip>/video.mp4", pages.clip_file, name="clip-file"),
    path("datasets/<slug:name>/clips/<slug:clip>/poster.jpg", pages.clip_poster, name="poster"),
    path(
        "datasets/<slug:name>/clips/<slug:clip>/keyframes/<int:second>.jpg",
        pages.keyframe,
        name="keyframe",
    ),
]
