"""A dataset as a project in CVAT: labels, guide and webhook, kept as the dataset says.

The project is found again by its exact name, so that a crash leaves no second one.
"""

import json
from hashlib import sha256
from typing import Any

from django.db import transaction

from annotation.core.guide import guide
from annotation.core.label_change import label_change, label_data, label_ids
from annotation.core.labels import PERSON, Attribute, LabelsError, attributes_of
from annotation.core.webhook import EVENTS
from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatError, CvatGoneError, CvatRefusedError
from annotation.models import CvatJob, CvatProject, CvatServer, PatientQuerySet
from annotation.selectors.tasks import group_specs
from annotation.services.connect import NO_WEBHOOK, refused_webhook, webhook_url
from annotation.services.reach import client_for, patiently
from avaproject.base.work import Stage
from datasets.models import Dataset

NOT_TOLD = (
    "CVAT is not told how to reach us, so it cannot tell when a job is finished; we ask every "
    "five minutes. Set our address on the server's page."
)


class ProjectError(ValueError):
    """The project cannot be as the dataset says."""


def connect_dataset(
    dataset: Dataset, server: CvatServer, *, guidelines: str = ""
) -> CvatProject:
    """Let `dataset` be annotated in `server`. Raises ProjectError if it is elsewhere."""
    project = CvatProject.objects.filter(dataset=dataset).first()
    if project is None:
        return CvatProject.objects.create(dataset=dataset, server=server, guidelines=guidelines)
    if project.server != server and project.project_id is not None:
        raise ProjectError(
            f"{dataset} is in {project.server} already, and its answers with it: it cannot move"
        )
    CvatProject.objects.filter(pk=project.pk).update(server=server, guidelines=guidelines)
    project.refresh_from_db()
    return project


def plan_projects() -> int:
    """Have those projects set up again that are no longer as their dataset says."""
    changed = [
        project.pk
        for project in CvatProject.objects.select_related("dataset", "server").filter(
            stage__in=[Stage.DONE, Stage.FAILED]
        )
        if project.set_up != _fingerprint(project)
    ]
    return CvatProject.objects.filter(pk__in=changed).start_over()


def set_up_project(project_pk: int) -> CvatProject | None:
    """Make or mend one dataset's project in CVAT; None if somebody else does."""
    project = CvatProject.objects.claim(project_pk)
    if project is None:
        return None
    with patiently(project, ProjectError, LabelsError):
        tried = _fingerprint(project)
        CvatProject.objects.filter(pk=project.pk).update(set_up=tried)
        groups = group_specs(project.dataset)
        wanted = attributes_of(groups)
        client = client_for(project.server)
        number = project.project_id or _found_or_made(client, project.dataset, wanted)
        notes = _label_put_right(client, project, number, wanted)
        _guide_written(client, project, number)
        webhook = _webhook(client, project, number, notes)
        project.finish(
            project_id=number, label_id=project.label_id, attribute_ids=project.attribute_ids,
            webhook_id=webhook, notes=notes, set_up=tried,
        )  # fmt: skip
    return project


def start_anew(project: CvatProject) -> int:
    """Make a new project for one that was deleted in CVAT; return how many tasks go again.

    Answers that were pulled stay, and go with the tasks as their pre-annotation.
    """
    with transaction.atomic():
        CvatProject.objects.filter(pk=project.pk).update(
            project_id=None, label_id=None, attribute_ids={}, webhook_id=None, cursor=None,
            set_up="", stage=Stage.WAITING, attempts=0, error="", lease_until=None,
            handed_out_at=None, not_before=None,
        )  # fmt: skip
        return send_again(CvatJob.objects.filter(project=project))


def set_up_again(project: CvatProject) -> int:
    """Have the project set up once more, whatever became of it; 1 if nobody is at it."""
    return CvatProject.objects.filter(pk=project.pk).start_over()


def send_again(jobs: PatientQuerySet) -> int:
    """Have tasks sent that were deleted in CVAT; return how many."""
    return jobs.start_over(
        cvat_task_id=None, job_id=None, is_gone=False, cvat_stage="", cvat_state="",
        changed_at=None, pulled_at=None, note="", is_taken_back=False,
    )  # fmt: skip


def _fingerprint(project: CvatProject) -> str:
    """Of all that is told to CVAT about the dataset."""
    told = [
        [attribute._asdict() for attribute in attributes_or_none(project.dataset)],
        _guide(project),
        webhook_url(project.server),
        project.server.sealed_secret,
    ]
    return sha256(json.dumps(told).encode()).hexdigest()


def attributes_or_none(dataset: Dataset) -> tuple[Attribute, ...]:
    """The dataset's attributes; none if they do not fit CVAT, which setting up will say."""
    try:
        return attributes_of(group_specs(dataset))
    except LabelsError:
        return ()


def _guide(project: CvatProject) -> str:
    dataset = project.dataset
    return guide(dataset.name, group_specs(dataset), guidelines=project.guidelines)


def _found_or_made(client: CvatClient, dataset: Dataset, wanted: tuple[Attribute, ...]) -> int:
    """The project called like the dataset: ours from before a crash, or a new one."""
    for there in client.projects_named(dataset.name):
        names = [
            [attribute["name"] for attribute in label["attributes"]]
            for label in client.labels(there["id"])
            if label["name"] == PERSON
        ]
        if names == [[attribute.name for attribute in wanted]]:
            return int(there["id"])
        raise ProjectError(
            f"CVAT has a project called {dataset.name} that is not ours, for its labels are "
            "others: rename it there"
        )
    return client.create_project(dataset.name, [label_data(wanted)])


def _label_put_right(
    client: CvatClient, project: CvatProject, number: int, wanted: tuple[Attribute, ...]
) -> list[str]:
    """Send what the vocabulary has more; note what is otherwise in CVAT. Sets our numbers."""
    label = _label(client, project, number)
    if project.label_id is None:
        known = label_ids(label, wanted)
    else:
        known = project.label_ids
    change = label_change(wanted, known, label)
    if change.refused:
        raise ProjectError("; ".join(change.refused))
    if change.attributes:
        client.change_label(label, change.attributes)
        label = _label(client, project, number)
    project.label_id = label["id"]
    project.attribute_ids = label_ids(label, wanted).attributes | known.attributes
    return change.notes


def _label(client: CvatClient, project: CvatProject, number: int) -> dict[str, Any]:
    try:
        client.project(number)
        labels = client.labels(number)
    except CvatGoneError as error:
        raise ProjectError(
            f"the project of {project.dataset} was deleted in CVAT. What was pulled is kept: "
            "make it anew, and all tasks are sent again with the answers we have"
        ) from error
    for label in labels:
        if label["id"] == project.label_id or (
            project.label_id is None and label["name"] == PERSON
        ):
            return label
    raise ProjectError(
        f'the label "{PERSON}" of {project.dataset} was deleted in CVAT, its boxes with it. '
        "Delete the project there too and make it anew: tasks go again with the answers we "
        "have"
    )


def _guide_written(client: CvatClient, project: CvatProject, number: int) -> None:
    client.set_guide(number, _guide(project))


def _webhook(
    client: CvatClient, project: CvatProject, number: int, notes: list[str]
) -> int | None:
    """The webhook's number; None if there can be none, for which there is a note."""
    url = webhook_url(project.server)
    if not url:
        notes.append(NOT_TOLD)
        return None
    try:
        return client.save_webhook(
            number, url=url, secret=project.server.secret, events=EVENTS,
            known=project.webhook_id,
        )  # fmt: skip
    except CvatGoneError as error:
        raise CvatError(f"the webhook could not be made: {error}") from error
    except CvatRefusedError as error:
        notes.append(" ".join((*refused_webhook(url, error), NO_WEBHOOK)))
        return None
