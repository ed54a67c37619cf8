"""Addresses of annotators, assignment, tasks and CVAT."""

from django.urls import path

from annotation.views import (
    action_changes,
    answers,
    cvat,
    downloads,
    guidelines,
    imports,
    labelling,
    servers,
    tasks,
    webhook,
)

app_name = "annotation"

LABEL = "datasets/<slug:name>/tasks/<int:pk>/label/"

GUIDELINES = "datasets/<slug:name>/guidelines/"

urlpatterns = [
    path(GUIDELINES, guidelines.guidelines, name="guidelines"),
    path(f"{GUIDELINES}text/", guidelines.text, name="guideline-text"),
    path(f"{GUIDELINES}image-<int:pk>.jpg", guidelines.image, name="guideline-image"),
    path(f"{GUIDELINES}images/", guidelines.upload, name="guideline-upload"),
    path(f"{GUIDELINES}images/remove/", guidelines.remove, name="guideline-remove"),
    path(f"{GUIDELINES}actions/<int:pk>/", guidelines.action, name="guideline-action"),
    path(f"{GUIDELINES}actions/<int:pk>/pick/", guidelines.pick, name="guideline-pick"),
    path(
        "datasets/<slug:name>/vocabulary/actions/<int:pk>/",
        action_changes.action_changes,
        name="action-changes",
    ),
    path("api/cvat/webhooks/<uuid:uuid>/", webhook.Webhook.as_view(), name="webhook"),
    path("servers/", servers.servers, name="servers"),
    path("servers/new/", servers.server_new, name="server_new"),
    path("servers/<slug:name>/", servers.server, name="server"),
    path("servers/<slug:name>/edit/", servers.server_edit, name="server_edit"),
    path("servers/<slug:name>/test/", servers.server_test, name="server_test"),
    path("servers/<slug:name>/delete/", servers.server_delete, name="server_delete"),
    path("datasets/<slug:name>/cvat/", cvat.overview, name="cvat"),
    path("datasets/<slug:name>/cvat/boxes.csv", cvat.boxes_csv, name="cvat_boxes"),
    path("datasets/<slug:name>/cvat/connect/", cvat.connect, name="cvat_connect"),
    path("datasets/<slug:name>/cvat/send/", cvat.send, name="cvat_send"),
    path("datasets/<slug:name>/cvat/pause/", cvat.pause, name="cvat_pause"),
    path("datasets/<slug:name>/cvat/sync/", cvat.sync, name="cvat_sync"),
    path("datasets/<slug:name>/cvat/retry/<slug:what>/", cvat.retry, name="cvat_retry"),
    path("datasets/<slug:name>/cvat/adopt/", cvat.adopt_task, name="cvat_adopt"),
    path("datasets/<slug:name>/tasks/<int:pk>/reply/", cvat.reply_to_issue, name="cvat_reply"),
    path("datasets/<slug:name>/cvat/webhooks/", cvat.deliveries, name="cvat_deliveries"),
    path("datasets/<slug:name>/cvat/webhooks/replay/", cvat.replay, name="cvat_replay"),
    path("datasets/<slug:name>/cvat/members/", cvat.members, name="cvat_members"),
    path("datasets/<slug:name>/cvat/members/add/", cvat.add_members, name="cvat_add"),
    path("datasets/<slug:name>/cvat/members/invite/", cvat.invite_member, name="cvat_invite"),
    path("datasets/<slug:name>/imports/", imports.imports, name="imports"),
    path("datasets/<slug:name>/imports/<int:pk>/", imports.label_import, name="import"),
    path("datasets/<slug:name>/imports/<int:pk>/undo/", imports.undo, name="import-undo"),
    path("datasets/<slug:name>/plan/", tasks.plan, name="plan"),
    path("datasets/<slug:name>/plan/unassign/", tasks.plan_unassign, name="unassign"),
    path("datasets/<slug:name>/plan/reassign/", tasks.plan_reassign, name="reassign"),
    path("datasets/<slug:name>/plan/revise/", tasks.plan_revise, name="revise"),
    path("datasets/<slug:name>/plan/qualify/", tasks.plan_qualify, name="qualify"),
    path("datasets/<slug:name>/plan/tool/", tasks.plan_tool, name="tool"),
    path("datasets/<slug:name>/plan/gold-tasks/", tasks.plan_gold_tasks, name="gold_tasks"),
    path("datasets/<slug:name>/plan/gold/", tasks.plan_gold, name="gold"),
    path("datasets/<slug:name>/tasks/<int:pk>/package/", downloads.package, name="package"),
    path("datasets/<slug:name>/tasks/<int:pk>/backup/", downloads.backup, name="backup"),
    path("datasets/<slug:name>/packages/", downloads.all_packages, name="all-packages"),
    path(
        "datasets/<slug:name>/annotators/<int:pk>/packages/",
        downloads.packages,
        name="packages",
    ),
    path("datasets/<slug:name>/annotators/<int:pk>/backup/", downloads.backups, name="backups"),
    path(
        "datasets/<slug:name>/annotators/<int:pk>/task-backups/",
        downloads.task_backups,
        name="task_backups",
    ),
    path("datasets/<slug:name>/tasks/answers/", answers.answers, name="answers"),
    path(
        "datasets/<slug:name>/answers/<int:pk>/accept/", answers.accept_answers, name="accept"
    ),
    path("datasets/<slug:name>/retry-annotation/<slug:kind>/", tasks.retry, name="retry"),
    path(f"{LABEL}open/", labelling.label_open, name="label-open"),
    path(f"{LABEL}operations/", labelling.label_operations, name="label-operations"),
    path(f"{LABEL}discard/", labelling.label_discard, name="label-discard"),
    path(f"{LABEL}discarded/", labelling.label_discarded, name="label-discarded"),
    path(f"{LABEL}submit/", labelling.label_submit, name="label-submit"),
    path(f"{LABEL}reopen/", labelling.label_reopen, name="label-reopen"),
    path(f"{LABEL}clip.mp4", labelling.label_clip, name="label-clip"),
    path(f"{LABEL}poster.jpg", labelling.label_poster, name="label-poster"),
    path(f"{LABEL}frames/<int:number>.jpg", labelling.label_frame, name="label-frame"),
]
