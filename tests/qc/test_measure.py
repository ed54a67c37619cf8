import pytest
from django.urls import reverse

from annotation.models import Annotation, AnnotationTask
from qc.core.agreement.summary_figures import SummaryFigures
from qc.core.quality.gold import VersionScore
from qc.models import AgreementReport, AgreementSummary, Score
from qc.selectors.agreement.gold import flagged_count, gold_page, gold_rows
from qc.services.agreement.gold_scores import measure_answers, plan_scores
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_version,
    make_video,
)

pytestmark = pytest.mark.django_db

WALK = {"posture": "walk", "doing": []}
SIT = {"posture": "sit", "doing": []}


@pytest.fixture
def dataset():
    return make_dataset("shop", owner=make_user("boss"))


@pytest.fixture
def run(dataset):
    return make_run(make_clips(make_video(dataset, "aisle"))[0], persons=6)


@pytest.fixture
def key(dataset, run):
    task = make_task(run, make_annotator(dataset, "expert"), purpose="gold")
    make_version(task, WALK)
    return task


def annotator(name, dataset):
    return dataset.annotators.filter(name=name).first() or make_annotator(dataset, name)


@pytest.fixture
def eight(dataset):
    return gold_clips(dataset)


def gold_clips(dataset):
    """A run of each of eight gold clips."""
    runs = []
    for clip in make_clips(make_video(dataset, "hall", frame_count=3600)):
        runs.append(make_run(clip))
        expert = annotator("expert", dataset)
        make_version(make_task(runs[-1], expert, purpose="gold"), WALK)
    return runs


def check(dataset, run, name, answers, **fields):
    task = make_task(run, annotator(name, dataset), **({"purpose": "check"} | fields))
    make_version(task, answers)
    return task


def measure_all():
    plan_scores()
    for row in Score.objects.claimable():
        measure_answers(row.pk)


def test_an_answer_to_a_gold_clip_is_measured_as_it_comes_in(dataset, run, key):
    assert plan_scores() == 0
    check(dataset, run, "ann", SIT)
    assert plan_scores() == 1
    assert plan_scores() == 0
    row = measure_answers(Score.objects.get().pk)
    assert row.stage == "done"
    assert VersionScore.from_json(row.figures).expected == 6 * 13
    assert measure_answers(row.pk) is None


def test_who_is_under_the_bar_comes_first_with_the_evidence(dataset, eight):
    for run in eight:
        check(dataset, run, "ann", WALK)
        check(dataset, run, "bob", SIT)
    measure_all()
    first, second = gold_rows(dataset)
    assert (first.annotator, first.verdict, first.is_flagged) == ("bob", "below", True)
    assert (second.annotator, second.verdict, second.is_flagged) == ("ann", "above", False)
    assert [line.name for line in first.weak] == ["sit", "walk"]
    assert first.mistake_count == sum(2 * len(run.clip.keyframes()) for run in eight)
    assert first.mistakes[0][3:6] == ("posture", "walk", "sit")
    assert flagged_count(dataset) == 1


def test_a_mistake_names_what_is_no_person_by_its_class(dataset, run, key):
    run.clip.video.persons.filter(person_id=2).update(label="vehicle")
    version = key.versions.get()
    place = {"x1": 10.0, "y1": 10.0, "x2": 60.0, "y2": 90.0}
    version.annotations.create(second=2, track=9, label="vehicle", answers=WALK, **place)
    check(dataset, run, "ann", WALK)
    given = Annotation.objects.filter(version__author__name="ann", second=2)
    given.filter(person_id__in=(1, 2)).update(answers=SIT)
    drawn = {"track": 8, "label": "vehicle", "answers": SIT} | place
    given.first().version.annotations.create(second=2, **drawn)
    measure_all()
    [row] = gold_rows(dataset)
    assert [one.person for one in row.mistakes] == ["P1", "P2 vehicle", "drawn 9 vehicle"]
    assert [one.url.rpartition("person=")[2] for one in row.mistakes] == [
        "1", "2", f"{version.pk}.9",
    ]  # fmt: skip
    mistakes = Score.objects.get().figures["mistakes"]
    assert [one.get("label") for one in mistakes] == [None, "vehicle", "vehicle"]


def test_who_answers_worse_than_before_is_flagged(dataset):
    for clip in make_clips(make_video(dataset, frame_count=450 * 16)):
        run = make_run(clip, persons=1)
        make_version(
            make_task(run, annotator("expert", dataset), purpose="gold", is_blind=False), WALK
        )
        done_well = clip.index < 8
        check(dataset, run, "ann", WALK if done_well else SIT)
    measure_all()
    (row,) = gold_rows(dataset)
    assert row.drift.is_falling
    assert row.is_flagged
    assert [point.right for point in row.checks] == [
        len(point_clip.keyframes()) * (point_clip.index < 8)
        for point_clip in dataset.videos.get().clips.all()
    ]


def test_ordinary_work_on_a_gold_clip_is_measured_too(dataset, run, key):
    check(dataset, run, "ann", SIT, purpose="work")
    measure_all()
    assert [row.annotator for row in gold_rows(dataset)] == ["ann"]


def test_the_newest_answers_count_on_both_sides(dataset, run, key):
    task = check(dataset, run, "ann", SIT)
    measure_all()
    make_version(task, WALK)
    measure_all()
    assert gold_rows(dataset)[0].score.answers.share.value == 1.0
    make_version(key, SIT)
    measure_all()
    assert gold_rows(dataset)[0].score.answers.share.value == 0.0
    assert Score.objects.count() == 3


def test_a_clip_that_is_gold_no_longer_judges_nobody(dataset, eight):
    for run in eight:
        check(dataset, run, "ann", SIT)
    measure_all()
    assert flagged_count(dataset) == 1
    AnnotationTask.objects.filter(purpose="gold").update(purpose="work")
    assert gold_rows(dataset) == []
    assert flagged_count(dataset) == 0


def test_another_datasets_checks_are_not_shown(dataset, run, key):
    check(dataset, run, "ann", SIT)
    measure_all()
    other = make_dataset("other")
    assert gold_rows(other) == []
    assert flagged_count(other) == 0


def test_a_dataset_without_gold_is_not_measured(dataset, run):
    make_version(make_task(run, make_annotator(dataset, "ann")), WALK)
    assert plan_scores() == 0
    assert gold_page(dataset, []).rows == []


def test_blind_work_and_other_on_a_clip_are_measured_against_the_machine(dataset, run):
    ann = check(dataset, run, "ann", WALK, purpose="work")
    assert plan_scores() == 0
    bob = check(dataset, run, "bob", WALK, purpose="work", is_blind=True)
    bob.versions.get().annotations.filter(person_id=1).delete()
    assert plan_scores() == 2
    measure_all()
    figures = {row.version.task_id: row.figures for row in Score.objects.all()}
    assert figures[ann.pk]["kept"] == figures[ann.pk]["unchanged"] == 6 * 13
    assert figures[bob.pk]["kept"] == 5 * 13
    bias = gold_page(dataset, []).bias
    assert bias.clips == 1
    assert bias.kept.difference == pytest.approx(1 / 6)


def test_labels_of_blind_work_are_held_against_those_of_people_who_saw_boxes(
    client, dataset, run
):
    """Of six persons ann and eve, with boxes, say the same of each; bob, blind, of half."""
    half = {"posture": "walk", "doing": ["wave"]}
    for name, is_blind in (("ann", False), ("bob", True), ("eve", False)):
        task = check(dataset, run, name, WALK, purpose="work", is_blind=is_blind)
        answers = task.versions.get().annotations
        answers.filter(person_id__in=[1, 2, 3] if is_blind else [3, 4]).update(answers=SIT)
        answers.filter(person_id=5).update(answers=half)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    plan_summaries()
    summary = summarise(AgreementSummary.objects.get().pk)
    found = SummaryFigures.from_json(summary.figures).anchoring
    posture = next(one for one in found if one.name == "posture")
    assert posture.seen.coefficients["kappa"].value == 1.0
    # bob sits 1 2 3, they 3 4: same on 3 5 6 of 6, by chance (3 * 2 + 3 * 4) / 36
    assert posture.mixed.coefficients["kappa"].value == pytest.approx(
        (1 / 2 - 1 / 2) / (1 - 1 / 2)
    )
    assert posture.mixed.coefficients["kappa"].units == 2 * 6 * 13
    assert posture.mixed.coefficients["kappa"].interval is None  # of one clip only
    assert posture.blind.coefficients["kappa"].reason == "no unit was rated by two or more"
    client.force_login(dataset.members.get().user)
    url = reverse("qc:gold", args=["shop"])
    assert "Anchoring of labels" in client.get(url).content.decode()
    lines = client.get(url, {"csv": "anchoring-labels"}).content.decode().splitlines()
    assert lines[0].startswith("Group,Blind against with boxes,")
    assert any(line.startswith("posture,0.000000,") for line in lines)


def test_clips_that_all_did_alike_say_nothing_of_anchoring(dataset, run):
    for name in ("ann", "bob"):
        check(dataset, run, name, WALK, purpose="work", is_blind=True)
    plan_reports()
    report_agreement(AgreementReport.objects.get().pk)
    plan_summaries()
    summary = summarise(AgreementSummary.objects.get().pk)
    found = SummaryFigures.from_json(summary.figures).anchoring
    assert {one.mixed.units for one in found} == {0}
    assert gold_page(dataset, found).labels.rows == []


def test_the_page_shows_the_evidence_and_leads_to_the_frame(client, dataset):
    client.force_login(dataset.members.get().user)
    url = reverse("qc:gold", args=["shop"])
    assert "No answers to gold clips yet" in client.get(url).content.decode()
    runs = gold_clips(dataset)
    for run in runs:
        check(dataset, run, "bob", SIT)
        check(dataset, run, "dan", WALK, is_blind=True)
    measure_all()
    page = client.get(url).content.decode()
    assert "is below the threshold of 80 %" in page
    overview = client.get(reverse("qc:overview", args=["shop"])).content.decode()
    assert "1 annotator is below the threshold on gold clips" in overview
    assert (
        f"{reverse('qc:clip', args=['shop', runs[0].clip.name])}?frame=60&amp;person=1" in page
    )
    assert "too few answers" in page


def test_a_stranger_sees_no_gold(client, dataset):
    client.force_login(make_user())
    assert client.get(reverse("qc:gold", args=["shop"])).status_code == 404


def test_a_failed_score_is_tried_again(client, dataset, run, key):
    check(dataset, run, "ann", SIT)
    plan_scores()
    Score.objects.update(stage="failed", error="broken")
    client.force_login(dataset.members.get().user)
    client.post(reverse("qc:retry", args=["shop", "score"]))
    assert Score.objects.get().stage == "waiting"
