"""Whether answers fit their task: its frames, their size, and the persons given out."""

from collections import defaultdict
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from annotation.core.answer_checks import OWN_IOU, Fit, fit, is_of_another_clip
from annotation.core.cvat_tracks import task_frame_count
from annotation.models import Annotation, AnnotationTask
from datasets.core.formats.cvat_document import Document
from datasets.core.untrusted import UntrustedDataError
from tracking.models import Proposal

OTHER_CLIPS = 500  # compared with answers whose persons lie nowhere near the given ones
CONFIRM_HINT = gettext_noop("If it is right, accept it as it is on the page of tasks")


class AnswersError(UntrustedDataError):
    """The answers do not fit the task; `frame` of the CVAT task is where."""

    def __init__(self, message: str, *, frame: int = 0) -> None:
        super().__init__(message)
        self.frame = frame


class HeldBackError(AnswersError):
    """The answers can be read, but look wrong; somebody may confirm them."""


def frame_count_of(task: AnnotationTask) -> int:
    """Frames of the CVAT task."""
    fps = task.clip.video.dataset.annotation_fps
    return task_frame_count(task.clip.frame_count, annotation_fps=fps)


def check_task(document: Document, task: AnnotationTask) -> None:
    """Raise AnswersError if the file belongs to another task or to other frames."""
    clip, video = task.clip, task.clip.video
    named = document.task_name
    if named != str(task) and named in map(str, AnnotationTask.objects.of(video.dataset)):
        raise AnswersError(
            _("these are the answers to %(named)s, not to %(task)s")
            % {"named": named, "task": task}
        )
    frames = frame_count_of(task)
    if document.frame_count not in (0, frames):
        raise AnswersError(
            _(
                "its task has %(frame_count)s frames, but %(clip)s has %(frames)s: export "
                "the whole task that was created from this clip's frames.zip"
            )
            % {"frame_count": document.frame_count, "clip": clip, "frames": frames}
        )
    last = max((shape.frame for one in document.tracks for shape in one.shapes), default=0)
    if last > frames:  # a track may end with the clip, one frame after its last
        raise AnswersError(
            _("it has a box at frame %(last)s, but %(clip)s has %(frames)s frames")
            % {"last": last, "clip": clip, "frames": frames}
        )
    size = (document.width, document.height)
    if size not in ((0, 0), (video.width, video.height)):
        raise AnswersError(
            _(
                "its frames have %(x)sx%(y)s pixels, but those of %(clip)s have "
                "%(width)sx%(height)s"
            )
            % {
                "x": size[0],
                "y": size[1],
                "clip": clip,
                "width": video.width,
                "height": video.height,
            }
        )


def given_boxes(runs: list[int]) -> dict[int, dict[tuple[int, int], list[float]]]:
    """The boxes of each tracking run, by second and person."""
    found: dict[int, dict[tuple[int, int], list[float]]] = defaultdict(dict)
    rows = Proposal.objects.filter(run__in=runs).values_list(
        "run_id", "second", "person_id", "x1", "y1", "x2", "y2"
    )
    for run, second, person, *box in rows:
        found[run][second, person] = box
    return found


def check_plausible(
    task: AnnotationTask,
    annotations: list[Annotation],
    given: Mapping[tuple[int, int], list[float]],
) -> None:
    """Raise HeldBackError for an empty answer, and for one that lies nowhere near its clip."""
    persons = len({person for _, person in given})
    if persons and not annotations:
        raise HeldBackError(
            ngettext(
                "it has nobody, but %(persons)s person was given out: was an empty job "
                "exported? %(hint)s",
                "it has nobody, but %(persons)s persons were given out: was an empty job "
                "exported? %(hint)s",
                persons,
            )
            % {"persons": persons, "hint": _(CONFIRM_HINT)}
        )
    boxes = {
        (row.second, row.person_id): (row.x1, row.y1, row.x2, row.y2)
        for row in annotations
        if row.person_id is not None
    }
    own = fit(boxes, given)
    if not own.places or own.mean >= OWN_IOU:
        return
    is_other, clip = is_of_another_clip(own, _fits_elsewhere(task, boxes))
    if is_other:
        where = _(": they are those of %(clip)s") % {"clip": clip} if clip else ""
        raise HeldBackError(
            _(
                "its persons lie nowhere near those given out for %(clip)s%(where)s. Was "
                "the file renamed or swapped? %(hint)s"
            )
            % {"clip": task.clip, "where": where, "hint": _(CONFIRM_HINT)}
        )


def _fits_elsewhere(
    task: AnnotationTask, boxes: Mapping[tuple[int, int], tuple[float, float, float, float]]
) -> dict[str, Fit]:
    """How well boxes fit other clips: first those of the same annotator, then any."""
    others = AnnotationTask.objects.of(task.clip.video.dataset).exclude(clip=task.clip)
    for tasks in (others.filter(annotator=task.annotator), others):
        clips = dict(tasks.order_by("clip").values_list("run_id", "clip__name")[:OTHER_CLIPS])
        fits = {
            clips[run]: fit(boxes, given) for run, given in given_boxes(list(clips)).items()
        }
        if is_of_another_clip(Fit(1, 0.0, 1.0), fits)[0]:
            return fits
    return {}
