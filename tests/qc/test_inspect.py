from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import AnnotationTask, Annotator, Pull
from qc.models import HouseRules
from qc.services.inspect import findings_of, pace_of, work_in
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_pull,
    make_run,
    make_task,
    make_video,
)

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
UNSET = {"posture": "unset", "doing": []}


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def runs(dataset):
    videos = [make_video(dataset, name) for name in ("aisle", "door")]
    return [make_run(clip) for video in videos for clip in make_clips(video)]


def worked(runs, who, *minutes, answers=None):
    """Tasks of an annotator given out together, the answers coming after so many minutes."""
    moment = timezone.now() - timedelta(days=10)
    pulls = []
    for run, _ in zip(runs, minutes, strict=False):
        task = make_task(run, who)
        AnnotationTask.objects.filter(pk=task.pk).update(finished_at=moment)
        pulls.append(make_pull(task, answers))
    for pull, took in zip(pulls, minutes, strict=True):
        moment += took * MINUTE
        Pull.objects.filter(pk=pull.pk).update(created_at=moment)
        pull.refresh_from_db()
    return pulls


def rules_broken(pull):
    return [finding.rule for finding in findings_of([pull])[pull.pk]]


def test_a_task_done_in_under_a_tenth_of_the_usual_time_is_found(dataset, runs):
    pulls = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 2.5, 35, 30)
    assert [("too-fast" in rules_broken(pull)) for pull in pulls] == [False] * 3 + [True] + [
        False
    ] * 2
    sentence = next(one.sentence for one in findings_of([pulls[3]])[pulls[3].pk])
    assert sentence == "Done in 2 min, where 30 min is the middle of all tasks."


def test_few_tasks_have_no_usual_time(dataset, runs):
    pulls = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 2.5)
    assert pace_of(dataset).usual is None
    assert "too-fast" not in rules_broken(pulls[3])


def test_answers_that_are_corrected_are_not_held_against_the_first_time(dataset, runs):
    pulls = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 30, 35)
    again = make_pull(pulls[0].task)
    assert "too-fast" not in rules_broken(again)
    assert work_in([again])[again.pk]["seconds"] is None


def test_simulated_annotators_take_no_time(dataset, runs):
    who = make_annotator(dataset, "robot")
    Annotator.objects.filter(pk=who.pk).update(is_simulated=True)
    worked(runs, who, 30, 40, 30, 2.5, 35)
    assert pace_of(dataset).by_task == {}


def test_the_work_in_a_version(dataset, runs):
    [pull] = worked(runs, make_annotator(dataset, "ann"), 30, answers=UNSET)
    keyframes = len(runs[0].clip.keyframes())
    assert work_in([pull])[pull.pk] == {
        "at": pull.created_at.isoformat(timespec="seconds"),
        "seconds": 1800.0, "boxes": 2 * keyframes, "tracks": 2, "untouched": 2,
    }  # fmt: skip


def test_a_dataset_may_switch_rules_off(dataset, runs):
    [pull] = worked(runs, make_annotator(dataset, "ann"), 30, answers=UNSET)
    assert "required-group-unset" in rules_broken(pull)
    HouseRules.objects.create(dataset=dataset, switched_off=["required-group-unset"])
    assert rules_broken(pull) == ["untouched-track"] * 2


def test_the_rules_of_one_dataset_are_not_those_of_another(dataset, runs):
    HouseRules.objects.create(dataset=make_dataset(), switched_off=["required-group-unset"])
    [pull] = worked(runs, make_annotator(dataset, "ann"), 30, answers=UNSET)
    assert "required-group-unset" in rules_broken(pull)
