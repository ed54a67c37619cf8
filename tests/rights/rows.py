"""Who may open what: a row for every address, by method; `test_rights.py` opens them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from datasets.core.roles import Act
from tests.rights.world import ROLES, World

PUBLIC = "public"  # without an account
ACCOUNT = "account"  # any account
STUDIO = "studio"  # any account but that of an annotator
STAFF = "staff"  # operators
SIGNED = "signed"  # machines with a signature; all others get 403
OWN_TASK = "own task"  # of the annotator
LABELLED = "labelled"  # a task that one labels or may look on at
WITH_BUCKET = "with a bucket"  # not in these tests
UPLOADER = "uploader"  # the owner, who has begun the upload of these tests
OWN = "their own"  # rows of one user, whom these tests are not
NOBODY = "nobody"  # the method is refused to everybody
EVERYBODY = (*ROLES, "stranger", "operator", "anonymous")

Who = str | Act | tuple[Act, ...]
Values = dict[str, Any]


METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


class Row(NamedTuple):
    """Who may open an address. A function in `arguments` or `data` gets the world."""

    get: Who
    post: Who = NOBODY
    data: Values = {}
    more: Values = {}  # arguments beside the dataset's name
    patch: Who = NOBODY
    delete: Who = NOBODY
    head: Who | None = None  # as GET unless it says otherwise
    query: Values = {}

    def who(self, method: str) -> Who:
        """Who may open it by a method; OPTIONS says no more than what exists."""
        if method == "head":
            return self.get if self.head is None else self.head
        return NOBODY if method in ("put", "options") else getattr(self, method)


def documented() -> dict[str, frozenset[Act]]:
    """What each role may do, as the table in `docs/roles.md` says."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "roles.md").read_text()
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    roles = lines[0][1:-1]
    acts = [line for line in lines[2:] if not re.fullmatch(r"[-| ]*", line[0])]
    return {
        role: frozenset(Act(line[0]) for line in acts if line[1 + column] == "yes")
        for column, role in enumerate(roles)
    }


MAY = documented()


def _clip(world: World) -> str:
    return world.clip.name


def _key(attribute: str) -> Callable[[World], int]:
    return lambda world: getattr(world, attribute).pk


OF_CLIP = {"clip": _clip}
OF_TASK = {"pk": _key("task")}
OF_OPEN_TASK = {"pk": _key("open_task")}
OF_ACTION = {"pk": lambda world: world.action.pk}
OF_RUN = {"pk": _key("run")}
OF_TRANSFER = {"key": lambda world: world.transfer.key}
UPLOADING = {"patch": UPLOADER, "delete": UPLOADER, "head": UPLOADER}
OF_MEMBER = {"pk": _key("viewer")}
OF_ANNOTATOR = {"pk": _key("annotator")}
OF_BUNDLE = {"pk": _key("bundle"), "file": "manifest.json"}
NAMES_AND_FILES = (Act.SEE_NAMES, Act.DOWNLOAD)
IMPORTING = (Act.ASSIGN, Act.REVIEW)

# The pages of django-allauth.
LOGGING_IN = (
    "account_login", "account_logout", "account_signup", "account_reset_password",
    "account_confirm_login_code", "mfa_authenticate", "mfa_login_webauthn",
    "socialaccount_signup",
)  # fmt: skip
AFTER_LOGGING_IN = (
    "account_inactive", "account_email_verification_sent",
    "account_reset_password_from_key_done", "account_reset_password_done",
    "socialaccount_login_cancelled", "socialaccount_login_error",
)  # fmt: skip
ONES_OWN_ACCOUNT = (
    "account_reauthenticate", "account_request_reauthentication_code",
    "account_confirm_reauthentication_code", "account_email", "account_change_password",
    "account_set_password", "mfa_reauthenticate", "mfa_activate_totp",
    "mfa_generate_recovery_codes", "mfa_add_webauthn", "mfa_reauthenticate_webauthn",
    "socialaccount_connections", "usersessions_list",
)  # fmt: skip
ABOUT_ONES_ACCOUNT = ("mfa_index", "mfa_list_webauthn")

ROWS: dict[str, Row] = {
    "login": Row(PUBLIC, PUBLIC),
    "javascript-catalog": Row(PUBLIC),
    "logout": Row(NOBODY, PUBLIC),
    "datasets:home": Row(PUBLIC),
    "datasets:list": Row(STUDIO),
    "datasets:new": Row(STUDIO, STUDIO),
    "datasets:upload": Row(Act.UPLOAD, Act.UPLOAD),
    "datasets:transfers": Row(NOBODY, Act.UPLOAD),
    "datasets:transfer": Row(
        NOBODY, more=OF_TRANSFER, patch=UPLOADER, delete=UPLOADER, head=UPLOADER
    ),
    "datasets:parts": Row(WITH_BUCKET, WITH_BUCKET, more=OF_TRANSFER),
    "datasets:vocabulary": Row(Act.CONFIGURE, Act.CONFIGURE),
    "datasets:videos": Row(Act.SEE),
    "datasets:recordings": Row(Act.SEE, Act.CONFIGURE, {"table": "aisle,north"}),
    "datasets:settings": Row(Act.SEE, Act.CONFIGURE, {"description": "Shops."}),
    "datasets:delete": Row(Act.DELETE, Act.DELETE, {"name": "shop"}),
    "datasets:delete-video": Row(Act.DELETE, Act.DELETE, more={"video": "aisle"}),
    "datasets:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "video"}),
    "datasets:clip-file": Row(Act.SEE, more=OF_CLIP),
    "datasets:poster": Row(Act.SEE, more=OF_CLIP),
    "datasets:keyframe": Row(Act.SEE, more=OF_CLIP | {"second": 0}),
    "tracking:api-bundles": Row(Act.DOWNLOAD, Act.RELEASE),
    "tracking:api-bundle": Row(Act.DOWNLOAD, more={"pk": _key("bundle")}),
    "tracking:api-bundle-file": Row(Act.DOWNLOAD, more=OF_BUNDLE),
    "tracking:page": Row(Act.SEE, Act.CONFIGURE),
    "tracking:activate": Row(NOBODY, Act.CONFIGURE),
    "tracking:delete": Row(NOBODY, Act.CONFIGURE, {"experiment": _key("experiment")}),
    "tracking:read-weights": Row(NOBODY, Act.CONFIGURE),
    "tracking:cancel": Row(NOBODY, Act.CONFIGURE),
    "tracking:bundle-create": Row(NOBODY, Act.RELEASE),
    "tracking:bundle-file": Row(Act.DOWNLOAD, more=OF_BUNDLE),
    "tracking:tracks": Row(Act.DOWNLOAD, more=OF_RUN),
    "tracking:run": Row(Act.SEE, more=OF_RUN),
    "tracking:sheet": Row(Act.SEE, more=OF_RUN | {"track": 1}),
    "tracking:people-videos": Row(Act.SEE),
    "tracking:people": Row(Act.SEE, more={"video": "aisle"}),
    "tracking:correct": Row(
        NOBODY, Act.CONFIGURE, {"act": "check", "person": "1"}, {"video": "aisle"}
    ),
    "tracking:people-alike": Row(Act.SEE, more={"video": "aisle", "number": 1}),
    "tracking:person-crops": Row(Act.SEE, more={"video": "aisle", "number": 1}),
    "tracking:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "run"}),
    "annotation:webhook": Row(NOBODY, SIGNED, more={"uuid": lambda world: world.server.uuid}),
    "annotation:servers": Row(STAFF),
    "tracking:files": Row(STAFF, STAFF),
    "tracking:speeds": Row(ACCOUNT),
    "annotation:server_new": Row(STAFF, STAFF),
    "annotation:server": Row(STAFF, more={"name": "our-cvat"}),
    "annotation:server_edit": Row(STAFF, STAFF, more={"name": "our-cvat"}),
    "annotation:server_test": Row(NOBODY, STAFF, more={"name": "our-cvat"}),
    "annotation:server_delete": Row(NOBODY, STAFF, more={"name": "our-cvat"}),
    "annotation:guidelines": Row(Act.READ_GUIDELINES),
    "annotation:guideline-image": Row(Act.READ_GUIDELINES, more={"pk": _key("image")}),
    "annotation:guideline-text": Row(Act.CONFIGURE, Act.CONFIGURE),
    "annotation:guideline-action": Row(Act.CONFIGURE, Act.CONFIGURE, more=OF_ACTION),
    "annotation:guideline-pick": Row(Act.CONFIGURE, Act.CONFIGURE, more=OF_ACTION),
    "annotation:guideline-upload": Row(NOBODY, Act.CONFIGURE),
    "annotation:guideline-remove": Row(NOBODY, Act.CONFIGURE, {"image": _key("image")}),
    "annotation:cvat": Row(Act.SEE_NAMES),
    "annotation:cvat_boxes": Row(NAMES_AND_FILES),
    "annotation:cvat_connect": Row(Act.CONFIGURE, Act.CONFIGURE),
    "annotation:cvat_send": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_pause": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_sync": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_retry": Row(NOBODY, Act.ASSIGN, more={"what": "failed"}),
    "annotation:cvat_adopt": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_reply": Row(NOBODY, Act.REVIEW, more=OF_TASK),
    "annotation:cvat_deliveries": Row(Act.SEE_NAMES),
    "annotation:cvat_replay": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_members": Row(Act.ASSIGN),
    "annotation:cvat_add": Row(NOBODY, Act.ASSIGN),
    "annotation:cvat_invite": Row(NOBODY, Act.ASSIGN),
    "annotation:plan": Row(Act.ASSIGN, Act.ASSIGN),
    "annotation:unassign": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:reassign": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:qualify": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:tool": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:revise": Row(NOBODY, Act.ASSIGN, {"annotator": _key("annotator")}),
    "annotation:gold_tasks": Row(NOBODY, Act.ASSIGN),
    "annotation:gold": Row(NOBODY, Act.ASSIGN),
    "annotation:package": Row(NAMES_AND_FILES, more=OF_TASK),
    "annotation:backup": Row(NAMES_AND_FILES, more=OF_TASK),
    "annotation:all-packages": Row(NAMES_AND_FILES),
    "annotation:packages": Row(NAMES_AND_FILES, more={"pk": _key("annotator")}),
    "annotation:backups": Row(NAMES_AND_FILES, more={"pk": _key("annotator")}),
    "annotation:task_backups": Row(NAMES_AND_FILES, more={"pk": _key("annotator")}),
    "annotation:answers": Row(NOBODY, Act.REVIEW),
    "annotation:action-changes": Row(
        Act.CONFIGURE, Act.CONFIGURE, {"change": "retire"}, more=OF_ACTION
    ),
    "annotation:imports": Row(IMPORTING, IMPORTING),
    "annotation:import": Row(IMPORTING, IMPORTING, more={"pk": _key("label_import")}),
    "annotation:import-undo": Row(NOBODY, IMPORTING, more={"pk": _key("label_import")}),
    "annotation:accept": Row(NOBODY, Act.OVERRIDE, more={"pk": _key("version")}),
    "annotation:label-open": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-operations": Row(LABELLED, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-discard": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-discarded": Row(LABELLED, more=OF_OPEN_TASK),
    "annotation:label-submit": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-reopen": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "annotation:label-clip": Row(LABELLED, more=OF_OPEN_TASK),
    "annotation:label-poster": Row(LABELLED, more=OF_OPEN_TASK),
    "annotation:label-frame": Row(LABELLED, more=OF_OPEN_TASK | {"number": 0}),
    "annotation:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "task"}),
    "qc:my": Row(ACCOUNT),
    "qc:cost": Row(Act.SEE_NAMES),
    "qc:overview": Row(Act.SEE),
    "qc:retry": Row(NOBODY, Act.CONFIGURE, more={"kind": "report"}),
    "qc:clips": Row(Act.SEE),
    "qc:clip": Row(Act.SEE, more=OF_CLIP),
    "qc:scene": Row(Act.SEE, more=OF_CLIP),
    "qc:view-save": Row(NOBODY, Act.SEE, {"page": "qc:clips", "name": "All", "query": ""}),
    "qc:view-remove": Row(NOBODY, OWN, more={"pk": 1}),
    "qc:tasks": Row(Act.SEE_NAMES),
    "qc:task": Row(Act.SEE_NAMES, more=OF_TASK),
    "qc:label": Row(LABELLED, more=OF_OPEN_TASK),
    "qc:label-task": Row(LABELLED, more=OF_OPEN_TASK),
    "qc:task-comment": Row(NOBODY, Act.REVIEW, more=OF_TASK),
    "qc:agreement": Row(Act.SEE_NAMES),
    "qc:agreement-period": Row(NOBODY, Act.SEE_NAMES),
    "qc:agreement-group": Row(Act.SEE_NAMES, more={"group": "posture"}),
    "qc:agreement-pair": Row(Act.SEE_NAMES, more={"a": "annotator", "b": "kim"}),
    "qc:agreement-annotator": Row(Act.SEE_NAMES, more={"annotator": "kim"}),
    "qc:agreement-clip": Row(Act.SEE_NAMES, more=OF_CLIP),
    "qc:proposals": Row(Act.SEE),
    "qc:gold": Row(Act.SEE_NAMES),
    "qc:datasheet": Row(Act.SEE),
    "qc:datasheet-save": Row(NOBODY, Act.CONFIGURE),
    "qc:release-take-out": Row(NOBODY, Act.DELETE),
    "qc:quality-rules": Row(Act.SEE),
    "qc:quality-rules-save": Row(NOBODY, Act.CONFIGURE),
    "qc:review": Row(Act.REVIEW),
    "qc:verdict": Row(NOBODY, Act.REVIEW),
    "qc:approve-by-threshold": Row(Act.REVIEW),
    "qc:adjudication": Row(Act.ADJUDICATE),
    "qc:adjudication-next": Row(Act.ADJUDICATE),
    "qc:adjudicate": Row(NOBODY, Act.ADJUDICATE),
    "qc:adjudication-entries": Row(NOBODY, Act.ADJUDICATE),
    "qc:undo-decisions": Row(NOBODY, Act.ADJUDICATE),
    "qc:decisions": Row(Act.ADJUDICATE),
    "qc:third-opinions": Row(Act.ASSIGN, Act.ASSIGN),
    "qc:releases": Row(Act.SEE),
    "qc:release-new": Row(Act.RELEASE),
    "qc:release-create": Row(NOBODY, Act.RELEASE),
    "qc:release-download": Row(Act.DOWNLOAD, more={"number": 1}),
    "qc:release-card": Row(Act.DOWNLOAD, more={"number": 2}),
    "qc:release-sync": Row(NOBODY, (Act.RELEASE, Act.DOWNLOAD), more={"number": 1}),
    "qc:release-delete-files": Row(NOBODY, Act.DELETE, more={"number": 1}),
    "workers:members": Row(Act.INVITE_ANNOTATORS, Act.INVITE_ANNOTATORS),
    "workers:revoke": Row(NOBODY, Act.INVITE_ANNOTATORS, {"invitation": _key("invitation")}),
    "workers:role": Row(
        NOBODY, Act.MANAGE_MEMBERS, {"member": _key("viewer"), "role": "owner"}
    ),
    "workers:activity": Row(Act.SEE_NAMES),
    "workers:all-activity": Row(STAFF),
    "workers:webhooks": Row(Act.CONFIGURE, Act.CONFIGURE),
    "workers:webhook-remove": Row(NOBODY, Act.CONFIGURE, {"webhook": _key("hook")}),
    "workers:webhook-try": Row(NOBODY, Act.CONFIGURE, {"webhook": _key("hook")}),
    "workers:webhook-retry": Row(NOBODY, Act.CONFIGURE),
    "workers:notifications": Row(ACCOUNT),
    "workers:notifications-read": Row(NOBODY, ACCOUNT),
    "workers:notifications-email": Row(NOBODY, ACCOUNT),
    "workers:tokens": Row(ACCOUNT, ACCOUNT),
    "workers:token-revoke": Row(NOBODY, OWN),
    "workers:transfer-ownership": Row(NOBODY, Act.MANAGE_MEMBERS, {"member": _key("viewer")}),
    "workers:remove": Row(NOBODY, Act.MANAGE_MEMBERS, {"member": _key("viewer")}),
    "workers:new-label-link": Row(
        NOBODY, Act.INVITE_ANNOTATORS, {"annotator": _key("annotator")}
    ),
    "workers:label-link": Row(PUBLIC, PUBLIC, more={"token": "nothing"}),
    "workers:join": Row(PUBLIC, PUBLIC, more={"token": lambda world: world.token}),
    "workers:work": Row(STUDIO),
    "workers:help": Row(ACCOUNT),
    "workers:help-image": Row(ACCOUNT, more={"name": "overview-page.png"}),
    "workers:help-page": Row(ACCOUNT, more={"slug": "planning"}),
    "workers:password": Row(ACCOUNT, ACCOUNT),
    "api:schema": Row(ACCOUNT),
    "api:docs": Row(ACCOUNT),
    "api:me": Row(ACCOUNT),
    "api:my-tasks": Row(ACCOUNT),
    "api:datasets": Row(ACCOUNT, STUDIO),
    "api:dataset": Row(Act.SEE, patch=Act.CONFIGURE, delete=Act.DELETE),
    "api:members": Row(Act.INVITE_ANNOTATORS, Act.INVITE_ANNOTATORS),
    "api:member": Row(
        NOBODY, more=OF_MEMBER, patch=Act.MANAGE_MEMBERS, delete=Act.MANAGE_MEMBERS
    ),
    "api:activity": Row(Act.SEE_NAMES),
    "api:uploads": Row(Act.UPLOAD),
    "api:transfers": Row(NOBODY, Act.UPLOAD),
    "api:transfer": Row(
        NOBODY, more=OF_TRANSFER, patch=UPLOADER, delete=UPLOADER, head=UPLOADER
    ),
    "api:parts": Row(WITH_BUCKET, WITH_BUCKET, more=OF_TRANSFER),
    "api:videos": Row(Act.SEE),
    "api:video": Row(Act.SEE, more={"video": "aisle"}, delete=Act.DELETE),
    "api:clips": Row(Act.SEE),
    "api:clip": Row(Act.SEE, more=OF_CLIP),
    "api:clip-file": Row(Act.SEE, more=OF_CLIP),
    "api:tracks": Row((Act.SEE, Act.DOWNLOAD), more=OF_CLIP),
    "api:consensus": Row(Act.SEE, more=OF_CLIP),
    "api:clip-agreement": Row(Act.SEE_NAMES, more=OF_CLIP),
    "api:annotators": Row(Act.SEE_NAMES),
    "api:annotator-tasks": Row(NOBODY, Act.ASSIGN, more=OF_ANNOTATOR, delete=Act.ASSIGN),
    "api:assignments": Row(NOBODY, Act.ASSIGN),
    "api:imports": Row(IMPORTING, IMPORTING),
    "api:import": Row(IMPORTING, IMPORTING, more={"pk": _key("label_import")}),
    "api:import-undo": Row(NOBODY, IMPORTING, more={"pk": _key("label_import")}),
    "api:tasks": Row(Act.SEE_NAMES),
    "api:task": Row(Act.SEE_NAMES, more=OF_TASK),
    "api:package": Row(NAMES_AND_FILES, more=OF_TASK),
    "api:answers": Row(Act.SEE_NAMES, Act.REVIEW, more=OF_TASK),
    "api:answers-version": Row(Act.SEE_NAMES, more=OF_TASK | {"number": 1}),
    "api:comments": Row(NOBODY, Act.REVIEW, {"text": "Well done."}, more=OF_TASK),
    "api:draft": Row(LABELLED, OWN_TASK, more=OF_OPEN_TASK),
    "api:operations": Row(LABELLED, OWN_TASK, more=OF_OPEN_TASK),
    "api:submit": Row(NOBODY, OWN_TASK, more=OF_OPEN_TASK),
    "api:agreement": Row(Act.SEE_NAMES),
    "api:adjudication": Row(Act.ADJUDICATE, Act.ADJUDICATE),
    "api:decision": Row(NOBODY, more={"pk": 1}, delete=Act.ADJUDICATE),
    "api:reviews": Row(Act.REVIEW, Act.REVIEW),
    "api:releases": Row(Act.SEE, Act.RELEASE),
    "api:release": Row(Act.SEE, more={"number": 1}, delete=Act.DELETE),
    "api:release-zip": Row(Act.DOWNLOAD, more={"number": 1}),
    "workers:security": Row(ACCOUNT),
    **{name: Row(PUBLIC, PUBLIC) for name in LOGGING_IN},
    **{name: Row(PUBLIC) for name in AFTER_LOGGING_IN},
    **{name: Row(ACCOUNT, ACCOUNT) for name in ONES_OWN_ACCOUNT},
    **{name: Row(ACCOUNT) for name in ABOUT_ONES_ACCOUNT},
    "account_confirm_email": Row(PUBLIC, SIGNED, more={"key": "nothing"}),
    "mfa_deactivate_totp": Row(OWN, OWN),
    "mfa_view_recovery_codes": Row(OWN),
    "mfa_download_recovery_codes": Row(OWN, OWN),
    "account_reset_password_from_key": Row(
        PUBLIC, PUBLIC, more={"uidb36": "1", "key": "nothing"}
    ),
    "mfa_remove_webauthn": Row(ACCOUNT, ACCOUNT, more={"pk": 1}),
    "mfa_edit_webauthn": Row(ACCOUNT, ACCOUNT, more={"pk": 1}),
    "openid_connect_login": Row(SIGNED, SIGNED, more={"provider_id": "sso"}),
    "openid_connect_callback": Row(SIGNED, SIGNED, more={"provider_id": "sso"}),
}
