"""Answer versions: store what differs from the newest, and read it into rows.

Answers that differ from the newest version of their task are stored unchanged as a new version.
Each version is read into StoredBoxes (CVAT keyframes) and Annotations (AVA keyframes). Nothing
is overwritten: agreement and releases name the versions they use. Files come from
`answer_files.py`, jobs of a CVAT server from `cvat/jobs.py`.
"""

import gzip
from collections.abc import Sequence
from hashlib import sha256

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from annotation.core.label_document import LabelFileError
from annotation.models import (
    Annotation,
    AnnotationTask,
    Annotator,
    AnswerVersion,
    CvatJob,
    JobStateChange,
    LabelImport,
    StoredBox,
)
from annotation.selectors.tasks import former_names, group_specs
from annotation.services.answer_fit import AnswersError, HeldBackError
from annotation.services.answer_rows import answers_of, xml_document
from avaproject.base.storage import store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.accounts.activity import record
from datasets.accounts.notifications import Kind, members_with, notify
from datasets.core.action_groups import unset_groups
from datasets.core.formats.cvat_document import AnswerProblem
from datasets.core.formats.cvat_json import CvatJsonError, fingerprint
from datasets.core.formats.cvat_labels import LabelsError
from datasets.core.formats.cvat_xml import CvatXmlError
from datasets.core.roles import Act
from datasets.core.sizes import size_text

MAX_SIZE = 256 << 20  # bytes of XML; a crowded clip of 80 actions has about 20 MB
MAX_ATTEMPTS = 5
BATCH_SIZE = 2000
MAX_NOTES = 100  # of a version


def receive_answers(task: AnnotationTask, content: bytes) -> AnswerVersion | None:
    """Store the XML of a task as its next version; None if the newest says the same.

    Raises AnswersError if it is too large.
    """
    if len(content) > MAX_SIZE:
        raise AnswersError(
            _("it has more than %(most)s, too much for one clip")
            % {"most": size_text(MAX_SIZE)}
        )
    try:
        digest = fingerprint(xml_document(task, content))
    except CvatXmlError:  # stored all the same: reading says what is wrong
        digest = sha256(content).hexdigest()
    return store_version(task, content, digest, suffix="xml")


def store_version(
    task: AnnotationTask,
    content: bytes,
    digest: str,
    *,
    suffix: str,
    author: Annotator | None = None,
    job: int | None = None,
    finished_by: str = "",
    editors: Sequence[str] = (),
    even_if_same: bool = False,
    source: str = AnswerVersion.Source.FILE,
    replies: Sequence[dict[str, str]] = (),
    label_import: LabelImport | None = None,
) -> AnswerVersion | None:
    """Store `content` as the next version of `task`; None if the newest has this `digest`.

    After a version that failed, other content with the same answers is a new version: what was
    wrong may have been beside the answers.

    Args:
        digest: Equal for content with equal answers.
        author: Who finished it; the task's annotator unless given.
        suffix: "xml" or "json".
        job: CVAT's job id, if it was fetched from there.
        finished_by: Who finished the job in CVAT, if known; `editors` who saved it.
        even_if_same: Store a version anyway, as after a rejection.
        source: Where it was made, of `AnswerVersion.Source`.
        replies: Of the annotator to a reviewer's remarks.
        label_import: The import of another tool's file that it comes with.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        newest = task.versions.order_by("-number").first()
        if newest is not None and not even_if_same and _is_same(newest, content, digest):
            return None
        try:
            return _next_version(
                task, content, digest, suffix, author or task.annotator, job=job,
                finished_by=finished_by, editors=list(editors), source=source,
                replies=list(replies), label_import=label_import,
            )  # fmt: skip
        except IntegrityError:  # a version with this number was stored at the same moment
            if attempt == MAX_ATTEMPTS:
                raise
    return None


def read_answers(version_id: int) -> AnswerVersion | None:
    """Read one version into its rows; None if another worker has it or it is done."""
    version = AnswerVersion.objects.claim(version_id)
    if version is None:
        return None
    with version.working(
        CvatXmlError, CvatJsonError, LabelsError, LabelFileError, AnswersError
    ):
        dataset = version.task.clip.video.dataset
        groups, former = group_specs(dataset), former_names(dataset)
        try:
            read = answers_of(version, groups)
        except (AnswersError, CvatJsonError) as error:
            is_held_back = isinstance(error, HeldBackError)
            with transaction.atomic():
                problems = _return_to_annotator(
                    version, [AnswerProblem(getattr(error, "frame", 0), str(error))]
                )
                AnswerVersion.objects.filter(pk=version.pk).update(
                    is_held_back=is_held_back, problems=problems
                )
            raise
        persons = {row.person_id or f"track {row.track}" for row in read.annotations}
        with transaction.atomic():
            if former_names(dataset) != former:  # an action was renamed meanwhile
                version.undo_claim()
                return version
            version.boxes.all().delete()
            version.annotations.all().delete()
            StoredBox.objects.bulk_create(read.boxes, batch_size=BATCH_SIZE)
            Annotation.objects.bulk_create(read.annotations, batch_size=BATCH_SIZE)
            version.finish(
                person_count=len(persons),
                unfinished=sum(
                    len(unset_groups(row.answers, groups)) for row in read.annotations
                ),
                missing_persons=read.missing_persons,
                notes=read.notes[:MAX_NOTES],
                problems=_return_to_annotator(version, read.problems),
            )
            _tell_reviewers(version)
    return version


def _tell_reviewers(version: AnswerVersion) -> None:
    task, dataset = version.task, version.task.clip.video.dataset
    if task.purpose == AnnotationTask.Purpose.WORK:
        notify(
            dataset, Kind.TO_REVIEW, users=members_with(dataset, Act.REVIEW),
            text=_("Answers in %(dataset)s wait for review, the newest of %(task)s.")
            % {"dataset": dataset, "task": task},
            url=reverse("qc:review", args=[dataset.name]),
        )  # fmt: skip


def _return_to_annotator(
    version: AnswerVersion, problems: Sequence[AnswerProblem]
) -> list[dict[str, object]]:
    """Reopen the job of a version with problems; return them as they are stored.

    Answers that come again as they were returned are not returned a second time: a reviewer
    decides.
    """
    job = CvatJob.objects.filter(task=version.task_id, job_id=version.job).first()
    returned = JobStateChange.objects.filter(
        verdict=JobStateChange.Verdict.RETURNED, version__task=version.task_id,
        version__sha256=version.sha256,
    )  # fmt: skip
    if problems and version.job and job and not returned.exists():
        change = JobStateChange(
            job=job, version=version, verdict=JobStateChange.Verdict.RETURNED
        )
        JobStateChange.objects.bulk_create([change], ignore_conflicts=True)
        _tell_annotator(version.task)
    return [one._asdict() for one in problems[:MAX_NOTES]]


def _tell_annotator(task: AnnotationTask) -> None:
    """Notify the annotator that answers with problems came back."""
    dataset = task.clip.video.dataset
    notify(
        dataset, Kind.SENT_BACK, users=[task.annotator.user_id],
        text=_("%(task)s came back: its answers have problems, which its job in CVAT names.")
        % {"task": task},
        url=reverse("qc:my"),
    )  # fmt: skip


def confirm_answers(version: AnswerVersion, *, user: User) -> bool:
    """Read a version that was held back as it is; False if it was not held back."""
    held = AnswerVersion.objects.filter(pk=version.pk, is_held_back=True, stage=Stage.FAILED)
    with transaction.atomic():
        count = held.start_over(is_held_back=False, confirmed_by=user, problems=[])
        if count:
            record("accept answers", version, dataset=version.task.clip.video.dataset)
            returned = version.state_changes.filter(
                verdict=JobStateChange.Verdict.RETURNED
            ).first()
            if returned is not None:
                change = JobStateChange(
                    job_id=returned.job_id, version=version,
                    verdict=JobStateChange.Verdict.CONFIRMED,
                )  # fmt: skip
                JobStateChange.objects.bulk_create([change], ignore_conflicts=True)
    return bool(count)


def _is_same(newest: AnswerVersion, content: bytes, digest: str) -> bool:
    if newest.sha256 != digest or newest.withdrawn_at is not None:
        return False
    return newest.stage != Stage.FAILED or f"-{_mark(content)}." in str(newest.raw)


def _mark(content: bytes) -> str:
    return sha256(content).hexdigest()[:8]


def _next_version(
    task: AnnotationTask,
    content: bytes,
    digest: str,
    suffix: str,
    author: Annotator,
    **origin: object,
) -> AnswerVersion:
    # The name has the content's hash: the loser of a race must not touch the winner's file.
    number, mark = AnswerVersion.next_number(task), _mark(content)
    name = f"{task.clip.video.dataset.name}/answers/{task}--v{number}-{mark}.{suffix}.gz"
    with work_folder() as folder:
        path = folder / "answers.gz"
        path.write_bytes(gzip.compress(content, mtime=0))
        store(path, name)
    with transaction.atomic():
        return AnswerVersion.objects.create(
            task=task, author=author, number=number, raw=name, sha256=digest, **origin
        )
