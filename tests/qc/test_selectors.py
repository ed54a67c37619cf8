from datetime import timedelta

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils import timezone

from datasets.models import Upload
from qc.models import (
    AgreementReport,
    AgreementSummary,
    Consensus,
    Release,
    Review,
)
from qc.selectors.agreement.agreement_tables import agreement_page
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.agreement.table_parts import Column, Figure, Table, tone_of
from qc.selectors.clip_and_task_states import (
    CLIP_STATES,
    clips_with_state,
    tabs,
    tasks_of,
    tasks_with_state,
)
from qc.selectors.clips import clip_page, clip_rows
from qc.selectors.overview import overview, sidebar_counts
from qc.selectors.player_scene import player_scene
from qc.selectors.release.release_list import is_in_progress, release_rows
from qc.selectors.review.review_queue import pending, pending_rows
from qc.selectors.statuses import clip_statuses, refresh, refreshed_once, task_statuses
from qc.selectors.task_list import task_rows
from qc.selectors.work_kinds import work_kinds
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
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
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.models import TrackingRun

pytestmark = pytest.mark.django_db

MAY = dict.fromkeys(("see", "see_names", "review"), True)


def state_of(clip):
    return clips_with_state(clip.video.dataset).get(pk=clip.pk).state


def judge(task, verdict):
    reviewer = make_user()
    version = task.versions.order_by("-number").first()
    Review.objects.create(task=task, version=version, verdict=verdict, reviewer=reviewer)


def build_consensuses():
    plan_reports()
    plan_consensuses()
    for report in AgreementReport.objects.filter(stage="waiting"):
        report_agreement(report.pk)
    plan_summaries()
    for summary in AgreementSummary.objects.filter(stage="waiting"):
        summarise(summary.pk)
    for consensus in Consensus.objects.filter(stage="waiting"):
        build_clip_consensus(consensus.pk)


def test_a_clip_passes_its_states(dataset, clip):
    type(clip).objects.update(stage="waiting")
    assert state_of(clip) == "cutting"
    type(clip).objects.update(stage="done")
    assert state_of(clip) == "detecting"
    run = make_run(clip)
    assert state_of(clip) == "tracked"
    task = make_task(run, make_annotator(dataset))
    assert state_of(clip) == "annotating"
    make_version(task)
    assert state_of(clip) == "review"
    judge(task, "approved")
    assert state_of(clip) == "approved"
    make_version(task)
    assert state_of(clip) == "review"


def test_a_clip_with_open_items_is_not_done(clip, tasks):
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": []})
        judge(task, "approved")
    build_consensuses()
    assert state_of(clip) == "open"


def test_a_clip_with_a_rejected_task_is_being_annotated(clip, tasks):
    for task in tasks:
        make_version(task)
    judge(tasks[0], "approved")
    judge(tasks[1], "rejected")
    assert state_of(clip) == "annotating"


def test_a_clip_fails_with_its_work(clip):
    TrackingRun.objects.create(clip=clip, config_key="new", stage="failed")
    assert state_of(clip) == "failed"
    make_run(clip, config_key="newer")
    assert state_of(clip) == "tracked"


def test_tabs_count_every_state_and_show_those_that_occur(dataset, clip):
    make_run(clip)
    shown = tabs(clips_with_state(dataset), CLIP_STATES, "approved")
    assert [(tab["label"], tab["count"]) for tab in shown] == [
        ("All", 3), ("Detecting", 2), ("Ready", 1), ("Approved", 0),
    ]  # fmt: skip


def test_a_task_passes_its_states(dataset, clip):
    task = make_task(make_run(clip), make_annotator(dataset), stage="waiting")

    def state():
        return tasks_with_state(dataset).get(pk=task.pk).state

    assert state() == "writing"
    type(task).objects.update(stage="done")
    assert state() == "given"
    version = make_version(task)
    assert state() == "review"
    type(version).objects.update(stage="running")
    assert state() == "reading"
    type(version).objects.update(stage="failed", error="no XML")
    assert state() == "failed"
    assert task_rows(list(tasks_with_state(dataset)))[0].error == "no XML"


def test_the_newest_verdict_on_the_newest_answers_counts(dataset, tasks):
    task = tasks[0]
    make_version(task)
    judge(task, "approved")
    judge(task, "rejected")
    assert tasks_with_state(dataset).get(pk=task.pk).state == "rejected"
    make_version(task)
    assert [row.pk for row in pending(dataset)] == [task.pk]


def test_lists_take_the_same_queries_however_long(dataset, clip, django_assert_num_queries):
    for number in range(5):
        for one in make_clips(make_video(dataset)):
            make_version(
                make_task(make_run(one), make_annotator(dataset, f"a{number}-{one.index}"))
            )
    clips, tasks = list(clip_statuses(dataset)), list(task_statuses(dataset))
    with django_assert_num_queries(3):
        assert len(clip_rows(clips)) == 18
    with django_assert_num_queries(5):
        assert len(task_rows(tasks_of(tasks))) == 15
    waiting = list(pending(dataset))
    with django_assert_num_queries(5):
        assert len(pending_rows(waiting)) == 15


def test_the_overview_counts_every_stage(dataset, clip, tasks):
    make_version(tasks[0])
    make_video(dataset, stage="waiting", frame_count=None)
    Release.objects.create(dataset=dataset, number=1, stage="done")
    found = overview(dataset, may=MAY)
    assert [(card.title, card.value, card.of) for card in found.stages] == [
        ("Uploads", 0, 0), ("Videos", 1, 2), ("Clips", 3, 3), ("Tracking", 1, 3),
        ("Annotation", 1, 2), ("Review", 0, 1), ("Release", 1, 1),
    ]  # fmt: skip
    assert found.waiting == 1
    assert found.summary.seconds == 35
    assert [card.percent for card in found.stages][:2] == [0, 50]


def test_the_overview_shows_what_runs_and_what_failed(dataset):
    make_video(dataset, "gate", stage="running", progress=0.25, started_at=timezone.now())
    for name, error in (("a", "no weights"), ("b", "no stream"), ("c", "no weights")):
        make_video(dataset, name, stage="failed", error=error)
    found = overview(dataset, may=MAY)
    (work,) = found.running
    assert (work.sentence, work.percent) == ("Standardising gate", 25)
    first, second = found.failures  # one cause is shown once
    assert (first.count, first.error, first.kind.retry_page) == (
        2,
        "no weights",
        "datasets:retry",
    )
    assert first.sentence == "Standardising a and 1 more failed"
    assert (second.count, second.sentence) == (1, "Standardising b failed")


def test_causes_beyond_those_shown_are_counted(dataset):
    for number in range(10):
        make_video(dataset, f"v{number}", stage="failed", error=f"error {number}")
    *shown, rest = overview(dataset, may=MAY).failures
    assert (len(shown), rest.count, rest.pk) == (8, 2, 0)


def test_the_overview_takes_the_same_queries_however_much_runs(
    dataset, clip, django_assert_max_num_queries
):
    for number in range(12):
        make_video(dataset, f"v{number}", stage="failed" if number % 2 else "running")
    refresh()
    with refreshed_once(), django_assert_max_num_queries(60):
        overview(dataset, may=MAY)


def test_another_datasets_work_is_not_shown(dataset):
    make_video(make_dataset("other"), stage="failed", error="x")
    found = overview(dataset, may=MAY)
    assert not found.failures
    assert all(kind.rows.count() == 0 for kind in work_kinds(dataset))


def test_the_same_thing_several_times_in_a_row_is_one_event(dataset):
    now = timezone.now()
    Upload.objects.create(
        dataset=dataset, original_name="videos.zip", sha256="0", size=1, stage="done",
        finished_at=now - timedelta(minutes=2),
    )  # fmt: skip
    for name in ("a", "b", "c"):
        make_video(dataset, name, finished_at=now - timedelta(minutes=1))
    make_video(dataset, "d", stage="failed", error="x", finished_at=now)
    assert [event.sentence for event in overview(dataset, may=MAY).activity] == [
        "Standardising d failed", "3 videos standardised", "videos.zip unpacked",
    ]  # fmt: skip


def test_the_sidebar_has_counts_of_open_work(dataset, clip, tasks):
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": []})
    build_consensuses()
    counts = sidebar_counts(dataset)
    assert (counts["clips"], counts["tasks"], counts["pending"]) == (3, 2, 2)
    assert counts["adjudication"] == len(clip.keyframes()) * 2


def test_the_page_of_a_clip_has_persons_and_neighbouring_clips(dataset, clip):
    run = make_run(clip)
    frames = np.array([0, 1, 2, 60, 61])
    boxes = np.tile([10.0, 20.0, 30.04, 40.0], (5, 1))
    scores = np.array([0.9, np.nan, 0.9, 0.9, 0.9])
    track = Track(2, frames, boxes, scores)
    tracks = TracksFile(clip.name, 640, 360, 450, [track], cuts=[60])
    run.tracks = default_storage.save("t.gz", ContentFile(dump(tracks)))
    run.save()
    page = clip_page(dataset, clip.name)
    (person,) = page.persons
    assert (person.label, person.from_second, person.to_second) == ("P2", 0.0, 62 / 30)
    assert [tuple(part) for part in person.segments] == [(0, 3), (60, 2)]
    assert (page.previous, page.next, page.problem) == ("", "aisle-c0001", "")
    assert player_scene(clip)["cuts"] == [60]
    drawn = player_scene(clip)["persons"][0]
    assert drawn["parts"][0]["boxes"][0] == [10.0, 20.0, 30.0, 40.0]
    assert drawn["parts"][0]["scores"] == [0.9, None, 0.9]
    assert drawn["parts"][1]["start"] == 60


def test_unidentified_tracks_are_labelled_by_track(dataset, clip):
    run = make_run(clip, persons=0)
    track = Track(7, np.array([3]), np.array([[0.0, 0, 5, 5]]), np.array([0.5]))
    content = dump(TracksFile(clip.name, 640, 360, 450, [track]))
    run.tracks = default_storage.save("t.gz", ContentFile(content))
    run.save()
    page = clip_page(dataset, clip.name)
    assert page.persons[0].label == "T7"


def test_tracks_that_cannot_be_read_say_so(dataset, clip):
    make_run(clip, tracks=default_storage.save("t.gz", ContentFile(b"rubbish")))
    page = clip_page(dataset, clip.name)
    assert "cannot be read" in page.problem


def test_the_consensus_is_shown_keyframe_by_keyframe(dataset, clip, tasks):
    for task in tasks:
        make_version(task)
    build_consensuses()
    page = clip_page(dataset, clip.name)
    assert [keyframe.second for keyframe in page.consensus] == clip.keyframes()
    label = player_scene(clip)["answers"][2][1]["labels"]["posture"]
    assert label == {
        "actions": ["walk"], "rule": "unanimous", "votes": {"kim": "walk", "lee": "walk"},
    }  # fmt: skip


def test_without_a_consensus_the_player_shows_the_answers(dataset, clip, tasks):
    version = make_version(tasks[0], {"posture": "sit", "doing": ["wave"]})
    version.annotations.create(
        second=3, track=7, x1=1, y1=2, x2=30.04, y2=40, answers={"posture": "stand"}
    )
    answers = player_scene(clip)["answers"]
    assert answers[2][1]["drawn"] == {"kim": [100, 100, 150, 250]}
    assert answers[2][1]["labels"]["doing"]["votes"] == {"kim": ["wave"]}
    (drawn,) = [person for person in answers[3] if person > 2]
    assert answers[3][drawn]["box"] == [1, 2, 30, 40]


def test_agreement_shows_a_figure_or_why_there_is_none(dataset, clip, tasks):
    for task in tasks:
        make_version(task, {"posture": "walk", "doing": []})
    build_consensuses()
    page = agreement_page(dataset, newest_summary(dataset).figures)
    posture = {cells[0].value: cells for cells in page.groups.rows}["posture"]
    alpha, percent = posture[1].value, posture[5].value
    assert (alpha.value, alpha.reason) == (None, "only one category was used")
    assert percent.value == 1
    assert dict(page.boxes)["Boxes matched, F1"].value == 1
    assert page.compared == 1
    assert [cells[0].value for cells in page.people.rows] == ["kim", "lee"]
    assert page.verdicts["mut"] == ["Posture", "Doing"]


def test_clips_with_the_lowest_agreement_come_first(dataset, clip, tasks):
    for task, posture in zip(tasks, ("walk", "sit"), strict=True):
        make_version(task, {"posture": posture, "doing": []})
    build_consensuses()
    page = agreement_page(dataset, newest_summary(dataset).figures)
    ((link, lowest, group, _, _),) = page.lowest.rows
    assert (link.value, group.value, tone_of(lowest.value.value)) == (
        clip.name,
        "posture",
        "bad",
    )


def test_a_pending_task_shows_its_own_findings(dataset, clip, tasks):
    make_version(tasks[0], {"posture": "unset", "doing": []}, unfinished=24)
    make_version(tasks[1])
    build_consensuses()
    rows = {row.task.annotator.name: row for row in pending_rows(list(pending(dataset)))}
    assert "is not answered" in rows["kim"].findings[0].sentence
    assert all(line.tone != "bad" for line in rows["lee"].findings)


def test_a_finding_selects_its_person_in_the_player(client, admin, dataset, clip, tasks):
    client.force_login(admin)
    drawn = {"x1": 400.0, "y1": 100.0, "x2": 404.0, "y2": 250.0}  # far too small
    unset = {"posture": "unset", "doing": []}
    versions = [make_version(task, unset) for task in tasks]
    versions[1].annotations.create(second=2, track=9, answers=unset, **drawn)
    build_consensuses()
    shown = set()
    for row in pending_rows(list(pending(dataset))):
        for line in row.findings:
            if line.url:
                page = client.get(line.url).content.decode()
                shown.add((row.task, page.partition('data-selected="')[2].partition('"')[0]))
    kim, lee = tasks
    assert shown == {(kim, "1"), (kim, "2"), (lee, "1"), (lee, "2"), (lee, "3")}
    Consensus.objects.all().delete()
    page = client.get(reverse("qc:clip", args=["shop", clip.name]) + "?frame=60&person=9")
    assert 'data-selected="9"' in page.content.decode()
    for nobody in ("", "x", "1.x", f"{versions[0].pk}.77", f"{versions[1].pk}.9"):
        page = client.get(
            reverse("qc:clip", args=["shop", clip.name]), {"frame": 60, "person": nobody}
        )
        assert "data-selected" not in page.content.decode()


def test_no_cell_of_a_file_is_taken_for_a_formula():
    table = Table("t", "T", [Column("=1+1"), Column("@eve", "figure")])
    table.add("+2", Figure(-0.5, "", 3))
    for line in table.as_csv().splitlines():
        assert all(cell[:1] not in ("=", "+", "@") for cell in line.split(","))
    assert table.as_csv().splitlines()[1].startswith("'+2,-0.500000,")


def test_a_failed_release_has_no_download(dataset):
    Release.objects.create(
        dataset=dataset, number=1, stage="failed", error="x", archive="r.zip",
        checks=[{"name": "ids", "passed": False, "sentence": "s"}],
    )  # fmt: skip
    Release.objects.create(
        dataset=dataset, number=2, stage="done", archive="r.zip",
        counts={"videos": 2, "splits": {"train": {"videos": 2}}, "left_out": {"b": "why"},
                "parts": {"clips": 20, "annotations": 10}},
    )  # fmt: skip
    newest, failed = release_rows(dataset)
    assert (newest.is_downloadable, failed.is_downloadable) == (True, False)
    assert (newest.counts, newest.left_out) == ([("videos", 2)], [("b", "why")])
    assert newest.parts == [("annotations", 10), ("clips", 20)]
    assert len(failed.failed) == 1
    assert not is_in_progress([newest, failed])
