from django.urls import path

from qc.views import agreement, review
from qc.views import adjudication
from qc.views import pages as views

app_name = "qc"

urlpatterns = [
    path("datasets/<slug:name>/", views.overview, name="overview"),
    path("datasets/<slug:name>/clips/", views.clips, name="clips"),
    path("datasets/<slug:name>/clips/<slug:clip>/", views.clip, name="clip"),
    path("datasets/<slug:name>/clips/<slug:clip>/scene.json", views.clip_scene, name="scene"),
    path("datasets/<slug:name>/tasks/", views.tasks, name="tasks"),
    path("datasets/<slug:name>/agreement/", agreement.agreement, name="agreement"),
    path("datasets/<slug:name>/agreement/period/", agreement.period, name="period"),
    path(
        "datasets/<slug:name>/agreement/groups/<slug:group>/",
        agreement.group,
        name="agreement-group",
    ),
    path(
        "datasets/<slug:name>/agreement/pairs/<str:a>/<str:b>/",
        agreement.pair,
        name="agreement-pair",
    ),
    path(
        "datasets/<slug:name>/agreement/annotators/<str:annotator>/",
        agreement.annotator,
        name="agreement-annotator",
    ),
    path(
        "datasets/<slug:name>/agreement/clips/<slug:clip>/",
        agreement.clip,
        name="agreement-clip",
    ),
    path("datasets/<slug:name>/rules/", agreement.rules, name="rules"),
    path("datasets/<slug:name>/rules/change/", agreement.rules_change, name="rules-change"),
    path("datasets/<slug:name>/proposals/", views.proposals, name="proposals"),
    path("datasets/<slug:name>/gold/", agreement.gold, name="gold"),
    path("datasets/<slug:name>/review/", review.queue, name="review"),
    path("datasets/<slug:name>/review/verdict/", review.verdict, name="verdict"),
    path("datasets/<slug:name>/review/threshold/", review.threshold, name="threshold"),
    path("datasets/<slug:name>/tasks/<int:pk>/", review.task, name="task"),
    path("datasets/<slug:name>/tasks/<int:pk>/comment/", review.remark, name="comment"),
    path("datasets/<slug:name>/questions/opinions/", review.opinions, name="opinions"),
    path("datasets/<slug:name>/questions/", adjudication.queue, name="questions"),
    path("datasets/<slug:name>/questions/next/", adjudication.following, name="following"),
    path("datasets/<slug:name>/questions/decide/", adjudication.decide, name="decide"),
    path("datasets/<slug:name>/questions/undo/", adjudication.undo, name="undo"),
    path("datasets/<slug:name>/questions/decisions/", adjudication.decisions, name="decisions"),
    path("datasets/<slug:name>/releases/", views.releases, name="releases"),
    path("datasets/<slug:name>/releases/new/", views.release_new, name="release-new"),
    path("datasets/<slug:name>/releases/order/", views.release_order, name="release-order"),
    path(
        "datasets/<slug:name>/releases/<int:number>/download/",
        views.release_download,
        name="release-download",
    ),
    path(
        "datasets/<slug:name>/releases/<int:number>/card/",
        views.release_card,
        name="release-card",
    ),
    path(
        "datasets/<slug:name>/releases/<int:number>/sync/",
        views.release_sync,
        name="release-sync",
    ),
    path(
        "datasets/<slug:name>/releases/<int:number>/withdraw/",
        views.release_withdraw,
        name="release-withdraw",
    ),
    path("datasets/<slug:name>/retry-quality/<slug:kind>/", views.retry, name="retry"),
]
