"""Admin pages of datasets; fields written by background work are read-only."""

from collections import Counter
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group, User
from django.db import DEFAULT_DB_ALIAS
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from datasets.models import (
    Action,
    ActionGroup,
    BundleImport,
    Clip,
    Dataset,
    Fingerprint,
    Invitation,
    Member,
    PendingDeletion,
    SharedFootage,
    Transfer,
    Upload,
    Video,
    VideoName,
)

admin.site.unregister(User)
admin.site.unregister(Group)


class CountedDeletionAdmin(ModelAdmin):
    """The confirmation page counts dependent rows instead of listing thousands of them."""

    list_per_page = 25

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        collector: Any = NestedObjects(using=DEFAULT_DB_ALIAS, origin=objs)
        collector.collect(objs)
        counts = {
            str(model._meta.verbose_name_plural): len(rows)
            for model, rows in collector.model_objs.items()
        }
        site = self.admin_site
        forbidden = {
            str(model._meta.verbose_name)
            for model in collector.model_objs
            if site.is_registered(model)
            and not site.get_model_admin(model).has_delete_permission(request)
        }
        kept = Counter(str(row._meta.verbose_name_plural) for row in collector.protected)
        protected = [f"{count} {name}" for name, count in sorted(kept.items())]
        return [str(row) for row in objs], counts, forbidden, protected


@admin.register(User)
class UserAdmin(CountedDeletionAdmin, BaseUserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(CountedDeletionAdmin, BaseGroupAdmin):
    pass


class KeyPaginator(InfinitePaginator):
    """Counts nothing, and skips keys alone: rows of boxes have joins, and are millions."""

    def page(self, number: Any) -> Any:
        number = self.validate_number(number)
        start = (number - 1) * self.per_page
        keys = self.object_list.values("pk")[start : start + self.per_page]
        return self._get_page(self.object_list.filter(pk__in=keys), number, self)


class BackgroundWorkAdmin(CountedDeletionAdmin):
    """Rows written by background work: they can be viewed, deleted and retried.

    Rows with stored files can only be deleted with their video or dataset.
    """

    actions = ["retry_failed"]
    hidden_fields: tuple[str, ...] = ()  # too long for a page, or secret
    show_full_result_count = False
    paginator = KeyPaginator
    ordering = ["-pk"]  # that of the models joins other tables

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer(*self.hidden_fields)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        has_files = self._files() or hasattr(self.model, "other_files")
        return not has_files and super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        hidden = self.get_exclude(request, obj)
        names = [field.name for field in self.model._meta.fields if field.name not in hidden]
        return [*names, "in_storage"] if self._files() else names

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self._files(), *self.hidden_fields]

    def _files(self) -> list[str]:
        return [one.name for one in self.model._meta.fields if isinstance(one, FileField)]

    @admin.display(description="In storage")
    def in_storage(self, row: Any) -> str:
        """The stored files by name; no links, because only the pages serve files."""
        files = (getattr(row, one.name) for one in row._meta.fields)
        return ", ".join(str(file) for file in files if isinstance(file, FieldFile) and file)

    @admin.action(description="Retry failed rows")
    def retry_failed(self, request: HttpRequest, queryset: Any) -> None:
        count = queryset.retry()
        self.message_user(request, f"{count} rows will be retried.")


class PermanentRowAdmin(BackgroundWorkAdmin):
    """Rows that are neither retried nor deleted here: they go with their video or dataset."""

    actions: list[str] = []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ModelAdmin):
    """Rows that are shown, and neither added, changed nor deleted here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BoxAdmin(BackgroundWorkAdmin):
    """Rows of single boxes, found by the name of their clip: nothing else is fast enough."""

    actions: list[str] = []
    clip_of: str  # lookup of the clip
    search_help_text = "the name of a clip"

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [f"{self.clip_of}__name"]

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        if term := search_term.strip():
            queryset = queryset.filter(**{f"{self.clip_of}__name": term})
        return queryset, False


class OwnPageDeletionAdmin(ModelAdmin):
    """Rows with many dependents: deleted on a page that lists what else is deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def deletion_page(self, row: Any) -> str:
        """URL of the confirmation page."""
        raise NotImplementedError

    @admin.display(description="Delete")
    def to_delete(self, row: Any) -> SafeString:
        return format_html(
            'Open <a class="text-primary-600 underline" href="{}">the page that shows what '
            "else will be deleted</a>. Its files are removed too.",
            self.deletion_page(row),
        )


class MemberInline(TabularInline):
    model = Member
    extra = 0
    autocomplete_fields = ["user"]


class ActionGroupInline(TabularInline):
    model = ActionGroup
    extra = 0
    show_change_link = True


@admin.register(Dataset)
class DatasetAdmin(OwnPageDeletionAdmin):
    """Settings that its videos and files depend on can't be changed later."""

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
    readonly_fields = ["created_at", "to_delete"]
    fixed_with_videos = ["longest_side", "clip_seconds", "annotation_fps"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["created_at"]
        fixed = ["name", *(self.fixed_with_videos if obj.videos.exists() else ())]
        return [*fixed, *self.readonly_fields]

    def deletion_page(self, row: Dataset) -> str:
        return reverse("datasets:delete", args=[row.name])


@admin.register(Member)
class MemberAdmin(CountedDeletionAdmin):
    list_display = ["user", "dataset", "role"]
    list_filter = ["role", "dataset"]
    search_fields = ["user__username", "dataset__name"]
    list_select_related = ["user", "dataset"]
    autocomplete_fields = ["user", "dataset"]


@admin.register(ActionGroup)
class ActionGroupAdmin(CountedDeletionAdmin):
    list_display = ["name", "dataset", "position", "choice", "required", "label_type"]
    list_filter = ["dataset", "choice", "label_type"]
    search_fields = ["name", "dataset__name"]
    list_select_related = ["dataset"]
    autocomplete_fields = ["dataset"]


@admin.register(Action)
class ActionAdmin(ModelAdmin):
    """An action keeps its id and its group forever."""

    list_display = ["action_id", "name", "group", "dataset"]
    list_filter = ["dataset"]
    search_fields = ["name", "group__name"]
    list_select_related = ["group", "dataset"]
    readonly_fields = ["action_id", "group", "dataset"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Upload)
class UploadAdmin(BackgroundWorkAdmin):
    list_display = ["original_name", "dataset", "stage", "size", "created_at", "error"]
    list_filter = ["stage", "dataset"]
    search_fields = ["original_name", "sha256"]
    list_select_related = ["dataset"]


@admin.register(BundleImport)
class BundleImportAdmin(BackgroundWorkAdmin):
    list_display = ["upload", "stage", "progress", "clip_count", "error"]
    list_filter = ["stage", "upload__dataset"]
    search_fields = ["upload__original_name", "upload__dataset__name"]
    list_select_related = ["upload"]


@admin.register(Transfer)
class TransferAdmin(ModelAdmin):
    """Discarded by its user on the upload page, or automatically after a week."""

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

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(OwnPageDeletionAdmin, BackgroundWorkAdmin):
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

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "to_delete"]

    def deletion_page(self, row: Video) -> str:
        return reverse("datasets:delete-video", args=[row.dataset.name, row.name])


@admin.register(Clip)
class ClipAdmin(OwnPageDeletionAdmin, BackgroundWorkAdmin):
    """A clip can only be deleted with its video: its name is never reused."""

    list_display = ["name", "video", "index", "frame_count", "stage", "error"]
    list_filter = ["stage", "video__dataset"]
    search_fields = ["name", "video__name"]
    list_select_related = ["video"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*super().get_readonly_fields(request, obj), "to_delete"]

    def deletion_page(self, row: Clip) -> str:
        return reverse("datasets:delete-video", args=[row.video.dataset.name, row.video.name])


@admin.register(VideoName)
class VideoNameAdmin(ReadOnlyAdmin):
    """A name stays reserved until its dataset is deleted."""

    list_display = ["name", "dataset"]
    list_filter = ["dataset"]
    search_fields = ["name"]
    list_select_related = ["dataset"]


@admin.register(Fingerprint)
class FingerprintAdmin(ReadOnlyAdmin):
    list_display = ["video", "stage"]
    list_filter = ["stage"]
    search_fields = ["video__name"]
    list_select_related = ["video"]


@admin.register(SharedFootage)
class SharedFootageAdmin(ReadOnlyAdmin):
    list_display = ["video", "other", "kind", "seconds"]
    list_filter = ["kind"]
    search_fields = ["video__name", "other__name"]
    list_select_related = ["video", "other"]


@admin.register(PendingDeletion)
class PendingDeletionAdmin(ModelAdmin):
    list_display = ["name"]
    search_fields = ["name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Invitation)
class InvitationAdmin(CountedDeletionAdmin):
    """Made on the page of members, which shows the link once; revoked there or deleted here."""

    list_display = ["dataset", "role", "created_by", "uses", "max_uses", "expires_at"]
    list_filter = ["role"]
    search_fields = ["dataset__name", "email"]
    list_select_related = ["dataset", "created_by"]
    exclude = ["token_sha256"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
