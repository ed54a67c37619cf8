"""Addresses of the queue, help and password pages."""

from django.urls import path

from workers import views
from workers.team import activity_pages, member_pages, notification_pages, token_pages

app_name = "workers"

urlpatterns = [
    path("datasets/<slug:name>/members/", member_pages.members, name="members"),
    path("datasets/<slug:name>/members/revoke/", member_pages.revoke, name="revoke"),
    path("datasets/<slug:name>/members/role/", member_pages.role, name="role"),
    path(
        "datasets/<slug:name>/members/transfer/",
        member_pages.transfer,
        name="transfer-ownership",
    ),
    path("datasets/<slug:name>/members/remove/", member_pages.remove, name="remove"),
    path(
        "datasets/<slug:name>/members/label-link/",
        member_pages.new_label_link,
        name="new-label-link",
    ),
    path("datasets/<slug:name>/activity/", activity_pages.dataset_activity, name="activity"),
    path("datasets/<slug:name>/webhooks/", notification_pages.webhooks, name="webhooks"),
    path(
        "datasets/<slug:name>/webhooks/remove/",
        notification_pages.webhook_remove,
        name="webhook-remove",
    ),
    path(
        "datasets/<slug:name>/webhooks/try/", notification_pages.webhook_try, name="webhook-try"
    ),
    path(
        "datasets/<slug:name>/webhooks/retry/",
        notification_pages.webhook_retry,
        name="webhook-retry",
    ),
    path("activity/", activity_pages.all_activity, name="all-activity"),
    path("notifications/", notification_pages.notification_list, name="notifications"),
    path("notifications/read/", notification_pages.read, name="notifications-read"),
    path("notifications/email/", notification_pages.email, name="notifications-email"),
    path("account/tokens/", token_pages.tokens, name="tokens"),
    path("account/tokens/revoke/", token_pages.revoke, name="token-revoke"),
    path("label-links/<str:token>/", member_pages.label_link, name="label-link"),
    path("invitations/<str:token>/", member_pages.accept, name="join"),
    path("work/", views.work, name="work"),
    path("help/", views.help_index, name="help"),
    path("help/images/<str:name>", views.help_image, name="help-image"),
    path("help/<slug:slug>/", views.help_page, name="help-page"),
    path("password/", views.password, name="password"),
    path("account/security/", views.security, name="security"),
]
