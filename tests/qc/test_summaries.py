import json
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from annotation.models import Annotator, AnswerVersion
from annotation.models.labelling import AnswerDraft, DraftOperation
from avaproject.base.work import Stage
from qc.models import AgreementReport, AgreementSummary, Score
from qc.selectors.agreement.newest import Newest
from qc.services.agreement.reports import (
    PeriodError,
    days_of,
    order_period,
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
SIT = {"posture": "sit", "doing": ["wave"]}
NAMES = ("ann", "bob", "eve")


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def tasks(dataset):
    """Three clips with three annotators; eve says otherwise than ann and bob."""
    annotators = [make_annotator(dataset, name) for name in NAMES]
    tasks = []
    for clip in make_clips(make_video(dataset, "aisle")):
        run = make_run(clip)
        for who, said in zip(annotators, (WALK, WALK, SIT), strict=True):
            tasks.append(make_task(run, who))
            make_version(tasks[-1], said)
    return tasks


def reported():
    plan_reports()
    for pk in AgreementReport.objects.claimable().values_list("pk", flat=True):
        report_agreement(pk)


def summarised():
    reported()
    plan_summaries()
    for pk in AgreementSummary.objects.claimable().values_list("pk", flat=True):
        summarise(pk)
    return AgreementSummary.objects.order_by("-pk").first()


def group(figures, name):
    return next(one for one in figures.groups if one.name == name)


def figures_of(summary):
    """With the names that pages show for the stored keys."""
    return Newest(summary, is_coming=False).complete()


def came(clip, moment):
    AnswerVersion.objects.filter(task__clip=clip).update(created_at=moment)


def test_a_summary_waits_until_all_reports_that_were_ordered_are_there(tasks):
    plan_reports()
    assert plan_summaries() == 0
    reported()
    assert (plan_summaries(), plan_summaries()) == (1, 0)


def test_a_page_reads_the_parts_of_a_summary_that_it_shows(dataset, tasks):
    newest = Newest(summarised(), is_coming=False)
    whole, head, of_pair = newest.complete(), newest.figures, newest.of_people("bob", "ann")
    assert [one.groups for one in head.pairs] == [[], [], []]
    assert [one.clips for one in head.annotators] == [[], [], []]
    assert [one.groups for one in of_pair.pairs] == [whole.pairs[0].groups, [], []]
    (of_ann, *others) = newest.of_people("ann").annotators
    assert of_ann == whole.annotators[0]
    assert of_ann.totals.clips == len(of_ann.clips) > 0
    assert [one.groups for one in others] == [[], []]
    of_group = newest.of_group("posture")
    for one, all_of_it in zip(of_group.pairs, whole.pairs, strict=True):
        assert one.groups == [group(all_of_it, "posture")]
    assert list(newest.with_clips().clips) == list(whole.clips)
    assert newest.of_group("none").pairs == head.pairs


def test_a_summary_has_every_pair_and_every_annotator(dataset, tasks):
    figures = figures_of(summarised())
    assert [(one.a, one.b) for one in figures.pairs] == [
        ("ann", "bob"), ("ann", "eve"), ("bob", "eve"),
    ]  # fmt: skip
    alike, apart = figures.pairs[:2]
    assert group(alike, "posture").coefficients["percent"].value == 1.0
    assert group(alike, "posture").coefficients["alpha"].reason == "only one category was used"
    assert group(apart, "posture").coefficients["percent"].value == 0.0
    assert apart.coefficients["alpha"].value < 0
    assert [one.name for one in figures.annotators] == list(NAMES)
    ann, _, eve = figures.annotators
    assert group(ann, "posture").coefficients["percent"].value == 0.5
    assert group(eve, "posture").coefficients["percent"].value == 0.0
    few = "fewer than 8 clips to compare"
    assert group(ann, "posture").coefficients["ac1"].no_interval == few
    assert ann.flicker.value == 0.0
    assert [one.clip for one in ann.clips] == [
        "aisle-c0000",
        "aisle-c0001",
        "aisle-c0002",
    ]
    assert ann.clips[0].compared > 0
    assert figures.reports == list(AgreementReport.objects.values_list("pk", flat=True))
    json.dumps(figures.to_json(), allow_nan=False)


def test_error_rates_tell_who_stands_alone(tasks):
    rates = figures_of(summarised()).error_rates["posture"]
    [fit] = rates.fits
    assert fit.classes == ["stand", "walk", "sit", "unknown"]
    walk = fit.classes.index("walk")
    assert fit.confusion["ann"][walk][walk] > 0.6  # six judgements, not one for each frame
    assert fit.confusion["eve"][walk][walk] < 0.15  # never: the smoothing of six judgements
    assert rates.vs_majority.units == rates.vs_majority.same > 0


def test_a_newer_summary_takes_the_place_of_the_old_one(dataset, tasks):
    old = summarised()
    make_version(tasks[2], WALK)
    new = summarised()
    assert new.pk != old.pk
    assert list(AgreementSummary.objects.all()) == [new]
    changed = group(figures_of(new).dataset, "posture").coefficients["percent"].value
    assert changed > group(figures_of(old).dataset, "posture").coefficients["percent"].value


def test_a_summary_that_took_long_is_not_made_again_at_once(dataset, tasks, client):
    summary = summarised()
    now = timezone.now()
    AgreementSummary.objects.update(
        started_at=now - timedelta(minutes=2), finished_at=now - timedelta(minutes=1)
    )
    make_version(tasks[0], SIT)
    reported()
    assert plan_summaries() == 0
    client.force_login(make_user(is_superuser=True))
    page = client.get(reverse("qc:agreement", args=["shop"])).content.decode()
    assert "newer answers are not in it yet" in page
    an_hour = timedelta(hours=1)
    AgreementSummary.objects.filter(pk=summary.pk).update(
        started_at=now - an_hour, finished_at=now - an_hour + timedelta(minutes=1)
    )
    assert plan_summaries() == 1


def test_nothing_new_orders_nothing(tasks):
    summarised()
    assert plan_summaries() == 0


def test_summarising_twice_changes_nothing(tasks):
    summary = summarised()
    assert summarise(summary.pk) is None
    AgreementSummary.objects.filter(pk=summary.pk).update(stage=Stage.WAITING)
    assert summarise(summary.pk).figures == summary.figures


def test_a_summary_in_other_hands_is_left_alone(tasks):
    reported()
    plan_summaries()
    summary = AgreementSummary.objects.get()
    AgreementSummary.objects.claim(summary.pk)
    assert summarise(summary.pk) is None


def test_a_dataset_that_nobody_answered_gets_no_summary(dataset):
    assert plan_summaries() == 0


def test_a_period_has_the_clips_whose_last_answers_came_in_it(dataset, tasks):
    for day, task in zip((5, 15, 25), tasks[::3], strict=True):
        came(task.clip, datetime(2026, 1, day, 23, 59, tzinfo=UTC))
    reported()
    summary = order_period(dataset, "2026-01-01/2026-01-15")
    assert order_period(dataset, "2026-01-01/2026-01-15") == summary
    figures = figures_of(summarise(summary.pk))
    assert figures.dataset.clips == 2
    assert figures_of(summarised()).dataset.clips == 3
    assert AgreementSummary.objects.count() == 2


def test_the_days_of_a_period_are_those_of_the_configured_time_zone(dataset, tasks, settings):
    settings.TIME_ZONE = "Asia/Tokyo"  # 9 hours before UTC
    for hour, task in zip((14, 15, 16), tasks[::3], strict=True):
        came(task.clip, datetime(2026, 1, 14, hour, 30, tzinfo=UTC))
    reported()
    for period, clips in (("2026-01-14/2026-01-14", 1), ("2026-01-15/2026-01-15", 2)):
        figures = figures_of(summarise(order_period(dataset, period).pk))
        assert figures.dataset.clips == clips


def test_annotators_and_pairs_are_in_the_order_of_their_names(dataset, tasks):
    Annotator.objects.filter(name="ann").update(name="zoe")
    figures = figures_of(summarised())
    assert [one.name for one in figures.annotators] == ["bob", "eve", "zoe"]
    assert [(one.a, one.b) for one in figures.pairs] == [
        ("bob", "eve"), ("bob", "zoe"), ("eve", "zoe"),
    ]  # fmt: skip
    of_pair = Newest(AgreementSummary.objects.latest("pk"), is_coming=False)
    assert all(of_pair.of_people("bob", "zoe").pairs[1].groups)


def test_an_empty_period_has_reasons_and_no_numbers(dataset, tasks):
    reported()
    summary = order_period(dataset, "2001-01-01/2001-12-31")
    figures = figures_of(summarise(summary.pk))
    assert figures.dataset.clips == 0
    assert group(figures.dataset, "posture").coefficients["alpha"].value is None
    assert (figures.pairs, figures.annotators) == ([], [])


@pytest.mark.parametrize(
    ("period", "sentence"),
    [("2026-01-01", "is not a period"), ("a/b", "is not a period"),
     ("2026-02-01/2026-01-01", "before it starts")],
)  # fmt: skip
def test_what_is_no_period_is_refused(dataset, period, sentence):
    with pytest.raises(PeriodError, match=sentence):
        order_period(dataset, period)


def test_answers_kept_within_a_second_are_counted_beside_agreement(dataset, tasks, client):
    version = tasks[0].versions.get()
    draft = AnswerDraft.objects.create(task=tasks[0], revision=1, start={}, version=version)
    log = [("set", 2000), ("keep", 400), ("keep", 900), ("keep", 1100), ("box", 5000)]
    for number, (kind, ms) in enumerate(log, start=1):
        DraftOperation.objects.create(
            draft=draft, key=str(number), number=number, content={"kind": kind}, active_ms=ms
        )
    ann, bob, _ = figures_of(summarised()).annotators
    assert (ann.decisions, ann.seconds_per_decision) == (4, 1.1)
    assert ann.kept_at_once.value == pytest.approx(2 / 3, abs=1e-6)
    assert ann.kept_at_once.units == 3
    assert bob.kept_at_once.reason == "nothing was kept on the label page"
    assert bob.seconds_per_decision is None


def test_a_period_includes_its_last_day():
    since, until = days_of("2026-01-01/2026-01-31")
    assert (since.day, until.day) == (1, 31)


def test_weighted_votes_are_calibrated_on_gold_clips(dataset, tasks, client):
    expert = make_task(tasks[0].run, make_annotator(dataset, "expert"), purpose="gold")
    make_version(expert, WALK)
    figures = figures_of(summarised())
    seconds = len(tasks[0].clip.keyframes())
    found = figures.calibration["posture"]
    assert (found.units, found.majority_right) == (2 * seconds, 2 * seconds)
    assert 0 < found.said <= 1
    assert figures.error_rates["posture"].fits[0].is_converged
    client.force_login(make_user(is_superuser=True))
    page = client.get(reverse("qc:agreement-group", args=["shop", "posture"])).content.decode()
    assert "Fit converged after" in page
    assert found.sentence in page


def test_a_gold_answer_renews_the_calibration(dataset, tasks):
    """Without a new report: gold checks are compared with nobody."""
    assert figures_of(summarised()).calibration == {}
    expert = make_task(tasks[0].run, make_annotator(dataset, "expert"), purpose="gold")
    key = make_version(expert, WALK)
    assert plan_summaries() == 0  # nothing is measured with it yet
    Score.objects.create(version=tasks[0].versions.get(), key=key, stage=Stage.DONE)
    assert plan_summaries() == 1
    (summary,) = AgreementSummary.objects.claimable()
    assert figures_of(summarise(summary.pk)).calibration["posture"].units > 0
    assert plan_summaries() == 0


def test_a_gold_score_alone_makes_no_summary(dataset, tasks):
    key = make_version(
        make_task(tasks[0].run, make_annotator(dataset, "expert"), purpose="gold"), WALK
    )
    Score.objects.create(version=tasks[0].versions.get(), key=key, stage=Stage.DONE)
    assert plan_summaries() == 0


def test_without_gold_clips_the_calibration_is_not_known(dataset, tasks, client):
    summarised()
    client.force_login(make_user(is_superuser=True))
    page = client.get(reverse("qc:agreement-group", args=["shop", "posture"])).content.decode()
    assert "Not known: no gold clip was answered by three annotators." in page
