"""Admin pages of activity, access tokens, notifications and what is sent of them."""

from django.contrib import admin
from django.http import HttpRequest

from datasets.admin import BackgroundWorkAdmin, CountedDeletionAdmin, ReadOnlyAdmin
from datasets.models import (
    AccessToken,
    ActivityRecord,
    Notification,
    NotificationSettings,
    OutgoingMessage,
    OutgoingWebhook,
)


@admin.register(ActivityRecord)
class ActivityRecordAdmin(ReadOnlyAdmin):
    list_display = ["happened_at", "user_name", "verb", "target", "dataset_name"]
    search_fields = ["user_name", "dataset_name", "target"]
    show_full_result_count = False
    fields = ["happened_at", "user_name", "verb", "target", "details", "dataset_name"]


class MadeElsewhereAdmin(CountedDeletionAdmin):
    """Rows that pages make, and that can be deleted here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(AccessToken)
class AccessTokenAdmin(MadeElsewhereAdmin):
    list_display = ["name", "user", "hint", "dataset", "expires_at", "last_used_at"]
    search_fields = ["name", "user__username", "hint"]
    list_select_related = ["user", "dataset"]
    exclude = ["token_sha256"]


@admin.register(Notification)
class NotificationAdmin(MadeElsewhereAdmin):
    list_display = ["created_at", "user", "kind", "text", "read_at"]
    search_fields = ["user__username", "text"]
    list_select_related = ["user"]
    show_full_result_count = False


@admin.register(NotificationSettings)
class NotificationSettingsAdmin(MadeElsewhereAdmin):
    list_display = ["user", "wants_email"]
    search_fields = ["user__username"]
    list_select_related = ["user"]


@admin.register(OutgoingWebhook)
class OutgoingWebhookAdmin(MadeElsewhereAdmin):
    list_display = ["url", "dataset", "created_by", "created_at"]
    search_fields = ["url", "dataset__name"]
    list_select_related = ["dataset", "created_by"]
    exclude = ["encrypted_secret"]


@admin.register(OutgoingMessage)
class OutgoingMessageAdmin(BackgroundWorkAdmin):
    list_display = ["created_at", "dataset", "webhook", "user", "stage", "status", "error"]
    list_filter = ["stage"]
    search_fields = ["dataset__name"]
    list_select_related = ["dataset", "webhook", "user"]
