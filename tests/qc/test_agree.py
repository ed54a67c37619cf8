import json
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from avaproject.base.work import Stage
from qc.core.agreement.chance import NO_CHANCE
from qc.core.agreement.figures import ClipFigures, Figure
from qc.core.agreement.summary_figures import FindingCounts
from qc.core.annotator_keys import annotator_key
from qc.models import AgreementReport
from qc.services.agreement.reports import dataset_agreement, plan_reports, report_agreement
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

WALK = {"posture": "walk", "doing": []}
SIT = {"posture": "sit", "doing": ["wave"]}
UNSET = {"posture": "unset", "doing": []}


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def runs(dataset):
    return [make_run(clip) for clip in make_clips(make_video(dataset, "aisle"))]


@pytest.fixture
def annotators(dataset):
    # Figures are ordered by keys, which are texts: these three sort as their numbers do.
    return [
        make_annotator(dataset, name, pk=pk)
        for pk, name in enumerate(("ann", "bob", "eve"), 1001)
    ]


def answered(run, annotators, *answers):
    return [
        make_version(make_task(run, who), said) if said else make_task(run, who)
        for who, said in zip(annotators, answers, strict=False)
    ]


def reported():
    plan_reports()
    for pk in AgreementReport.objects.claimable().order_by("pk").values_list("pk", flat=True):
        report_agreement(pk)
    return AgreementReport.objects.order_by("-pk").first()


def group(figures, name):
    return next(one for one in figures.groups if one.name == name)


def figures_of(report):
    return ClipFigures.from_json(report.figures)


def without_intervals(figures):
    """A group's figures without its intervals, as JSON."""
    if isinstance(figures, list):
        return [without_intervals(one) for one in figures]
    if not isinstance(figures, dict):
        return figures
    left_out = ("interval", "no_interval")
    return {key: without_intervals(one) for key, one in figures.items() if key not in left_out}


def test_a_clip_is_ready_when_all_its_tasks_have_answers(runs, annotators):
    first, second = answered(runs[0], annotators, WALK, SIT)
    answered(runs[1], annotators, WALK, None)
    assert plan_reports() == 1
    report = AgreementReport.objects.get()
    assert (report.clip, report.versions) == (runs[0].clip, [first.pk, second.pk])


def test_planning_twice_creates_nothing_twice(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    assert (plan_reports(), plan_reports()) == (1, 0)


def test_a_new_version_is_compared_anew_and_the_old_report_stays(runs, annotators):
    version, _ = answered(runs[0], annotators, WALK, SIT)
    old = reported()
    make_version(version.task, SIT)
    new = reported()
    assert group(figures_of(old), "posture").coefficients["percent"].value == 0.0
    assert group(figures_of(new), "posture").coefficients["percent"].value == 1.0
    assert AgreementReport.objects.count() == 2


def test_answers_that_are_not_read_yet_do_not_count(runs, annotators):
    version, _ = answered(runs[0], annotators, WALK, SIT)
    newer = make_version(version.task, SIT)
    type(newer).objects.filter(pk=newer.pk).update(stage=Stage.WAITING)
    plan_reports()
    assert newer.pk not in AgreementReport.objects.get().versions


def test_planning_takes_the_same_queries_for_any_number_of_clips(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    with CaptureQueriesContext(
        connection,
    ) as one:
        plan_reports()
    answered(runs[1], annotators, WALK, SIT)
    answered(runs[2], annotators, WALK, SIT)
    with CaptureQueriesContext(connection) as many:
        plan_reports()
    assert len(many) == len(one)


def test_the_figures_of_a_clip(runs, annotators):
    answered(runs[0], annotators, WALK, WALK, SIT)
    figures = figures_of(reported())
    keyframes = len(runs[0].clip.keyframes())
    ann, bob, eve = (annotator_key(one.pk) for one in annotators)
    assert figures.annotators == [ann, bob, eve]
    assert figures.boxes.f1.value == 1.0
    assert figures.boxes.mean_iou.value == 1.0
    assert [(pair.a, pair.b) for pair in figures.box_pairs] == [
        (ann, bob), (ann, eve), (bob, eve),
    ]  # fmt: skip
    posture = group(figures, "posture")
    assert posture.units == posture.rated_by_two == 2 * keyframes
    assert posture.answered == 1.0
    assert posture.coefficients["percent"].value == pytest.approx(1 / 3, abs=1e-6)
    assert posture.coefficients["kappa"].left_out == 1  # ann and bob used one category only
    assert posture.coefficients["ac1"].interval is None  # one clip says nothing of others
    assert set(posture.actions) == {"stand", "walk", "sit"}
    doing = group(figures, "doing")
    assert doing.edited.units == doing.units
    json.dumps(figures.to_json(), allow_nan=False)


def test_unset_never_agrees(runs, annotators):
    answered(runs[0], annotators, UNSET, UNSET)
    posture = group(figures_of(reported()), "posture")
    assert posture.coefficients["percent"] == Figure(None, "nothing was rated", 0)
    assert posture.answered == 0.0


def test_one_annotator_alone_has_reasons_and_no_numbers(runs, annotators):
    answered(runs[0], annotators, WALK)
    figures = figures_of(reported())
    assert figures.boxes.f1.reason == "nobody drew a box"
    assert group(figures, "posture").coefficients["alpha"].value is None


def test_a_removed_person_lowers_f1_and_is_no_missing_label(runs, annotators):
    _, second = answered(runs[0], annotators, WALK, WALK)
    second.annotations.filter(person_id=2).delete()
    figures = figures_of(reported())
    assert figures.boxes.f1.value == pytest.approx(2 / 3, abs=1e-6)
    posture = group(figures, "posture")
    assert posture.answered == 1.0
    assert posture.rated_by_two == posture.units // 2


def test_a_clip_without_a_single_box_is_reported(runs, annotators):
    for version in answered(runs[0], annotators, WALK, WALK):
        version.annotations.all().delete()
    report = reported()
    assert report.stage == Stage.DONE
    assert figures_of(report).boxes.f1.value is None


def test_findings_of_the_rules_are_in_the_report(runs, annotators):
    version, _ = answered(runs[0], annotators, UNSET, WALK)
    findings = figures_of(reported()).findings
    blocking = [one for one in findings if one.severity == "blocks"]
    assert {one.rule for one in blocking} == {"required-group-unset"}
    assert {one.version for one in findings} == {version.pk}
    assert blocking[0].seconds == runs[0].clip.keyframes()


def test_reporting_twice_changes_nothing(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    report = reported()
    assert report_agreement(report.pk) is None
    AgreementReport.objects.filter(pk=report.pk).update(stage=Stage.WAITING)
    assert report_agreement(report.pk).figures == report.figures


def test_a_claimed_row_is_not_sent_twice(runs, annotators):
    answered(runs[0], annotators, WALK, SIT)
    plan_reports()
    report = AgreementReport.objects.get()
    AgreementReport.objects.claim(report.pk)
    assert report_agreement(report.pk) is None


def test_answers_that_were_deleted_fail_the_report_with_a_way_out(runs, annotators):
    version, _ = answered(runs[0], annotators, WALK, SIT)
    plan_reports()
    version.delete()
    report = report_agreement(AgreementReport.objects.get().pk)
    assert report.stage == Stage.FAILED
    assert "1 were deleted; import them again" in report.error


def test_a_dataset_pools_the_units_of_its_clips(dataset, runs, annotators):
    answered(runs[0], annotators, WALK, WALK, WALK)
    answered(runs[1], annotators, WALK, SIT)
    answered(runs[2], annotators[2:], SIT)
    reported()
    found = dataset_agreement(dataset)
    assert (found.clips, found.clips_compared) == (3, 2)
    assert found.annotators == [annotator_key(one.pk) for one in annotators]
    reports = [figures_of(report) for report in AgreementReport.objects.all()]
    posture = group(found, "posture")
    assert posture.units == sum(group(one, "posture").units for one in reports)
    alike, apart = (group(one, "posture").units for one in reports[:2])
    assert posture.coefficients["percent"].value == pytest.approx(
        alike / (alike + apart), abs=1e-6
    )
    assert found.boxes.f1.value == 1.0
    assert found.findings == FindingCounts()
    json.dumps(found.to_json(), allow_nan=False)


def test_a_dataset_counts_the_newest_report_of_a_clip(dataset, runs, annotators):
    version, _ = answered(runs[0], annotators, WALK, SIT)
    reported()
    make_version(version.task, SIT)
    reported()
    assert group(dataset_agreement(dataset), "posture").coefficients["percent"].value == 1.0


def test_a_dataset_of_one_clip_has_the_figures_of_the_clip(dataset, runs, annotators):
    answered(runs[0], annotators, WALK, WALK, SIT)
    clip, whole = figures_of(reported()), dataset_agreement(dataset)
    for name in ("posture", "doing"):
        one, other = group(clip, name), group(whole, name)
        assert other.segment_alpha.reason == NO_CHANCE
        other = replace(other, segment_alpha=None, by_seconds={})
        assert without_intervals(one.to_json()) == without_intervals(other.to_json())
    assert without_intervals(clip.boxes.to_json()) == without_intervals(whole.boxes.to_json())


def test_a_dataset_without_reports_has_no_numbers(dataset):
    found = dataset_agreement(dataset)
    assert found.clips == 0
    assert found.boxes.f1.value is None
    assert group(found, "posture").coefficients["alpha"].value is None
