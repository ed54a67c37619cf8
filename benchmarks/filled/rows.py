"""Databases filled for benchmarks: one large dataset, and many small ones.

Of every ten clips of a dataset that is not finished, one is not assigned (0), one answered by
one of two (1), one not reviewed (2), one rejected (3); one has open items (4), one in fifty
gold answers (5), one decisions (6), one boxes that differ (7). All have changed an hour ago.
"""

import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from benchmarks.filled.inserts import insert

CLIPS, CLIPS_PER_VIDEO, DATASETS, ANNOTATORS = 10_000, 4, 200, 20
PERSONS, KEYFRAMES, CVAT_KEYFRAMES = 3, 8, 5
GROUPS_LABELLED = ("walking_behavior", "phone_usage", "social_interaction")
DELIVERIES, RELEASES = 5_000, 10


def fill(
    clip_count: int = CLIPS, dataset_count: int = DATASETS, *, is_finished: bool = True
) -> None:
    """A dataset of `clip_count` clips that two annotators have answered, and small ones.

    Args:
        is_finished: Whether all answers are approved and nothing is open; else the clips are
            in all states.
    """
    from django.contrib.auth.models import User

    from annotation.models import AnnotationTask, Annotator, AnswerVersion
    from datasets.models import Clip, Dataset, Upload, Video
    from qc.models import AgreementReport, AgreementSummary, Consensus, Review
    from qc.services.answer_versions import versions_key
    from tracking.models import IdentityRun, TrackingRun
    from tracking.services.tracking_configs import wanted_configs

    def is_like(clip: int, remainder: int) -> bool:
        return not is_finished and clip % 10 == remainder

    done = _done()
    insert(Dataset, ({"name": f"set-{n:03d}"} for n in range(dataset_count)))
    datasets = list(Dataset.objects.order_by("pk"))
    key = {one.dataset: one.config_key for one in wanted_configs()}
    big = datasets[0]
    if not is_finished:
        _take_vocabulary(big)
    insert(
        Upload,
        ({"dataset_id": one.pk, "sha256": f"{n:064x}"} for n, one in enumerate(datasets)),
        original_name="a.zip", size=1, **done,
    )  # fmt: skip
    owners = [big] * (clip_count // CLIPS_PER_VIDEO) + datasets[1:]
    videos = insert(
        Video,
        ({"dataset_id": one.pk, "name": f"v{n}", "sha256": f"{n:064x}",
          "file": f"{one.name}/standard/v{n}.mp4"} for n, one in enumerate(owners)),
        size=1, frame_count=2000, width=1280, height=720, **done,
    )  # fmt: skip
    clips = insert(
        Clip,
        ({"video_id": video, "name": f"v{n}-c{index:04d}", "index": index,
          "start_frame": 450 * index}
         for n, video in enumerate(videos) for index in range(CLIPS_PER_VIDEO)),
        frame_count=450, poster="poster.jpg", **done,
    )  # fmt: skip
    of_clip = [key[one.pk] for one in owners for _ in range(CLIPS_PER_VIDEO)]
    runs = insert(
        TrackingRun,
        ({"clip_id": clip, "config_key": of_clip[n]} for n, clip in enumerate(clips)),
        track_count=PERSONS, detection_count=1000, tracks="tracks.json.gz", **done,
    )  # fmt: skip
    insert(
        IdentityRun,
        ({"video_id": video, "config_key": key[one.pk]}
         for video, one in zip(videos, owners, strict=True)),
        person_count=PERSONS, **done,
    )  # fmt: skip
    people = insert(
        Annotator, ({"dataset_id": big.pk, "name": f"a{n}"} for n in range(ANNOTATORS))
    )
    places = [(n, shift) for n in range(clip_count) for shift in (0, 1) if not is_like(n, 0)]
    tasks = insert(
        AnnotationTask,
        ({"clip_id": clips[n], "run_id": runs[n],
          "annotator_id": people[(n + shift) % ANNOTATORS],
          "purpose": "gold" if not is_finished and n % 50 == 5 and not shift else "work"}
         for n, shift in places),
        **done,
    )  # fmt: skip
    answered = [
        (task, n, shift)
        for at, (task, (n, shift)) in enumerate(zip(tasks, places, strict=True))
        if not (is_like(n, 1) and at % 2)
    ]
    versions = insert(
        AnswerVersion,
        ({"task_id": task, "author_id": people[(n + shift) % ANNOTATORS],
          "sha256": f"{task:064x}"} for task, n, shift in answered),
        number=1, unfinished=0, person_count=PERSONS, raw="x.json.gz", **done,
    )  # fmt: skip
    of_place: dict[int, list[int]] = defaultdict(list)
    for version, (_, n, _) in zip(versions, answered, strict=True):
        of_place[n].append(version)
    complete = {n: its for n, its in of_place.items() if len(its) == 2}
    insert(
        AgreementReport,
        ({"clip_id": clips[n], "versions": its, "versions_key": versions_key(its)}
         for n, its in complete.items()),
        answered_at=done["finished_at"], **done,
    )  # fmt: skip
    insert(
        Consensus,
        ({"clip_id": clips[n], "versions": its, "versions_key": versions_key(its),
          "open_count": 3 if is_like(n, 4) else 0} for n, its in complete.items()),
        single_count=0, **done,
    )  # fmt: skip
    if is_finished:
        insert(AgreementSummary, [{"dataset_id": big.pk, "reports": "0" * 64}], **done)
    else:
        for n, figures in _figures_of_reports(big, people).items():
            its = [clips[place] for place in complete if place % ANNOTATORS == n]
            AgreementReport.objects.filter(clip__in=its).update(
                figures=figures, modified_at=done["modified_at"]
            )
    reviewer = User.objects.create(username="reviewer")
    insert(
        Review,
        ({"task_id": task, "version_id": version,
          "verdict": "rejected" if is_like(n, 3) else "approved"}
         for version, (task, n, _) in zip(versions, answered, strict=True)
         if not is_like(n, 2)),
        reviewer_id=reviewer.pk, reviewed_at=done["finished_at"],
    )  # fmt: skip


def fill_boxes() -> None:
    """Persons, proposals, answers, stored boxes, consensus boxes and labels, by SQL alone."""
    from django.db import connection

    is_postgresql = connection.vendor == "postgresql"
    answers = {"walking_behavior": "walk", "phone_usage": [], "social_interaction": []}
    words = {
        "json": "jsonb" if is_postgresql else "text",
        "object": "jsonb_build_object" if is_postgresql else "json_object",
        "box": "10.0 * p.n, 20.0, 10.0 * p.n + 50, 220.0",
        "persons": _numbers(PERSONS, "p"),
        "seconds": _numbers(KEYFRAMES, "s"),
        "frames": _numbers(CVAT_KEYFRAMES, "s"),
        "answers": json.dumps(answers),
    }
    with connection.cursor() as cursor:
        for statement in BOXES:
            cursor.execute(statement % words)
        for group in GROUPS_LABELLED:
            rule = "'unanimous'" if group != GROUPS_LABELLED[0] else RULE
            cursor.execute(LABELS % (words | {"group": group, "rule": rule}))


RULE = """CASE WHEN k.clip_id % 10 = 5 AND b.second = 1 THEN 'open'
    WHEN k.clip_id % 10 = 7 AND b.second = 2 THEN 'adjudicated' ELSE 'unanimous' END"""
BOXES = (
    """INSERT INTO tracking_videoperson
        (video_id, person_id, is_drawn, boxes, name, doubt, doubt_reason, look_parts)
    SELECT v.id, p.n, FALSE, CAST('{}' AS %(json)s), '', 0.1, '', 0
    FROM datasets_video v, %(persons)s""",
    """INSERT INTO tracking_person (run_id, track_id, person_id)
    SELECT r.id, p.n, p.n FROM tracking_trackingrun r, %(persons)s""",
    """INSERT INTO tracking_proposal (run_id, second, person_id, x1, y1, x2, y2, score)
    SELECT r.id, s.n, p.n, %(box)s, 0.9
    FROM tracking_trackingrun r, %(persons)s, %(seconds)s""",
    """INSERT INTO annotation_annotation
        (version_id, second, person_id, track, x1, y1, x2, y2, answers)
    SELECT v.id, s.n, p.n, p.n - 1, %(box)s, CAST('%(answers)s' AS %(json)s)
    FROM annotation_answerversion v, %(persons)s, %(seconds)s""",
    """INSERT INTO annotation_storedbox (version_id, task_id, job, track, frame, xtl, ytl, xbr,
        ybr, outside, attributes, annotator)
    SELECT v.id, v.task_id, NULL, p.n, 15 * s.n, %(box)s, FALSE,
        CAST('%(answers)s' AS %(json)s), a.name
    FROM annotation_answerversion v JOIN annotation_annotator a ON a.id = v.author_id,
        %(persons)s, %(frames)s""",
    """INSERT INTO qc_consensusbox (consensus_id, second, person_id, x1, y1, x2, y2, drawn_by,
        drawn, min_iou, is_box_decided, status)
    SELECT k.id, s.n, p.n, %(box)s, CAST('[]' AS %(json)s), CAST('{}' AS %(json)s),
        CASE WHEN k.clip_id %% 10 = 8 AND s.n = 1 THEN 0.6 ELSE 0.9 END, FALSE, 'agreed'
    FROM qc_consensus k, %(persons)s, %(seconds)s""",
)
LABELS = """INSERT INTO qc_consensuslabel (box_id, "group", actions, votes, rule)
    SELECT b.id, '%(group)s', CAST('["walk"]' AS %(json)s), %(object)s(
        '#' || CAST((SELECT min(id) FROM annotation_annotator) AS varchar), 'walk',
        '#' || CAST((SELECT max(id) FROM annotation_annotator) AS varchar), 'run'), %(rule)s
    FROM qc_consensusbox b JOIN qc_consensus k ON k.id = b.consensus_id"""


def fill_records() -> None:
    """What people and CVAT add to the large dataset: decisions, jobs, scores, releases."""
    from django.contrib.auth.models import User

    from annotation import models as annotation
    from datasets.models import Clip, Dataset, Member
    from qc import models as qc
    from tracking.models import Bundle, Experiment, TrackingRun, VideoPerson

    done = _done()
    big = Dataset.objects.order_by("pk")[0]
    reviewer = User.objects.get(username="reviewer")
    insert(
        Member, ({"dataset_id": one.pk} for one in Dataset.objects.all()), user_id=reviewer.pk
    )
    clips = list(Clip.objects.of(big).order_by("pk").values_list("pk", "video", "name"))
    persons: dict[int, list[int]] = defaultdict(list)
    of_big = VideoPerson.objects.filter(video__dataset=big)
    for video, person in of_big.values_list("video", "pk"):
        persons[video].append(person)
    insert(
        qc.Adjudication,
        ({"clip_id": clip, "video_person_id": person}
         for clip, video, _ in clips[6::10] for person in persons[video]),
        second=2, group="walking_behavior", actions=["walk"], decided_by_id=reviewer.pk,
    )  # fmt: skip
    tasks = list(annotation.AnnotationTask.objects.order_by("pk").values_list("pk", flat=True))
    insert(
        qc.Comment, ({"task_id": task} for task in tasks[::20]),
        author_id=reviewer.pk, text="Look again.",
    )  # fmt: skip
    server = annotation.CvatServer.objects.create(name="cvat", url="http://cvat", **done)
    project = annotation.CvatProject.objects.create(
        dataset=big, server=server, project_id=1, label_id=1, **done
    )
    insert(
        annotation.CvatJob,
        ({"task_id": task, "cvat_task_id": n, "job_id": n} for n, task in enumerate(tasks, 1)),
        project_id=project.pk, assignee="kim", cvat_stage="acceptance",
        cvat_state="completed", changed_at=done["finished_at"],
        fetched_at=done["finished_at"], **done,
    )  # fmt: skip
    insert(
        annotation.WebhookDelivery,
        ({"sha256": f"{n:064x}", "job_id": n} for n in range(DELIVERIES)),
        server_id=server.pk, body="{}", event="update:job", project_id=1, outcome="polled",
        **done,
    )  # fmt: skip
    insert(
        annotation.Reconciliation, ({} for _ in range(DELIVERIES // 10)),
        project_id=project.pk, summary="nothing new", **done,
    )  # fmt: skip
    annotation.LabelImport.objects.create(
        dataset=big, source_name="elsewhere", original_name="labels.csv", size=9,
        file="big/label-imports/labels.csv", **done,
    )  # fmt: skip
    gold = annotation.AnnotationTask.objects.filter(purpose="gold")
    known = dict(
        annotation.AnswerVersion.objects.filter(task__in=gold).values_list("task__clip", "pk")
    )
    measured = annotation.AnswerVersion.objects.filter(task__clip__in=known)
    insert(
        qc.Score,
        ({"version_id": version, "key_id": known[clip]}
         for version, clip in measured.exclude(task__in=gold).values_list("pk", "task__clip")),
        figures=_score(), **done,
    )  # fmt: skip
    experiment = Experiment.objects.create(
        dataset=big, detector="rfdetr-medium", threshold=0.3, frame_stride=2
    )
    insert(
        TrackingRun, ({"clip_id": clip} for clip, *_ in clips[::10]),
        config_key="experiment", experiment_id=experiment.pk, track_count=PERSONS,
        tracks="tracks.json.gz", **done,
    )  # fmt: skip
    insert(
        Bundle, ({} for _ in range(5)), dataset_id=big.pk, config_key="x", folder="b",
        files={"tracks.zip": {"size": 1}}, **done,
    )  # fmt: skip
    left_out = {name: "1 of 2 tasks are approved" for *_, name in clips[::4]}
    splits = {f"v{n}": "train" for n in range(len(clips) // CLIPS_PER_VIDEO)}
    counts = {"clips": len(clips), "left_out": left_out, "split_of": splits}
    insert(
        qc.Release, ({"number": n} for n in range(1, RELEASES + 1)),
        dataset_id=big.pk, created_by_id=reviewer.pk, folder="r", counts=counts, **done,
    )  # fmt: skip


def store_tracks() -> None:
    """The tracks file that all runs name."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from tracking.core.tracks_file import Track, TracksFile, dump

    frames = np.arange(450)
    tracks = [
        Track(
            number, frames, np.tile([10.0 * number, 20, 10 * number + 50, 220], (450, 1)),
            np.full(450, 0.9),
        )
        for number in range(1, PERSONS + 1)
    ]  # fmt: skip
    file = TracksFile("clip", 1280, 720, 450, tracks)
    default_storage.save("tracks.json.gz", ContentFile(dump(file)))


def _done() -> dict[str, Any]:
    """Fields of work that was done an hour ago."""
    hour_ago = timezone.now() - timedelta(hours=1)
    return {"stage": "done", "modified_at": hour_ago, "finished_at": hour_ago}


def _take_vocabulary(dataset: Any) -> None:
    """Give `dataset` the groups and actions of the vocabulary `street`."""
    from datasets.models import Action, ActionGroup
    from datasets.services.create import create_dataset

    like = create_dataset("like", vocabulary="street")
    ActionGroup.objects.filter(dataset=like).update(dataset=dataset)
    Action.objects.filter(dataset=like).update(dataset=dataset)
    like.delete()


def _numbers(count: int, name: str) -> str:
    return f"({' UNION ALL '.join(f'SELECT {n} AS n' for n in range(1, count + 1))}) {name}"


def _score() -> dict[str, Any]:
    from qc.core.quality.gold import GoldPerson, VersionScore

    person = GoldPerson(8, 8, 24, 22, {"walk": [22, 1, 1]})
    return VersionScore([person] * PERSONS, added=0, unanswered=0, mistakes=[]).to_json()


def _figures_of_reports(dataset: Any, people: list[int]) -> dict[int, dict[str, Any]]:
    """The figures of a clip's report, for each pair of annotators who share clips."""
    from dataclasses import replace

    from annotation.selectors.tasks import group_specs
    from qc.core.agreement.clip_agreement import compare_clip
    from qc.core.agreement.figures import AnnotatorWork
    from qc.core.annotator_keys import annotator_key
    from qc.core.consensus.identity import DrawnBoxes

    groups = group_specs(dataset)
    random = np.random.default_rng(7)
    found = {}
    for n, one in enumerate(people):
        pair = [annotator_key(one), annotator_key(people[(n + 1) % len(people)])]
        rows = [
            (second, who, person)
            for who in (0, 1)
            for person in range(PERSONS)
            for second in range(1, KEYFRAMES + 1)
        ]
        answers = [
            {
                group.name: group.actions[int(random.integers(2))]
                if group.choice == "one"
                else [group.actions[0]] * int(random.integers(2))
                for group in groups
            }
            for _ in rows
        ]
        left = np.array([10.0 * person for *_, person in rows])
        boxes = np.stack([left, left * 0 + 20, left + 50, left * 0 + 220], axis=1)
        seconds, who, tracks = np.array(rows).T
        drawn = DrawnBoxes(seconds, who, tracks, tracks + 1, boxes)
        work = AnnotatorWork(
            "2026-01-01T00:00:00+00:00", 600.0, len(rows) // 2, PERSONS, unedited=1
        )
        figures = compare_clip(drawn, answers, pair, groups)
        found[n] = replace(figures, work=dict.fromkeys(pair, work)).to_json()
    return found


def summarise() -> None:
    """The agreement summary of the large dataset, as the pipeline computes it."""
    from datasets.models import Dataset
    from qc.models import AgreementSummary
    from qc.services.agreement.reports import plan_summaries, summarise

    plan_summaries()
    for summary in AgreementSummary.objects.filter(dataset=Dataset.objects.order_by("pk")[0]):
        summarise(summary.pk)
