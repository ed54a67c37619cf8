import csv
from io import StringIO

import pytest
from django.urls import reverse
from django.utils.html import escape

from datasets.models import Member
from qc.core.agreement.explanations import EXPLANATIONS, INTERVALS
from qc.models import AgreementReport, AgreementSummary, Consensus, QualityRules, Review
from qc.selectors.agreement.explained import box_figures_of, figures_by_name
from qc.selectors.agreement.newest import newest_summary
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from qc.services.consensus.adjudicate import adjudicate
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
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
UNSET = {"posture": "unset", "doing": []}
NAMES = ("ann", "bob", "eve")
PAGES = {
    "agreement": (),
    "agreement-group": ("posture",),
    "agreement-pair": ("ann", "eve"),
    "agreement-annotator": ("eve",),
    "agreement-clip": ("aisle-c0000",),
    "quality-rules": (),
}


@pytest.fixture
def admin(client):
    user = make_user("boss")
    client.force_login(user)
    return user


@pytest.fixture
def dataset(admin):
    return make_dataset("shop", owner=admin)


@pytest.fixture
def tasks(dataset):
    annotators = [make_annotator(dataset, name) for name in NAMES]
    tasks = []
    for clip in make_clips(make_video(dataset, "aisle")):
        run = make_run(clip)
        for who, said in zip(annotators, (WALK, UNSET, SIT), strict=True):
            tasks.append(make_task(run, who))
            make_version(tasks[-1], said)
    reckon()
    return tasks


def reckon():
    plan_reports()
    for pk in AgreementReport.objects.claimable().values_list("pk", flat=True):
        report_agreement(pk)
    plan_summaries()
    for pk in AgreementSummary.objects.claimable().values_list("pk", flat=True):
        summarise(pk)


def url(page):
    return reverse(f"qc:{page}", args=["shop", *PAGES[page]])


def rows_of(response):
    return list(csv.DictReader(StringIO(response.content.decode())))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_shown_and_every_table_in_it_is_a_file(client, tasks, page):
    response = client.get(url(page))
    assert response.status_code == 200
    shown = response.content.decode()
    assert "nan" not in shown.lower().replace("finance", "")
    names = {part.split('"')[0] for part in shown.split("csv=")[1:]}
    assert names or page == "quality-rules"
    for name in names:
        table = client.get(url(page), {"csv": name})
        assert table["Content-Type"].startswith("text/csv")
        assert len(rows_of(table)) >= 0
        assert len(table.content.decode().splitlines()[0]) > 3


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_sees_none_of_it(client, tasks, page):
    client.force_login(make_user())
    assert client.get(url(page)).status_code == 404
    client.logout()
    assert client.get(url(page)).status_code == 302


@pytest.mark.parametrize("page", ["agreement-group", "agreement-pair", "agreement-annotator",
                                  "agreement-clip"])  # fmt: skip
def test_before_anything_was_compared_there_is_no_such_page(client, dataset, page):
    make_clips(make_video(dataset, "aisle"))
    assert client.get(url(page)).status_code == 404


def test_an_unknown_table_is_not_found(client, tasks):
    assert client.get(url("agreement"), {"csv": "secrets"}).status_code == 404


def test_undefined_figures_say_why_on_the_page_and_in_the_file(client, tasks):
    page = client.get(url("agreement-pair")).content.decode()
    assert "not defined" not in page.split("posture")[0]
    rows = {
        row["Group"]: row for row in rows_of(client.get(url("agreement"), {"csv": "groups"}))
    }
    assert float(rows["posture"]["Alpha"]) < 0
    assert rows["posture"]["Alpha, low"] == rows["posture"]["Alpha, high"] == ""
    assert rows["posture"]["Alpha, no interval because"] == "fewer than 8 clips to compare"
    assert "fewer than 8 clips to compare" in client.get(url("agreement")).content.decode()
    assert rows["posture"]["Answered"] == f"{2 / 3:.6f}"
    pairs = {
        row["Pair"]: row for row in rows_of(client.get(url("agreement"), {"csv": "pairs"}))
    }
    assert pairs["ann, bob"]["Alpha"] == ""
    assert pairs["ann, bob"]["Alpha, undefined because"]


AGREEING = (
    "Alpha",
    "Kappa",
    "AC1",
    "Raw agreement",
    "Segment IoU",
    "Boxes, F1",
    "Lowest alpha",
)


@pytest.mark.parametrize("page", [one for one in PAGES if one != "quality-rules"])
def test_identical_answers_are_1_or_undefined_in_every_file_of_every_page(
    client, dataset, page
):
    annotators = [make_annotator(dataset, name) for name in NAMES]
    clips = make_clips(make_video(dataset, "aisle"))
    for clip, said in zip(clips, (WALK, SIT, WALK), strict=True):
        run = make_run(clip)
        for who in annotators:
            make_version(make_task(run, who), said)
    reckon()
    shown = client.get(url(page)).content.decode()
    checked = 0
    for name in {part.split('"')[0] for part in shown.split("csv=")[1:]}:
        for row in rows_of(client.get(url(page), {"csv": name})):
            for column in AGREEING:
                if row.get(f"{column}, units"):
                    checked += 1
                    because = row[f"{column}, undefined because"]
                    assert (row[column] == "1.000000") != bool(because), (name, column)
    assert checked


def test_the_worst_come_first(client, tasks):
    alphas = [row["Alpha"] for row in rows_of(client.get(url("agreement"), {"csv": "pairs"}))]
    defined = [float(alpha) for alpha in alphas if alpha]
    assert defined == sorted(defined)
    assert alphas == sorted(alphas, key=lambda alpha: not alpha)  # undefined ones last


def test_while_figures_are_on_their_way_the_page_waits_and_asks_again(client, dataset):
    run = make_run(make_clips(make_video(dataset))[0])
    for name in NAMES:
        make_version(make_task(run, make_annotator(dataset, name)))
    plan_reports()
    page = client.get(url("agreement")).content.decode()
    assert "Computing agreement" in page
    assert "every 3s" in page


def test_a_pair_has_no_flicker_and_its_figures_stand_under_their_titles(client, tasks):
    file = client.get(url("agreement-pair"), {"csv": "groups"}).content.decode()
    titles, *rows = csv.reader(StringIO(file))
    assert "Flicker" not in titles
    for row in rows:
        said = dict(zip(titles, row, strict=True))
        assert (said["Answered"], said["Rated by 2+"]) == ("1.000000", said["Units"])


@pytest.mark.parametrize("table", ["pairs", "annotators"])
def test_means_over_groups_say_why_they_have_no_interval(client, tasks, table):
    file = client.get(url("agreement"), {"csv": table}).content.decode()
    rows = list(csv.DictReader(StringIO(file)))
    defined = [row for row in rows if row["Alpha"]]
    assert defined
    for name in ("Alpha", "AC1", "Raw agreement"):
        for row in defined:
            assert row[f"{name}, low"] == row[f"{name}, high"] == ""
            assert row[f"{name}, no interval because"] == "fewer than 8 clips to compare"
    for row in rows:
        assert bool(row["Alpha"]) == bool(row["Alpha, no interval because"])


@pytest.mark.parametrize("name", [one for one in PAGES if one != "quality-rules"])
def test_every_page_explains_its_figures(client, tasks, name):
    page = client.get(url(name)).content.decode()
    for one in (*EXPLANATIONS.values(), INTERVALS):
        assert escape(one.formula) in page


def test_every_figure_is_explained_with_a_sentence_for_a_paper(client, tasks):
    page = client.get(url("agreement-group")).content.decode()
    for one in (*EXPLANATIONS.values(), INTERVALS):
        for text in (one.title, one.formula, one.source, one.weakness):
            assert escape(text) in page
    figures = newest_summary(tasks[0].clip.video.dataset).figures.dataset
    posture = next(group for group in figures.groups if group.name == "posture")
    for name, figure in (figures_by_name(posture) | box_figures_of(figures)).items():
        assert escape(EXPLANATIONS[name].said(figure)) in page


def test_findings_open_the_player_at_their_frames(client, tasks):
    page = client.get(url("agreement-clip")).content.decode()
    second = tasks[0].clip.keyframes()[0]
    assert f"/datasets/shop/clips/aisle-c0000/?frame={30 * second}&amp;person=" in page
    assert "posture is not answered." in page


def test_a_period_is_ordered_and_then_shown(client, dataset, tasks):
    days = {"since": "2000-01-01", "until": "2099-12-31"}
    answer = client.post(reverse("qc:agreement-period", args=["shop"]), days, follow=True)
    assert "Computing agreement" in answer.content.decode()
    reckon()
    page = client.get(url("agreement"), days).content.decode()
    assert "2000-01-01 to 2099-12-31" in page
    assert "posture" in page


def test_a_period_that_is_none_is_refused_with_a_sentence(client, tasks):
    days = {"since": "2026-02-01", "until": "2026-01-01"}
    answer = client.post(reverse("qc:agreement-period", args=["shop"]), days, follow=True)
    assert "The last day is before the first day." in answer.content.decode()
    assert AgreementSummary.objects.count() == 1


def test_the_card_counts_first_approvals(client, admin, tasks):
    for task, verdict in zip(tasks[2::3], ("approved", "approved", "rejected"), strict=True):
        Review.objects.create(
            task=task, version=task.versions.get(), verdict=verdict, reviewer=admin
        )
    Review.objects.create(
        task=tasks[8], version=make_version(tasks[8]), verdict="approved", reviewer=admin
    )
    page = client.get(url("agreement-annotator")).content.decode()
    assert "67 %" in page


def test_the_card_tells_how_often_reviewers_decided_as_the_annotator_had_answered(
    client, admin, tasks
):
    plan_consensuses()
    for pk in Consensus.objects.claimable().values_list("pk", flat=True):
        build_clip_consensus(pk)
    person = tasks[0].run.persons.earliest("person_id").person_id
    for second, action in ((2, "sit"), (3, "walk")):
        adjudicate(
            tasks[0].clip, second=second, person_id=person, group="posture", actions=[action],
            user=admin,
        )  # fmt: skip
    page = client.get(url("agreement-annotator")).content.decode()
    assert "50 %" in page
    assert "of 2 adjudicated labels" in page


def test_an_admin_switches_a_rule_off_and_the_findings_go(client, dataset, tasks):
    before = AgreementReport.objects.first().figures["findings"]
    assert any(one["rule"] == "required-group-unset" for one in before)
    answer = client.post(
        reverse("qc:quality-rules-save", args=["shop"]),
        {"on": ["too-many-actions", "too-fast"], "vote_rule": "majority"}, follow=True,
    )  # fmt: skip
    assert "3 clips are checked again" in answer.content.decode()
    reckon()
    assert all(not report.figures["findings"] for report in AgreementReport.objects.all())
    assert AgreementSummary.objects.get().figures["dataset"]["findings"].get("blocks", 0) == 0


def test_rules_say_what_is_said_of_other_classes_where_these_are_followed(
    client, dataset, tasks
):
    said = "<i>name</i> was given out and is missing"
    page = client.get(url("quality-rules")).content.decode()
    assert "Person <i>person</i> was given out" in page
    assert said not in page
    dataset.classes = "person, vehicle"
    dataset.save()
    assert said in client.get(url("quality-rules")).content.decode()


def test_only_admins_change_the_rules(client, dataset, tasks):
    reviewer = make_user()
    Member.objects.create(dataset=dataset, user=reviewer, role=Member.Role.REVIEWER)
    client.force_login(reviewer)
    assert client.get(url("quality-rules")).status_code == 200
    answer = client.post(
        reverse("qc:quality-rules-save", args=["shop"]), {"vote_rule": "majority"}
    )
    assert answer.status_code == 404
    assert not QualityRules.objects.exists()


def test_a_rule_nobody_knows_is_refused(client, dataset, tasks):
    client.post(
        reverse("qc:quality-rules-save", args=["shop"]), {"on": ["x"], "vote_rule": "majority"}
    )
    assert not QualityRules.objects.exists()


def test_another_way_to_decide_settles_the_clips_again(client, dataset, tasks):
    plan_consensuses()
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)
    client.post(
        reverse("qc:quality-rules-save", args=["shop"]),
        {"on": ["too-many-actions"], "vote_rule": "dawid-skene"},
    )
    assert set(Consensus.objects.values_list("stage", flat=True)) == {"waiting"}
