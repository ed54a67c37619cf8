"""CVAT projects: each connected dataset is one, with its label, annotation guide and webhook.

A project is found by its exact name, so that setting it up again after a crash makes no second.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from annotation.core.annotation_guide import DRAWING_TITLE, guide
from annotation.core.guidelines import image_name
from annotation.core.vocabulary_diff import label_diff, label_ids
from annotation.core.webhook import EVENTS
from annotation.cvat.client import CvatClient
from annotation.cvat.errors import (
    CvatBrokenError,
    CvatError,
    CvatGoneError,
    CvatRefusedError,
)
from annotation.models import CvatJob, CvatProject, CvatServer
from annotation.selectors.cvat import RECREATE
from annotation.selectors.guidelines import guidelines_markdown, shown_images
from annotation.selectors.tasks import former_names, group_specs
from annotation.services.cvat.connection import NO_WEBHOOK, refused_webhook, webhook_url
from annotation.services.cvat.deferral import client_for, retrying
from annotation.services.guidelines import as_png
from avaproject.base.storage import open_stored
from avaproject.base.work import Stage, StagedQuerySet
from datasets.accounts.activity import record
from datasets.core.formats.cvat_json import LabelIds
from datasets.core.formats.cvat_labels import (
    PERSON,
    Attribute,
    LabelsError,
    attributes_of,
    colours_of,
    label_data,
    labels_data,
)
from datasets.models import Dataset

NO_CALLBACK_URL = gettext_noop(
    "CVAT has no address to send webhooks to, so finished jobs are found by polling every five "
    "minutes. Set the callback address on the server's page."
)

Addresses = Mapping[int, str]

MAX_IMAGES = 29  # CVAT takes 30 images a guide, one of them the drawing
DRAWING = settings.BASE_DIR / "static/annotation/draw-track.png"  # as docs/guide/images/*.svg


class ProjectError(ValueError):
    """The project cannot be set up in CVAT as the dataset requires."""


def connect_dataset(dataset: Dataset, server: CvatServer) -> CvatProject:
    """Connect `dataset` to `server`. Raises ProjectError if another server has its project."""
    project = CvatProject.objects.filter(dataset=dataset).first()
    if project is None:
        with transaction.atomic():
            record("connect CVAT", server, dataset=dataset)
            return CvatProject.objects.create(dataset=dataset, server=server)
    if project.server != server and project.project_id is not None:
        raise ProjectError(
            _(
                "%(dataset)s already has a project and answers in %(server)s; it cannot be "
                "moved to another server"
            )
            % {"dataset": dataset, "server": project.server}
        )
    CvatProject.objects.filter(pk=project.pk).update(server=server)
    record("connect CVAT", server, dataset=dataset)
    project.refresh_from_db()
    return project


def plan_projects() -> int:
    """Request setup for projects whose dataset has changed since; return how many."""
    ended = CvatProject.objects.filter(stage__in=[Stage.DONE, Stage.FAILED])
    projects = ended.select_related("dataset", "server")
    changed = [
        project.pk
        for project in projects.prefetch_related("dataset__groups__actions")
        if project.setup_fingerprint != _fingerprint(project)
    ]
    return CvatProject.objects.filter(pk__in=changed).start_over() if changed else 0


def set_up_project(project_pk: int) -> CvatProject | None:
    """Create or update one dataset's project in CVAT; None if another worker does."""
    project = CvatProject.objects.claim(project_pk)
    if project is None:
        return None
    with retrying(project, ProjectError, LabelsError):
        fingerprint = _fingerprint(project)
        CvatProject.objects.filter(pk=project.pk).update(setup_fingerprint=fingerprint)
        wanted = attributes_of(group_specs(project.dataset))
        client = client_for(project.server)
        project_id = project.project_id or _get_or_create_project(
            client, project.dataset, wanted
        )
        warnings = _update_labels(client, project, project_id, wanted)
        _set_guide(client, project, project_id)
        webhook = _webhook(client, project, project_id, warnings)
        cursor = project.comment_cursor or client.newest_comment()
        project.finish(
            project_id=project_id, label_id=project.label_id, webhook_id=webhook,
            attribute_ids=project.attribute_ids, class_labels=project.class_labels,
            warnings=warnings, comment_cursor=cursor,
            setup_fingerprint=fingerprint,
        )  # fmt: skip
    return project


def recreate_project(project: CvatProject) -> int:
    """Replace a project that was deleted in CVAT; return how many tasks are sent again.

    The stored answer versions stay; the newest becomes the pre-annotation of its task. None is
    sent again if neither the setup nor the last sync found it deleted, or it is done already.
    """
    project.refresh_from_db()
    newest = project.reconciliations.order_by("-pk").first()
    said = (project.error, newest.error if newest else "")
    if not any(_(RECREATE) in error for error in said):
        return 0
    with transaction.atomic():
        project.reconciliations.filter(stage=Stage.FAILED).delete()  # about the deleted one
        CvatProject.objects.filter(pk=project.pk).update(
            project_id=None, label_id=None, attribute_ids={}, class_labels=None,
            webhook_id=None, cursor=None,
            setup_fingerprint="", stage=Stage.WAITING, attempts=0, error="", lease_until=None,
            enqueued_at=None, not_before=None, deferrals=0,
        )  # fmt: skip
        return resend_tasks(CvatJob.objects.filter(project=project))


def retry_setup(project: CvatProject) -> int:
    """Request setup of the project again; 1, or 0 if a worker is setting it up now."""
    return CvatProject.objects.filter(pk=project.pk).start_over()


def resend_tasks(jobs: StagedQuerySet) -> int:
    """Send tasks again that were deleted in CVAT; return how many."""
    return jobs.start_over(
        cvat_task_id=None, job_id=None, is_deleted=False, cvat_stage="", cvat_state="",
        changed_at=None, fetched_at=None, message="", is_unassigned=False,
    )  # fmt: skip


def _fingerprint(project: CvatProject) -> str:
    """SHA-256 of everything in CVAT that depends on the dataset."""
    content = [
        [attribute._asdict() for attribute in attributes_or_none(project.dataset)],
        _guide(project),
        webhook_url(project.server),
        project.server.encrypted_secret,
        *([labels] if (labels := project.dataset.class_names) != [PERSON] else []),
    ]
    return sha256(json.dumps(content).encode()).hexdigest()


def attributes_or_none(dataset: Dataset) -> tuple[Attribute, ...]:
    """The dataset's attributes; none if CVAT would refuse them, which setup reports."""
    try:
        return attributes_of(group_specs(dataset))
    except LabelsError:
        return ()


def _guide(project: CvatProject, drawing: str = "", images: Addresses | None = None) -> str:
    """The guide; without `images` (their addresses by number) with their names in it."""
    dataset = project.dataset
    address = image_name if images is None else lambda number: images.get(number, "")
    text = guidelines_markdown(dataset, address)
    return guide(
        dataset.name, group_specs(dataset), guidelines=text, drawing=drawing,
        labels=dataset.class_names,
    )  # fmt: skip


def _set_guide(client: CvatClient, project: CvatProject, number: int) -> None:
    """Set the guide, with the images that CVAT takes: they belong to a guide."""
    if not client.project(number).get("guide_id"):
        client.set_guide(number, _guide(project, images={}))
    try:
        drawing = client.guide_image(number, DRAWING.read_bytes(), title=DRAWING_TITLE)
    except (CvatGoneError, CvatRefusedError, CvatBrokenError):
        drawing = ""  # it stays drawn in text
    found: dict[int, str] = {}
    for image in shown_images(project.dataset)[:MAX_IMAGES]:
        try:
            with open_stored(image.file.name or "") as file:
                content = as_png(file)
            found[image.pk] = client.guide_image(number, content, title=str(image))
        except (CvatGoneError, CvatRefusedError, CvatBrokenError, OSError):
            continue  # its caption stays
    client.set_guide(number, _guide(project, drawing, found))


def _get_or_create_project(
    client: CvatClient, dataset: Dataset, wanted: tuple[Attribute, ...]
) -> int:
    """The project named like the dataset: ours from before a crash, or a new one.

    One with tasks is that of an earlier dataset of this name, or of another installation.
    """
    labels = dataset.class_names
    names = {attribute.name for attribute in wanted}
    for there in client.projects_named(dataset.name):
        if count := there["tasks"]["count"]:
            raise ProjectError(
                ngettext(
                    "CVAT already has a project called %(dataset)s with %(count)s task that is "
                    "not of this dataset: rename or delete that project there, then retry",
                    "CVAT already has a project called %(dataset)s with %(count)s tasks that "
                    "are not of this dataset: rename or delete that project there, then retry",
                    count,
                )
                % {"dataset": dataset.name, "count": count}
            )
        found = {  # without their order: CVAT keeps none
            label["name"]: {attribute["name"] for attribute in label["attributes"]}
            for label in client.labels(there["id"])
            if label["name"] in labels
        }
        if found == dict.fromkeys(labels, names):
            return int(there["id"])
        raise ProjectError(
            _(
                "CVAT already has a project called %(dataset)s with other labels: rename "
                "it there, then retry"
            )
            % {"dataset": dataset.name}
        )
    return client.create_project(dataset.name, labels_data(wanted, labels))


def _update_labels(
    client: CvatClient, project: CvatProject, number: int, wanted: tuple[Attribute, ...]
) -> list[str]:
    """Add new labels and attributes in CVAT and store their ids; return the warnings.

    The first label is that of persons: of a project that was set up when all were persons, or
    of a dataset that follows them; else that of the first class.
    """
    labels = project.dataset.class_names
    is_new = project.label_id is None
    first = project.label_ids.name
    if is_new and PERSON not in labels:
        first = labels[0]
    there = _labels(client, project, number)
    names = {label["name"] for label in there}
    known = {one.name: one for one in project.label_ids.all} if not is_new else {}
    rest = [name for name in labels if name != first]
    missing = [name for name in rest if name not in known and name not in names]
    if missing:
        colours = colours_of(labels)
        client.add_labels(number, [label_data(wanted, name, colours[name]) for name in missing])
        there = _labels(client, project, number)
    warnings: list[str] = []
    found = [
        _update_label(client, project, there, wanted, name, known.get(name), warnings)
        for name in (first, *rest)
    ]
    project.label_id, project.attribute_ids = found[0].label, found[0].attributes
    project.class_labels = None
    if [one.name for one in found] != [PERSON]:
        project.class_labels = {
            one.name: {"label": one.label, "attributes": one.attributes} for one in found
        }
    return warnings


def _update_label(
    client: CvatClient,
    project: CvatProject,
    there: list[dict[str, Any]],
    wanted: tuple[Attribute, ...],
    name: str,
    known: LabelIds | None,
    warnings: list[str],
) -> LabelIds:
    """Add new attributes to one of the labels `there`; return its ids."""
    label = _label(project, there, name, known)
    known = known or label_ids(label, wanted, name)
    former = {one for names in former_names(project.dataset).values() for one in names}
    diff = label_diff(wanted, known, label, former=former)
    if diff.refused:
        raise ProjectError("; ".join(diff.refused))
    if diff.attributes:
        client.change_label(label, diff.attributes)
        label = _label(project, _labels(client, project, label["project_id"]), name, known)
    warnings += diff.warnings
    attributes = label_ids(label, wanted).attributes | known.attributes
    return LabelIds(label["id"], attributes, name=name)


def _labels(client: CvatClient, project: CvatProject, number: int) -> list[dict[str, Any]]:
    try:
        client.project(number)
        return client.labels(number)
    except CvatGoneError as error:
        raise ProjectError(deleted_project(project)) from error


def _label(
    project: CvatProject, there: list[dict[str, Any]], name: str, known: LabelIds | None
) -> dict[str, Any]:
    """The label of `known`, or the one called `name`, among those `there`."""
    for label in there:
        if label["id"] == known.label if known else label["name"] == name:
            return label
    raise ProjectError(_deleted_label(project, name))


def _webhook(
    client: CvatClient, project: CvatProject, number: int, warnings: list[str]
) -> int | None:
    """The webhook's id; None with a warning if there can be none."""
    url = webhook_url(project.server)
    if not url:
        warnings.append(_(NO_CALLBACK_URL))
        return None
    try:
        return client.save_webhook(
            number, url=url, secret=project.server.secret, events=EVENTS,
            known=project.webhook_id,
        )  # fmt: skip
    except CvatGoneError as error:
        raise CvatError(
            _("the webhook could not be created: %(error)s") % {"error": error}
        ) from error
    except CvatRefusedError as error:
        warnings.append(" ".join((*refused_webhook(url, error), NO_WEBHOOK)))
        return None


def check_labels(client: CvatClient, project: CvatProject) -> None:
    """Raise CvatError if a label was deleted in CVAT, and all its boxes with it."""
    there = {label["id"] for label in client.labels(project.project_id or 0)}
    for one in project.label_ids.all:
        if one.label not in there:
            raise CvatError(_deleted_label(project, one.name))


def _deleted_label(project: CvatProject, name: str) -> str:
    sentence = _(
        'the label "%(person)s" of %(dataset)s was deleted in CVAT, and its boxes with it. '
        "Delete the project there too. %(recreate)s"
    )
    return sentence % {"person": name, "dataset": project.dataset, "recreate": _(RECREATE)}


def deleted_project(project: CvatProject) -> str:
    """The sentence about a project that was deleted in CVAT."""
    sentence = _(
        "the project of %(dataset)s was deleted in CVAT. Answers fetched before are kept. "
        "%(recreate)s"
    )
    return sentence % {"dataset": project.dataset, "recreate": _(RECREATE)}
