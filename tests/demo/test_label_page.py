"""The simulated annotator on the label page."""

import pytest

from annotation.models import Annotation, AnnotationTask
from annotation.selectors.tasks import group_specs
from annotation.services.answers import read_answers
from annotation.services.packages import task_document
from datasets.core.formats.cvat_xml import dump, load
from demo.label_page_annotator import account_of, label_on_page
from demo.simulated_annotators import ANNOTATORS, annotate_package
from demo.world.renderer import TruthBox
from tests.make import make_annotator, make_clips, make_dataset, make_task, make_video
from tests.stored_files import make_ready_run

pytestmark = pytest.mark.django_db
FIRST = ANNOTATORS[0]


def truth(second: int) -> list[TruthBox]:
    """Person 1 as tracked, 2 somewhere else, and one whom nobody has tracked."""
    return [
        TruthBox(1, (100 / 640, 100 / 360, 150 / 640, 250 / 360), 1.0, ("stand",)),
        TruthBox(2, (205 / 640, 120 / 360, 265 / 640, 280 / 360), 1.0, ("walk", "wave")),
        TruthBox(3, (0.7, 0.3, 0.8, 0.9), 1.0, ("sit",) if second > 6 else ("stand",)),
    ]


@pytest.fixture
def task() -> AnnotationTask:
    dataset = make_dataset("shop")
    clip = make_clips(make_video(dataset, "aisle"))[0]
    return make_task(make_ready_run(clip), make_annotator(dataset, FIRST.name))


def test_the_answers_are_those_that_it_would_have_exported_from_cvat(task):
    dataset = task.clip.video.dataset
    export = annotate_package(
        dump(task_document(task)), annotator=FIRST, truth=truth,
        groups=group_specs(dataset), annotation_fps=dataset.annotation_fps,
    )  # fmt: skip
    document = load(export)
    label_on_page(task, account_of(dataset, FIRST.name), document)
    version = read_answers(task.versions.get().pk)
    assert (version.source, version.unfinished, version.missing_persons) == (
        "label page",
        0,
        [],
    )
    rows = Annotation.objects.filter(version=version)
    assert rows.filter(person_id=None).exists()
    assert rows.filter(person_id=1).count() == len(task.clip.keyframes())
    sitting = rows.filter(person_id=None, second__gt=10).values_list("answers", flat=True)
    assert "sit" in {answers["posture"] for answers in sitting}
