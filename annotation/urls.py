from django.urls import path

from annotation import api, cvat_views, server_views, views

app_name = "annotation"

urlpatterns = [
    path("api/cvat/webhooks/<uuid:uuid>/", api.Webhook.as_view(), name="webhook"),
    path("servers/", server_views.servers, name="servers"),
    path("servers/new/", server_views.server_new, name="server_new"),
    path("servers/<slug:name>/", server_views.server, name="server"),
    path("servers/<slug:name>/edit/", server_views.server_edit, name="server_edit"),
    path("servers/<slug:name>/test/", server_views.server_test, name="server_test"),
    path("servers/<slug:name>/delete/", server_views.server_delete, name="server_delete"),
    path("datasets/<slug:name>/cvat/", cvat_views.overview, name="cvat"),
    path("datasets/<slug:name>/cvat/table.csv", cvat_views.table_csv, name="cvat_table"),
    path("datasets/<slug:name>/cvat/connect/", cvat_views.connect, name="cvat_connect"),
    path("datasets/<slug:name>/cvat/send/", cvat_views.send, name="cvat_send"),
    path("datasets/<slug:name>/cvat/hold/", cvat_views.hold, name="cvat_hold"),
    path("datasets/<slug:name>/cvat/look/", cvat_views.look, name="cvat_look"),
    path("datasets/<slug:name>/cvat/mend/<slug:action>/", cvat_views.mend, name="cvat_mend"),
    path("datasets/<slug:name>/cvat/told/", cvat_views.deliveries, name="cvat_deliveries"),
    path("datasets/<slug:name>/cvat/told/replay/", cvat_views.replay, name="cvat_replay"),
    path("datasets/<slug:name>/cvat/members/", cvat_views.members, name="cvat_members"),
    path("datasets/<slug:name>/cvat/members/add/", cvat_views.add_people, name="cvat_add"),
    path(
        "datasets/<slug:name>/cvat/members/invite/",
        cvat_views.invite_person,
        name="cvat_invite",
    ),
    path("datasets/<slug:name>/tasks/new/", views.plan, name="plan"),
    path("datasets/<slug:name>/plan/take-back/", views.plan_take_back, name="take-back"),
    path("datasets/<slug:name>/plan/give-back/", views.plan_give_back, name="give-back"),
    path("datasets/<slug:name>/plan/keys/", views.plan_keys, name="keys"),
    path("datasets/<slug:name>/plan/gold/", views.plan_gold, name="gold"),
    path("datasets/<slug:name>/tasks/<int:pk>/package/", views.package, name="package"),
    path("datasets/<slug:name>/tasks/answers/", views.answers, name="answers"),
    path("datasets/<slug:name>/retry-annotation/<slug:kind>/", views.retry, name="retry"),
]
