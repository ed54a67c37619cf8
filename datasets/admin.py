"""The operators' view of datasets; what background work writes is only shown."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from datasets.models import (
    Action,
    ActionGroup,
    Clip,
    Dataset,
    Leftover,
    Member,
    Transfer,
    Upload,
    Video,
)

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):
    pass


class MadeByWorkers(ModelAdmin):
    """Rows that background work makes and changes: looked at, deleted, tried again.

    What is deleted here leaves its files behind; the pages of a dataset remove them too.
    """

    actions = ["try_again"]
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        files = self.get_exclude(request, obj)
        names = [field.name for field in self.model._meta.fields if field.name not in files]
        return [*names, "in_storage"] if files else names

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [one.name for one in self.model._meta.fields if isinstance(one, FileField)]

    @admin.display(description="In storage")
    def in_storage(self, row: Any) -> str:
        """The files of a row by name; no links, for the pages alone serve files."""
        files = (getattr(row, one.name) for one in row._meta.fields)
        return ", ".join(str(file) for file in files if isinstance(file, FieldFile) and file)

    @admin.action(description="Try failed rows again")
    def try_again(self, request: HttpRequest, queryset: Any) -> None:
        count = queryset.retry()
        self.message_user(request, f"{count} rows will be tried again.")


class MemberInline(TabularInline):
    model = Member
    extra = 0
    autocomplete_fields = ["user"]


class ActionGroupInline(TabularInline):
    model = ActionGroup
    extra = 0
    show_change_link = True


@admin.register(Dataset)
class DatasetAdmin(ModelAdmin):
    list_display = [
        "name",
        "detector",
        "threshold",
        "annotation_fps",
        "is_simulated",
        "created_at",
    ]
    list_filter = ["is_simulated", "detector"]
    search_fields = ["name", "description"]
    inlines = [MemberInline, ActionGroupInline]
    readonly_fields = ["created_at"]


@admin.register(Member)
class MemberAdmin(ModelAdmin):
    list_display = ["user", "dataset", "role"]
    list_filter = ["role", "dataset"]
    search_fields = ["user__username", "dataset__name"]
    list_select_related = ["user", "dataset"]
    autocomplete_fields = ["user", "dataset"]


@admin.register(ActionGroup)
class ActionGroupAdmin(ModelAdmin):
    list_display = ["name", "dataset", "position", "choice", "required", "label_type"]
    list_filter = ["dataset", "choice", "label_type"]
    search_fields = ["name", "dataset__name"]
    list_select_related = ["dataset"]
    autocomplete_fields = ["dataset"]


@admin.register(Action)
class ActionAdmin(ModelAdmin):
    """Ids are given once: an action keeps its id and its group."""

    list_display = ["action_id", "name", "group", "dataset"]
    list_filter = ["dataset"]
    search_fields = ["name", "group__name"]
    list_select_related = ["group", "dataset"]
    readonly_fields = ["action_id", "group", "dataset"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Upload)
class UploadAdmin(MadeByWorkers):
    list_display = ["original_name", "dataset", "stage", "size", "created_at", "error"]
    list_filter = ["stage", "dataset"]
    search_fields = ["original_name", "sha256"]
    list_select_related = ["dataset"]


@admin.register(Transfer)
class TransferAdmin(ModelAdmin):
    list_display = ["original_name", "dataset", "user", "size", "touched_at"]
    list_filter = ["dataset"]
    search_fields = ["original_name"]
    list_select_related = ["dataset", "user"]
    readonly_fields = [
        "key",
        "dataset",
        "user",
        "original_name",
        "size",
        "fingerprint",
        "touched_at",
        "upload",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(MadeByWorkers):
    list_display = [
        "name",
        "dataset",
        "stage",
        "progress",
        "width",
        "height",
        "frame_count",
        "error",
    ]
    list_filter = ["stage", "dataset"]
    search_fields = ["name", "original_name", "sha256"]
    list_select_related = ["dataset"]


@admin.register(Clip)
class ClipAdmin(MadeByWorkers):
    list_display = ["name", "video", "index", "frame_count", "stage", "error"]
    list_filter = ["stage", "video__dataset"]
    search_fields = ["name", "video__name"]
    list_select_related = ["video"]


@admin.register(Leftover)
class LeftoverAdmin(ModelAdmin):
    list_display = ["name"]
    search_fields = ["name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
