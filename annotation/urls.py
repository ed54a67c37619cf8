from django.urls import path

from annotation.views import cvat, servers, tasks, webhook

app_name = "annotation"

urlpatterns = [
    path("api/cvat/webhooks/<uuid:uuid>/", webhook.Webhook.as_view(), name="webhook"),
    path("servers/", servers.servers, name="servers"),
    path("servers/new/", servers.server_new, name="server_new"),
    path("servers/<slug:name>/", servers.server, name="server"),
    path("servers/<slug:name>/edit/", servers.server_edit, name="server_edit"),
    path("servers/<slug:name>/test/", servers.server_test, name="server_test"),
    path("servers/<slug:name>/delete/", servers.server_delete, name="server_delete"),
    path("datasets/<slug:name>/cvat/", cvat.overview, name="cvat"),
    path("datasets/<slug:name>/cvat/table.csv", cvat.table_csv, name="cvat_table"),
    path("datasets/<slug:name>/cvat/connect/", cvat.connect, name="cvat_connect"),
    path("datasets/<slug:name>/cvat/send/", cvat.send, name="cvat_send"),
    path("datasets/<slug:name>/cvat/hold/", cvat.hold, name="cvat_hold"),
    path("datasets/<slug:name>/cvat/look/", cvat.look, name="cvat_look"),
    path("datasets/<slug:name>/cvat/mend/<slug:action>/", cvat.mend, name="cvat_mend"),
    path("datasets/<slug:name>/cvat/told/", cvat.deliveries, name="cvat_deliveries"),
    path("datasets/<slug:name>/cvat/told/replay/", cvat.replay, name="cvat_replay"),
    path("datasets/<slug:name>/cvat/members/", cvat.members, name="cvat_members"),
    path("datasets/<slug:name>/cvat/members/add/", cvat.add_people, name="cvat_add"),
    path(
        "datasets/<slug:name>/cvat/members/invite/",
        cvat.invite_person,
        name="cvat_invite",
    ),
    path("datasets/<slug:name>/tasks/new/", tasks.plan, name="plan"),
    path("datasets/<slug:name>/plan/take-back/", tasks.plan_take_back, name="take-back"),
    path("datasets/<slug:name>/plan/give-back/", tasks.plan_give_back, name="give-back"),
    path("datasets/<slug:name>/plan/keys/", tasks.plan_keys, name="keys"),
    path("datasets/<slug:name>/plan/gold/", tasks.plan_gold, name="gold"),
    path("datasets/<slug:name>/tasks/<int:pk>/package/", tasks.package, name="package"),
    path("datasets/<slug:name>/tasks/answers/", tasks.answers, name="answers"),
    path("datasets/<slug:name>/retry-annotation/<slug:kind>/", tasks.retry, name="retry"),
]
