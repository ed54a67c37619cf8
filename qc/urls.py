"""URLs of the pages of quality control, and of pages that span apps."""

from django.urls import path

from qc.views import (
    adjudication,
    agreement,
    clips,
    datasheet,
    label_page,
    my_tasks,
    overview,
    quality_rules,
    release,
    review,
    saved_views,
    tasks,
    third_opinions,
)

app_name = "qc"

DATASET = "datasets/<slug:name>/"
AGREEMENT = f"{DATASET}agreement/"
ADJUDICATION = f"{DATASET}adjudication/"
RELEASE = f"{DATASET}releases/<int:number>/"

urlpatterns = [
    path("my/", my_tasks.my_tasks, name="my"),
    path(DATASET, overview.overview, name="overview"),
    path(f"{DATASET}retry-quality/<slug:kind>/", overview.retry, name="retry"),
    path(f"{DATASET}cost/", overview.cost, name="cost"),
    path(f"{DATASET}clips/", clips.clips, name="clips"),
    path(f"{DATASET}clips/<slug:clip>/", clips.clip, name="clip"),
    path(f"{DATASET}clips/<slug:clip>/scene.json", clips.clip_scene, name="scene"),
    path(f"{DATASET}views/", saved_views.save_view, name="view-save"),
    path(f"{DATASET}views/<int:pk>/remove/", saved_views.remove_view, name="view-remove"),
    path(f"{DATASET}tasks/", tasks.tasks, name="tasks"),
    path(f"{DATASET}tasks/<int:pk>/", tasks.task, name="task"),
    path(f"{DATASET}tasks/<int:pk>/comment/", tasks.task_comment, name="task-comment"),
    path(f"{DATASET}tasks/<int:pk>/label/", label_page.label, name="label"),
    path(f"{DATASET}tasks/<int:pk>/label/task.json", label_page.label_task, name="label-task"),
    path(AGREEMENT, agreement.agreement, name="agreement"),
    path(f"{AGREEMENT}period/", agreement.period, name="agreement-period"),
    path(f"{AGREEMENT}groups/<slug:group>/", agreement.group, name="agreement-group"),
    path(f"{AGREEMENT}pairs/<str:a>/<str:b>/", agreement.pair, name="agreement-pair"),
    path(
        f"{AGREEMENT}annotators/<str:annotator>/",
        agreement.annotator,
        name="agreement-annotator",
    ),
    path(f"{AGREEMENT}clips/<slug:clip>/", agreement.clip, name="agreement-clip"),
    path(f"{DATASET}proposals/", agreement.proposals, name="proposals"),
    path(f"{DATASET}gold/", agreement.gold, name="gold"),
    path(f"{DATASET}quality-rules/", quality_rules.quality_rules, name="quality-rules"),
    path(f"{DATASET}quality-rules/save/", quality_rules.save, name="quality-rules-save"),
    path(f"{DATASET}review/", review.queue, name="review"),
    path(f"{DATASET}review/verdict/", review.verdict, name="verdict"),
    path(f"{DATASET}review/by-threshold/", review.by_threshold, name="approve-by-threshold"),
    path(ADJUDICATION, adjudication.queue, name="adjudication"),
    path(f"{ADJUDICATION}next/", adjudication.next_items, name="adjudication-next"),
    path(f"{ADJUDICATION}decide/", adjudication.decide, name="adjudicate"),
    path(f"{ADJUDICATION}entries/", adjudication.entries, name="adjudication-entries"),
    path(f"{ADJUDICATION}undo/", adjudication.undo, name="undo-decisions"),
    path(f"{ADJUDICATION}decisions/", adjudication.decisions, name="decisions"),
    path(
        f"{ADJUDICATION}third-opinions/", third_opinions.third_opinions, name="third-opinions"
    ),
    path(f"{DATASET}releases/", release.releases, name="releases"),
    path(f"{DATASET}releases/new/", release.release_new, name="release-new"),
    path(f"{DATASET}releases/create/", release.release_create, name="release-create"),
    path(f"{DATASET}releases/take-out/", datasheet.take_out, name="release-take-out"),
    path(f"{DATASET}datasheet/", datasheet.datasheet, name="datasheet"),
    path(f"{DATASET}datasheet/save/", datasheet.save, name="datasheet-save"),
    path(f"{RELEASE}download/", release.release_download, name="release-download"),
    path(f"{RELEASE}card/", release.release_card, name="release-card"),
    path(f"{RELEASE}sync/", release.release_sync, name="release-sync"),
    path(f"{RELEASE}delete-files/", release.delete_files, name="release-delete-files"),
]
