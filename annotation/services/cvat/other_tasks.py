"""Tasks in a dataset's project that were not sent from here: list and adopt them.

A task can be adopted if its frames are those of one clip: as many, with the names that the
clip's frames have in a package or in a task sent from here.
"""

from django.utils.translation import gettext

from annotation.cvat.client import CvatClient
from annotation.cvat.errors import CvatBrokenError, CvatGoneError, CvatRefusedError
from annotation.models import AnnotationTask, CvatJob, CvatProject
from annotation.services.answer_fit import frame_count_of
from annotation.services.cvat.deferral import client_for
from annotation.services.cvat.reassignment import annotator_named
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.core.naming import frame_name

REPLICAS = ("consensus_replica", "replica")  # of one job, each by another annotator


class AdoptionError(ValueError):
    """A task of CVAT cannot be adopted."""


def find_other_tasks(client: CvatClient, project: CvatProject) -> int:
    """Store the project's tasks that are not ours, each with the task it could be; how many."""
    if project.project_id is None:
        return 0
    ours = set(
        CvatJob.objects.filter(project=project)
        .exclude(cvat_task_id=None)
        .values_list("cvat_task_id", flat=True)
    )
    being_sent = {str(job) for job in CvatJob.objects.filter(project=project, job_id=None)}
    others = [
        one
        for one in client.tasks(project.project_id)
        if one["id"] not in ours and one["name"] not in being_sent
    ]
    found = [
        {"id": one["id"], "name": one["name"], "match": _match_name(client, project, one["id"])}
        for one in others
    ]
    CvatProject.objects.filter(pk=project.pk).update(other_tasks=found)
    return len(found)


def adopt_job(project: CvatProject, task_id: int) -> CvatJob:
    """Take a task of CVAT as one of ours: its job counts as sent, and is fetched when finished.

    The task becomes that of the clip and the job's assignee, assigned if it was not; it is
    named so in CVAT. May be repeated. Raises AdoptionError or CvatError.
    """
    client = client_for(project.server)
    _check_has_frames(client, project, task_id)
    there = client.jobs_of_task(task_id)
    if any(job.kind in REPLICAS for job in there):
        raise AdoptionError(
            gettext(
                "task %(task)s has consensus jobs in CVAT, whose answers would be lost here: "
                "create a task for each annotator instead"
            )
            % {"task": task_id}
        )
    jobs = [job for job in there if job.kind == "annotation"]
    if len(jobs) != 1:
        raise AdoptionError(
            gettext(
                "task %(task)s has %(count)s jobs in CVAT, not one: create it again with a "
                "segment size of at least its frames"
            )
            % {"task": task_id, "count": len(jobs)}
        )
    job = jobs[0]
    task = _match(client, project, task_id)
    if task is None:
        raise AdoptionError(
            gettext(
                "the frames of task %(task)s are not those of a clip here, as many and "
                "with the same names"
            )
            % {"task": task_id}
        )
    if not job.assignee:
        raise AdoptionError(
            gettext("assign the job of task %(task)s to its annotator in CVAT first")
            % {"task": task_id}
        )
    annotator = annotator_named(task, job.assignee)
    if annotator is None:
        raise AdoptionError(
            gettext("%(assignee)s cannot be an annotator here") % {"assignee": job.assignee}
        )
    others = CvatJob.objects.filter(project=project, cvat_task_id=task_id)
    mine = others.filter(task__clip=task.clip_id, task__annotator=annotator)
    if other := others.exclude(pk__in=mine).first():
        raise AdoptionError(
            gettext("task %(task)s is %(other)s here already")
            % {"task": task_id, "other": other}
        )
    own, _ = AnnotationTask.objects.get_or_create(
        clip=task.clip, annotator=annotator, defaults={"run": task.run}
    )
    sent = CvatJob.objects.filter(task=own, is_deleted=False).exclude(job_id=None)
    if sent.exclude(job_id=job.job_id).exists():
        raise AdoptionError(
            gettext("%(own)s is in CVAT already, as another task") % {"own": own}
        )
    client.rename_task(task_id, str(own))
    AnnotationTask.objects.filter(pk=own.pk).update(unassigned_at=None)
    row, _ = CvatJob.objects.update_or_create(
        task=own,
        defaults={
            "project": project, "cvat_task_id": task_id, "job_id": job.job_id,
            "assignee": job.assignee, "cvat_stage": job.stage, "cvat_state": job.state,
            "changed_at": job.updated_date, "fetched_at": None, "is_deleted": False,
            "is_unassigned": False, "stage": Stage.DONE, "error": "",
            "message": gettext("Adopted: this task was created in CVAT."),
        },
    )  # fmt: skip
    left = [one for one in project.other_tasks if one["id"] != task_id]
    CvatProject.objects.filter(pk=project.pk).update(other_tasks=left)
    record("adopt CVAT task", own, dataset=project.dataset)
    return row


def _check_has_frames(client: CvatClient, project: CvatProject, task_id: int) -> None:
    """Raises AdoptionError if the task was deleted or moved, or has no frames (yet)."""
    try:
        found = client.task(task_id)
    except CvatGoneError as error:
        raise AdoptionError(
            gettext("task %(task)s was deleted in CVAT") % {"task": task_id}
        ) from error
    if found["project_id"] != project.project_id:
        raise AdoptionError(
            gettext("task %(task)s is no longer in this project in CVAT") % {"task": task_id}
        )
    if not found.get("size"):
        raise AdoptionError(
            gettext("task %(task)s has no frames in CVAT, or not yet") % {"task": task_id}
        )


def _match_name(client: CvatClient, project: CvatProject, task_id: int) -> str:
    found = _match(client, project, task_id)
    return found.clip.name if found else ""


def _match(client: CvatClient, project: CvatProject, task_id: int) -> AnnotationTask | None:
    """A task of the clip whose frames the task in CVAT has."""
    try:
        names = client.frame_names(task_id)
    except (CvatGoneError, CvatBrokenError, CvatRefusedError):  # no frames yet
        return None
    first = names[0].rsplit("/", 1)[-1] if names else ""
    tasks = AnnotationTask.objects.of(project.dataset).select_related(
        "clip__video__dataset", "annotator__dataset", "run"
    )
    for task in tasks.order_by("clip", "pk"):
        if frame_name(task.clip.name, 0) == first and _frames(task) == [
            name.rsplit("/", 1)[-1] for name in names
        ]:
            return task
    return None


def _frames(task: AnnotationTask) -> list[str]:
    return [frame_name(task.clip.name, frame) for frame in range(frame_count_of(task))]
