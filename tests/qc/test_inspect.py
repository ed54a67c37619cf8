from datetime import timedelta

import pytest
from django.utils import timezone

from annotation.models import AnnotationTask, Annotator, AnswerVersion
from qc.core.agreement.figures import AnnotatorWork
from qc.models import QualityRules
from qc.services.agreement import quality_checks
from qc.services.agreement.quality_checks import (
    AnnotationTimes,
    annotation_times,
    findings_of,
    work_of,
)
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_version,
    make_video,
)

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
UNSET = {"posture": "unset", "doing": "unset"}


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
    versions = []
    for run, _ in zip(runs, minutes, strict=False):
        task = make_task(run, who)
        AnnotationTask.objects.filter(pk=task.pk).update(finished_at=moment)
        versions.append(make_version(task, answers))
    for version, took in zip(versions, minutes, strict=True):
        moment += took * MINUTE
        AnswerVersion.objects.filter(pk=version.pk).update(created_at=moment)
        version.refresh_from_db()
    return versions


def rules_broken(version):
    return [finding.rule for finding in findings_of([version])[version.pk]]


def test_a_task_done_in_under_a_tenth_of_the_usual_time_is_found(dataset, runs):
    versions = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 2.5, 35, 30)
    assert [("too-fast" in rules_broken(version)) for version in versions] == [False] * 3 + [
        True
    ] + [False] * 2
    sentence = next(one.sentence for one in findings_of([versions[3]])[versions[3].pk])
    assert sentence == "Finished in 2 min; the median of all tasks is 30 min."


def test_few_tasks_have_no_usual_time(dataset, runs):
    versions = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 2.5)
    assert annotation_times(dataset).median is None
    assert "too-fast" not in rules_broken(versions[3])


def test_answers_that_are_corrected_are_not_held_against_the_first_time(dataset, runs):
    versions = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 30, 35)
    again = make_version(versions[0].task)
    assert "too-fast" not in rules_broken(again)
    assert work_of([again])[again.pk].seconds is None


def test_simulated_annotators_take_no_time(dataset, runs):
    who = make_annotator(dataset, "robot")
    Annotator.objects.filter(pk=who.pk).update(is_simulated=True)
    versions = worked(runs, who, 30, 40, 30, 2.5, 35)
    assert annotation_times(dataset, versions) == AnnotationTimes({}, None)


def test_the_work_in_a_version(dataset, runs):
    [version] = worked(runs, make_annotator(dataset, "ann"), 30, answers=UNSET)
    keyframes = len(runs[0].clip.keyframes())
    assert work_of([version])[version.pk] == AnnotatorWork(
        at=version.created_at.isoformat(timespec="seconds"),
        seconds=1800.0, boxes=2 * keyframes, tracks=2, unedited=2,
    )  # fmt: skip


def test_a_finding_names_what_is_no_person_by_its_class(dataset, runs):
    dataset.classes = "person, vehicle"
    dataset.save()
    [version] = worked(runs[:1], make_annotator(dataset, "ann"), 30)
    persons = runs[0].clip.video.persons
    assert persons.filter(person_id=2).update(label="vehicle") == 1
    version.annotations.filter(person_id=2).delete()
    second = version.annotations.order_by("second").first().second
    place = {"x1": 400.0, "y1": 10.0, "x2": 460.0, "y2": 90.0}
    for track in (7, 8):
        version.annotations.create(
            second=second, track=track, label="vehicle",
            answers={"posture": "walk", "doing": []}, **place,
        )  # fmt: skip
    AnswerVersion.objects.filter(pk=version.pk).update(missing_persons=[1, 2])
    said = [one.sentence for one in findings_of([version])[version.pk]]
    assert said == [
        "Two boxes overlap (IoU 1.00): is one vehicle drawn twice?",
        "Person 1 was given out and is missing: deleted on purpose, or lost?",
        "P2 vehicle was given out and is missing: deleted on purpose, or lost?",
    ]


def test_a_dataset_may_switch_rules_off(dataset, runs):
    [version] = worked(runs, make_annotator(dataset, "ann"), 30, answers=UNSET)
    assert "required-group-unset" in rules_broken(version)
    QualityRules.objects.create(dataset=dataset, switched_off=["required-group-unset"])
    assert rules_broken(version) == ["unedited-track"] * 2


def test_the_rules_of_one_dataset_are_not_those_of_another(dataset, runs):
    QualityRules.objects.create(dataset=make_dataset(), switched_off=["required-group-unset"])
    [version] = worked(runs, make_annotator(dataset, "ann"), 30, answers=UNSET)
    assert "required-group-unset" in rules_broken(version)


def test_checking_a_version_reads_as_much_in_a_larger_dataset(dataset, runs, monkeypatch):
    monkeypatch.setattr(quality_checks, "NEIGHBOURS", 2)
    monkeypatch.setattr(quality_checks, "TASKS_FOR_MEDIAN", 2)
    versions = worked(runs, make_annotator(dataset, "ann"), 30, 40, 30, 50, 35)
    times = annotation_times(dataset, versions)
    assert sorted(times.by_task.values()) == [1800, 1800, 2100, 2400, 3000]
    assert quality_checks._newest_times(dataset) == {versions[-1].task_id: 2100}


def test_answers_submitted_together_with_very_many_have_no_time(dataset, runs, monkeypatch):
    monkeypatch.setattr(quality_checks, "NEIGHBOURS", 2)
    versions = worked(runs, make_annotator(dataset, "ann"), 30, 1, 1, 1, 60)
    times = annotation_times(dataset, versions).by_task
    assert set(times) == {versions[-1].task_id}
