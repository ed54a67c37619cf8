"""The task of an answer file that names none: found by where its persons are.

The export of a job in CVAT has no task's name. Its persons lie where those of its clip were
given out, as in no other clip; the job's assignee, or what the file or a folder is called, says
whose answers they are.
"""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from annotation.core.answer_checks import OTHER_IOU, OWN_IOU, Places, fit
from annotation.core.cvat_tracks import interpolate_at_keyframes
from annotation.models import AnnotationTask
from annotation.services.answer_fit import AnswersError, given_boxes
from datasets.core.formats.cvat_document import Document
from datasets.core.formats.cvat_labels import PERSON_ID
from datasets.models import Dataset

MIN_PLACES = 3  # boxes compared; one alone may fit by chance


def task_by_content(
    dataset: Dataset,
    tasks: Mapping[str, AnnotationTask],
    document: Document,
    names: Sequence[str],
) -> AnnotationTask | None:
    """The task whose persons are where those of `document` are; None if no clip fits.

    Args:
        dataset: The dataset.
        tasks: Its tasks by name.
        document: The answers.
        names: What the file and the folders around it are called.

    Raises AnswersError if several clips fit, or if the clip has several annotators and nothing
    says whose answers they are.
    """
    sighted = [task for task in tasks.values() if not task.is_blind]
    given = given_boxes(sorted({task.run_id for task in sighted}))
    seconds = sorted({second for places in given.values() for second, _ in places})
    boxes = _places(document, seconds, fps=dataset.annotation_fps)
    fits = {
        run: one.mean
        for run, places in given.items()
        if (one := fit(boxes, places)).places >= min(MIN_PLACES, len(places))
        and one.places
        and one.mean >= OWN_IOU
    }
    best = max(fits.values(), default=0.0)
    if best < OTHER_IOU:
        return None
    clips = sorted({task.clip.name for task in sighted if task.run_id in fits})
    if len(clips) > 1:
        raise AnswersError(
            _(
                "it names no task, and its persons fit %(clips)s: call it "
                "%(first)s--<annotator>.xml, or as its clip is called"
            )
            % {"clips": ", ".join(clips), "first": clips[0]}
        )
    mine = [task for task in tasks.values() if task.clip.name == clips[0]]
    said = {document.assignee, *names}
    named = [task for task in mine if task.annotator.name in said]
    found = named or mine
    if len(found) == 1:
        return found[0]
    whose = " or ".join(f"{task}.xml" for task in mine)
    raise AnswersError(
        _(
            "it names no task; its persons are those of %(clips)s, but it does not say "
            "whose answers they are: call it %(whose)s"
        )
        % {"clips": clips[0], "whose": whose}
    )


def _places(document: Document, seconds: Sequence[int], *, fps: int) -> Places:
    """Boxes at `seconds` by second and person id."""
    found = {}
    for track in document.tracks:
        person = track.shapes[0].attributes.get(PERSON_ID, "").strip() if track.shapes else ""
        if person.isdecimal():
            for one in interpolate_at_keyframes(track, seconds, annotation_fps=fps):
                found[one.second, int(person)] = one.box
    return found
