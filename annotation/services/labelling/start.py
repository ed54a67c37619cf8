"""What a draft of the label page begins with: the persons given out, or an earlier version."""

from django.utils.translation import gettext as _

from annotation.core.answer_checks import with_current_names
from annotation.core.box_paths import INSIDE, OUTSIDE, BoxPath, PathShape
from annotation.core.label_document import LabelFileError, state_of
from annotation.core.label_state import LabelState, LabelTask, Lane, with_current_answers
from annotation.models import AnnotationTask, AnswerVersion
from annotation.selectors.tasks import former_names
from annotation.services.answer_fit import AnswersError
from annotation.services.answer_rows import label_state, version_document
from annotation.services.labelling.refusals import StartError
from annotation.services.packages import PackageError, task_document
from datasets.core.formats.cvat_json import CvatJsonError
from datasets.core.formats.cvat_labels import PERSON_ID, LabelsError
from datasets.core.formats.cvat_xml import CvatXmlError


def start_state(
    task: AnnotationTask, about: LabelTask, base: AnswerVersion | None
) -> LabelState:
    """The state that a draft of `task` begins with. Raises StartError.

    Args:
        base: The version to go on from; of another task, if that one is revised: then nothing
            counts as looked at.
    """
    try:
        if base is None:
            return _given_out(task, about)
        state = _of_version(base, about)
    except FileNotFoundError as error:
        raise StartError(_("The file that this task begins with is missing.")) from error
    except (PackageError, LabelFileError, CvatXmlError, CvatJsonError, LabelsError,
            AnswersError) as error:  # fmt: skip
        raise StartError(
            _("This task cannot be opened: %(error)s.") % {"error": error}
        ) from error
    if base.task_id != task.pk:
        state.remarks = {}
        for lane in state.persons.values():
            lane.seen = set()
    return state


def _given_out(task: AnnotationTask, about: LabelTask) -> LabelState:
    state = LabelState()
    for track in task_document(task).tracks:
        number = int(track.shapes[0].attributes[PERSON_ID])
        shapes = [
            PathShape(one.frame * about.step, one.box, OUTSIDE if one.outside else INSIDE)
            for one in track.shapes
        ]
        state.persons[str(number)] = Lane(number, BoxPath(shapes, []), label=track.label)
    return state


def _of_version(version: AnswerVersion, about: LabelTask) -> LabelState:
    former = former_names(version.task.clip.video.dataset)
    if version.source == AnswerVersion.Source.LABEL_PAGE:
        return with_current_answers(label_state(version), former)
    persons = set(version.task.run.persons.values_list("person_id", flat=True))
    document = with_current_names(version_document(version), about.groups, former)
    return state_of(document, about, persons)
