"""Addresses of the API; bundles are in `tracking/urls.py`."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from workers.api import (
    agreement_and_review,
    datasets,
    imports,
    releases,
    schema,
    tasks,
    uploads,
    videos_and_clips,
)

__all__ = ["app_name", "schema", "urlpatterns"]  # importing it names tokens in the schema

app_name = "api"

DATASET = "datasets/<slug:name>/"
CLIP = f"{DATASET}clips/<slug:clip>/"
TASK = f"{DATASET}tasks/<int:pk>/"

urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("me/", datasets.Me.as_view(), name="me"),
    path("my/tasks/", tasks.MyTasks.as_view(), name="my-tasks"),
    path("datasets/", datasets.Datasets.as_view(), name="datasets"),
    path(DATASET, datasets.DatasetDetail.as_view(), name="dataset"),
    path(f"{DATASET}members/", datasets.Members.as_view(), name="members"),
    path(f"{DATASET}members/<int:pk>/", datasets.MemberDetail.as_view(), name="member"),
    path(f"{DATASET}activity/", datasets.ActivityList.as_view(), name="activity"),
    path(f"{DATASET}uploads/", uploads.Uploads.as_view(), name="uploads"),
    path(f"{DATASET}transfers/", uploads.Transfers.as_view(), name="transfers"),
    path(f"{DATASET}transfers/<uuid:key>/", uploads.TransferDetail.as_view(), name="transfer"),
    path(
        f"{DATASET}transfers/<uuid:key>/parts/",
        uploads.TransferParts.as_view(),
        name="parts",
    ),
    path(f"{DATASET}videos/", videos_and_clips.Videos.as_view(), name="videos"),
    path(
        f"{DATASET}videos/<slug:video>/", videos_and_clips.VideoDetail.as_view(), name="video"
    ),
    path(f"{DATASET}clips/", videos_and_clips.Clips.as_view(), name="clips"),
    path(CLIP, videos_and_clips.ClipDetail.as_view(), name="clip"),
    path(f"{CLIP}video.mp4", videos_and_clips.ClipFile.as_view(), name="clip-file"),
    path(f"{CLIP}tracks/", videos_and_clips.ClipTracks.as_view(), name="tracks"),
    path(f"{CLIP}consensus/", videos_and_clips.ClipConsensus.as_view(), name="consensus"),
    path(
        f"{CLIP}agreement/",
        agreement_and_review.ClipAgreementDetail.as_view(),
        name="clip-agreement",
    ),
    path(f"{DATASET}annotators/", tasks.Annotators.as_view(), name="annotators"),
    path(
        f"{DATASET}annotators/<int:pk>/tasks/",
        tasks.AnnotatorTasks.as_view(),
        name="annotator-tasks",
    ),
    path(f"{DATASET}assignments/", tasks.Assignments.as_view(), name="assignments"),
    path(f"{DATASET}imports/", imports.LabelImports.as_view(), name="imports"),
    path(f"{DATASET}imports/<int:pk>/", imports.LabelImportDetail.as_view(), name="import"),
    path(
        f"{DATASET}imports/<int:pk>/undo/",
        imports.LabelImportUndo.as_view(),
        name="import-undo",
    ),
    path(f"{DATASET}tasks/", tasks.Tasks.as_view(), name="tasks"),
    path(TASK, tasks.TaskDetail.as_view(), name="task"),
    path(f"{TASK}package/", tasks.TaskPackage.as_view(), name="package"),
    path(f"{TASK}answers/", tasks.TaskAnswers.as_view(), name="answers"),
    path(
        f"{TASK}answers/<int:number>/",
        tasks.TaskAnswersVersion.as_view(),
        name="answers-version",
    ),
    path(f"{TASK}comments/", tasks.TaskComments.as_view(), name="comments"),
    path(f"{TASK}draft/", tasks.TaskDraft.as_view(), name="draft"),
    path(f"{TASK}draft/operations/", tasks.TaskOperations.as_view(), name="operations"),
    path(f"{TASK}draft/submit/", tasks.TaskSubmission.as_view(), name="submit"),
    path(f"{DATASET}agreement/", agreement_and_review.Agreement.as_view(), name="agreement"),
    path(
        f"{DATASET}adjudication/",
        agreement_and_review.AdjudicationQueue.as_view(),
        name="adjudication",
    ),
    path(
        f"{DATASET}decisions/<int:pk>/",
        agreement_and_review.DecisionDetail.as_view(),
        name="decision",
    ),
    path(f"{DATASET}reviews/", agreement_and_review.Reviews.as_view(), name="reviews"),
    path(f"{DATASET}releases/", releases.Releases.as_view(), name="releases"),
    path(f"{DATASET}releases/<int:number>/", releases.ReleaseDetail.as_view(), name="release"),
    path(
        f"{DATASET}releases/<int:number>/zip/",
        releases.ReleaseZip.as_view(),
        name="release-zip",
    ),
]
