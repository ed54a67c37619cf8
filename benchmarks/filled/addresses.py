"""All pages of the installation, with addresses that fit the first dataset of the database."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils.http import urlencode

# Views that take only POST, send files, or ask another server.
NOT_PAGES = {
    "annotation": "add_annotators all-packages backup backups cvat_adopt cvat_boxes "
    "cvat_add cvat_invite cvat_pause cvat_replay cvat_reply cvat_retry cvat_send "
    "cvat_sync import-undo unassign reassign gold gold_tasks answers accept package packages "
    "retry "
    "server_delete server_test task_backups webhook guideline-image guideline-remove "
    "guideline-upload qualify label-clip label-discard label-discarded "
    "label-frame label-open label-operations label-poster label-reopen label-submit revise "
    "tool",
    "datasets": "home clip-file keyframe parts poster retry transfer transfers",
    "qc": "adjudicate adjudication-entries agreement-period quality-rules-save release-card "
    "datasheet-save release-create release-delete-files release-download release-sync "
    "release-take-out retry task-comment "
    "undo-decisions verdict view-remove view-save "
    "label label-task",  # of the annotator alone
    "tracking": "activate api-bundle-file bundle-create bundle-file cancel correct delete "
    "person-crops read-weights retry sheet tracks",
    "workers": "help-image join label-link new-label-link remove revoke role "
    "transfer-ownership notifications-read notifications-email token-revoke "
    "webhook-remove webhook-retry webhook-try",
    "api": "annotator-tasks answers-version assignments clip-file comments decision draft "
    "import-undo member operations package parts release release-zip submit transfer transfers",
    "": "javascript-catalog logout account_login "
    "account_logout account_signup account_inactive "
    "account_reauthenticate account_request_reauthentication_code "
    "account_confirm_reauthentication_code account_email account_email_verification_sent "
    "account_change_password account_set_password account_reset_password "
    "account_confirm_login_code account_confirm_email account_reset_password_done "
    "account_reset_password_from_key account_reset_password_from_key_done mfa_index "
    "mfa_authenticate mfa_reauthenticate mfa_activate_totp mfa_deactivate_totp "
    "mfa_view_recovery_codes mfa_generate_recovery_codes mfa_download_recovery_codes "
    "mfa_list_webauthn mfa_add_webauthn mfa_reauthenticate_webauthn mfa_remove_webauthn "
    "mfa_edit_webauthn mfa_login_webauthn socialaccount_login_cancelled "
    "socialaccount_login_error socialaccount_signup socialaccount_connections "
    "openid_connect_login openid_connect_callback usersessions_list",  # of one's account
}  # fmt: skip


API_LISTS: list[tuple[str, tuple[Any, ...], dict[str, str]]] = [
    (f"api:{name}", (), {"limit": "25"})
    for name in (
        "members",
        "activity",
        "uploads",
        "videos",
        "clips",
        "annotators",
        "imports",
        "tasks",
        "reviews",
        "releases",
    )
] + [("api:dataset", (), {}), ("api:agreement", (), {}), ("api:adjudication", (), {})]


class PageAddress(NamedTuple):
    """One page to open, as an operator or as a member of the dataset."""

    title: str
    url: str
    is_for_operators: bool = False


def page_addresses() -> list[PageAddress]:
    """Every page of the first dataset, and every list of the admin."""
    return [*_of_dataset(), *_of_admin()]


def unlisted_views() -> set[str]:
    """Views that neither have an address here nor are named as no page."""
    listed = {one.title.split(",")[0] for one in page_addresses()}
    named = {
        f"{app}:{name}".lstrip(":")
        for app, names in NOT_PAGES.items()
        for name in names.split()
    }
    return set(_view_names(get_resolver())) - listed - named


def _of_dataset() -> Iterator[PageAddress]:
    from annotation.models import AnnotationTask, CvatServer, LabelImport
    from datasets.models import Clip, Dataset
    from qc.models import AgreementReport
    from tracking.models import Bundle, TrackingRun

    dataset = Dataset.objects.order_by("pk")[0]
    report = AgreementReport.objects.of(dataset).order_by("pk")[0]
    clip = Clip.objects.get(pk=report.clip_id)
    pair = list(clip.tasks.order_by("annotator").values_list("annotator__name", flat=True)[:2])
    task = AnnotationTask.objects.filter(clip=clip).order_by("pk")[0]
    run = TrackingRun.objects.filter(clip=clip).order_by("pk")[0]
    server = CvatServer.objects.order_by("pk")[0]
    bundle = Bundle.objects.filter(dataset=dataset).order_by("pk")[0]
    group = dataset.groups.order_by("position")[0]
    action = group.actions.order_by("pk")[0]
    label_import = LabelImport.objects.of(dataset).order_by("pk")[0]
    last = "999999"  # the nearest page
    of_dataset: list[tuple[str, tuple[Any, ...], dict[str, str]]] = [
        ("qc:overview", (), {}),
        ("qc:clips", (), {}), ("qc:clips", (), {"page": last}),
        ("qc:clips", (), {"state": "review"}), ("qc:clips", (), {"q": "v1"}),
        ("qc:clip", (clip.name,), {}), ("qc:scene", (clip.name,), {}),
        ("qc:tasks", (), {}), ("qc:tasks", (), {"page": last}),
        ("qc:tasks", (), {"state": "review"}), ("qc:tasks", (), {"annotator": pair[0]}),
        ("qc:clips", (), {"sort": "-agreement", "open": "yes", "view": "grid"}),
        ("qc:tasks", (), {"q": "v1", "findings": "yes", "sort": "-changed"}),
        ("qc:task", (task.pk,), {}),
        ("qc:agreement", (), {}), ("qc:agreement", (), {"csv": "clips"}),
        ("qc:agreement-group", (group.name,), {}), ("qc:agreement-pair", tuple(pair), {}),
        ("qc:agreement-annotator", (pair[0],), {}), ("qc:agreement-clip", (clip.name,), {}),
        ("qc:proposals", (), {}), ("qc:gold", (), {}), ("qc:quality-rules", (), {}),
        ("qc:datasheet", (), {}),
        ("qc:review", (), {}), ("qc:review", (), {"page": last}),
        ("qc:approve-by-threshold", (), {"alpha": "0.8", "f1": "0.8"}),
        ("qc:adjudication", (), {}), ("qc:adjudication", (), {"kind": "boxes"}),
        ("qc:adjudication-next", (), {}), ("qc:decisions", (), {}),
        ("qc:decisions", (), {"page": last}), ("qc:third-opinions", (), {}),
        ("qc:cost", (), {}), ("qc:releases", (), {}), ("qc:release-new", (), {}),
        ("datasets:upload", (), {}), ("datasets:settings", (), {}), ("datasets:videos", (), {}),
        ("datasets:videos", (), {"page": last}), ("datasets:delete", (), {}),
        ("datasets:delete-video", (clip.video.name,), {}),
        ("tracking:page", (), {}), ("tracking:run", (run.pk,), {}),
        ("tracking:people-videos", (), {}), ("tracking:people", (clip.video.name,), {}),
        ("tracking:people-alike", (clip.video.name, 1), {}),
        ("tracking:api-bundles", (), {}), ("tracking:api-bundle", (bundle.pk,), {}),
        ("annotation:cvat", (), {}), ("annotation:cvat", (), {"page": last}),
        ("annotation:cvat_connect", (), {}), ("annotation:cvat_deliveries", (), {}),
        ("annotation:cvat_deliveries", (), {"page": last}), ("annotation:cvat_members", (), {}),
        ("annotation:guidelines", (), {}), ("annotation:guideline-text", (), {}),
        ("annotation:guideline-action", (action.pk,), {}),
        ("annotation:guideline-pick", (action.pk,), {"clip": clip.name}),
        ("datasets:vocabulary", (), {}), ("datasets:recordings", (), {}),
         ("annotation:action-changes", (action.pk,), {}),
        *API_LISTS, ("api:clip", (clip.name,), {}), ("api:tracks", (clip.name,), {}),
        ("api:consensus", (clip.name,), {}), ("api:clip-agreement", (clip.name,), {}),
        ("api:video", (clip.video.name,), {}), ("api:task", (task.pk,), {}),
        ("api:answers", (task.pk,), {}), ("api:import", (label_import.pk,), {}),
        ("annotation:plan", (), {}), ("workers:members", (), {}), ("workers:activity", (), {}),
        ("workers:activity", (), {"user": "reviewer"}), ("workers:webhooks", (), {}),
        ("annotation:imports", (), {}), ("annotation:import", (label_import.pk,), {}),
        ("annotation:plan", (), {"annotators": ",".join(pair), "overlap": "30", "seed": "0"}),
    ]  # fmt: skip
    for view, arguments, query in of_dataset:
        yield _address(view, (dataset.name, *arguments), query)
    for view in ("datasets:list", "datasets:new", "qc:my", "api:datasets", "api:me",
                 "api:my-tasks", "api:schema", "api:docs", "tracking:speeds",
                 "workers:work", "workers:help", "workers:password", "workers:notifications",
                 "workers:tokens", "workers:security", "login"):  # fmt: skip
        yield _address(view, (), {})
    yield _address("workers:help-page", ("start",), {})
    for view, arguments in (
        ("workers:all-activity", ()), ("annotation:servers", ()), ("tracking:files", ()),
        ("annotation:server_new", ()),
        ("annotation:server", (server.name,)), ("annotation:server_edit", (server.name,)),
    ):  # fmt: skip
        yield _address(view, arguments, {})._replace(is_for_operators=True)


def _address(view: str, arguments: tuple[Any, ...], query: dict[str, str]) -> PageAddress:
    title = ", ".join([view, *(f"{name} {value}" for name, value in query.items())])
    url = reverse(view, args=arguments)
    return PageAddress(title, f"{url}?{urlencode(query)}" if query else url)


def _of_admin() -> Iterator[PageAddress]:
    """The list of every model, as it opens and its last page; one row of it."""
    yield PageAddress("admin", reverse("admin:index"), is_for_operators=True)
    for model, its in sorted(admin.site._registry.items(), key=lambda one: one[0]._meta.label):
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        url = reverse(f"admin:{name}_changelist")
        row = model._default_manager.order_by("pk").first()
        count = model._default_manager.count()
        last = max(-(-count // its.list_per_page), 1)
        queries = ["", f"p={last}"] + (["q=v1"] if its.search_fields else [])
        for query in queries:
            name_of = "last page" if query.startswith("p=") else query
            yield PageAddress(
                f"admin {model._meta.label} {name_of}".strip(),
                f"{url}?{query}".rstrip("?"),
                True,
            )
        if row is not None:
            yield PageAddress(
                f"admin {model._meta.label} row",
                reverse(f"admin:{name}_change", args=[row.pk]), True,
            )  # fmt: skip


def _view_names(resolver: URLResolver, app: str = "") -> Iterator[str]:
    for one in resolver.url_patterns:
        if isinstance(one, URLPattern):
            yield f"{app}:{one.name}".lstrip(":")
        elif one.namespace != "admin":
            yield from _view_names(one, one.namespace or app)
