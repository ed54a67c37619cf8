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
    Dataset.objects.bulk_create(Dataset(name=f"set-{n:03d}") for n in range(dataset_count))
    datasets = list(Dataset.objects.order_by("pk"))
    key = {one.dataset: one.config_key for one in wanted_configs()}
    big = datasets[0]
    if not is_finished:
        _take_vocabulary(big)
    Upload.objects.bulk_create(
        Upload(dataset=one, original_name="a.zip", sha256=f"{n:064x}", size=1, **done)
        for n, one in enumerate(datasets)
    )
    owners = [big] * (clip_count // CLIPS_PER_VIDEO) + datasets[1:]
    Video.objects.bulk_create(
        Video(
            dataset=one, name=f"v{n}", sha256=f"{n:064x}", size=1, frame_count=2000,
            width=1280, height=720, file=f"{one.name}/standard/v{n}.mp4", **done,
        )
        for n, one in enumerate(owners)
    )  # fmt: skip
    videos = list(Video.objects.order_by("pk"))
    Clip.objects.bulk_create(
        Clip(
            video=video, name=f"{video.name}-c{index:04d}", index=index,
            start_frame=450 * index, frame_count=450, poster="poster.jpg", **done,
        )
        for video in videos for index in range(CLIPS_PER_VIDEO)
    )  # fmt: skip
    clips = list(Clip.objects.select_related("video").order_by("pk"))
    TrackingRun.objects.bulk_create(
        TrackingRun(
            clip=clip, config_key=key[clip.video.dataset_id], track_count=PERSONS,
            detection_count=1000, tracks="tracks.json.gz", **done,
        )
        for clip in clips
    )  # fmt: skip
    IdentityRun.objects.bulk_create(
        IdentityRun(video=video, config_key=key[video.dataset_id], person_count=PERSONS, **done)
        for video in videos
    )
    Annotator.objects.bulk_create(
        Annotator(dataset=big, name=f"a{n}") for n in range(ANNOTATORS)
    )
    people = list(Annotator.objects.order_by("pk"))
    runs = list(TrackingRun.objects.order_by("pk")[:clip_count])
    AnnotationTask.objects.bulk_create(
        AnnotationTask(
            clip_id=run.clip_id, run=run, annotator=people[(n + shift) % ANNOTATORS],
            purpose="gold" if not is_finished and n % 50 == 5 and not shift else "work", **done,
        )
        for n, run in enumerate(runs) for shift in (0, 1) if not is_like(n, 0)
    )  # fmt: skip
    place = {run.clip_id: n for n, run in enumerate(runs)}
    tasks = list(AnnotationTask.objects.order_by("pk"))
    AnswerVersion.objects.bulk_create(
        AnswerVersion(
            task=task, author_id=task.annotator_id, number=1, sha256=f"{n:064x}", unfinished=0,
            person_count=PERSONS, raw="x.json.gz", **done,
        )
        for n, task in enumerate(tasks) if not (is_like(place[task.clip_id], 1) and n % 2)
    )  # fmt: skip
    versions: dict[int, list[int]] = {}
    of_task = {}
    for version in AnswerVersion.objects.select_related("task").order_by("pk"):
        versions.setdefault(version.task.clip_id, []).append(version.pk)
        of_task[version.task_id] = version.pk
    complete = {clip: its for clip, its in versions.items() if len(its) == 2}
    figures = {} if is_finished else _figures_of_reports(people)
    AgreementReport.objects.bulk_create(
        (
            AgreementReport(
                clip_id=clip, versions=keys, versions_key=versions_key(keys),
                answered_at=done["finished_at"],
                figures=figures.get(place[clip] % ANNOTATORS, {}), **done,
            )
            for clip, keys in complete.items()
        ),
        batch_size=500,
    )  # fmt: skip
    Consensus.objects.bulk_create(
        Consensus(
            clip_id=clip, versions=keys, versions_key=versions_key(keys),
            open_count=3 if is_like(place[clip], 4) else 0, single_count=0, **done,
        )
        for clip, keys in complete.items()
    )  # fmt: skip
    if is_finished:
        AgreementSummary.objects.create(dataset=big, reports="0" * 64, **done)
    reviewer = User.objects.create(username="reviewer")
    Review.objects.bulk_create(
        Review(
            task=task, version_id=of_task[task.pk], reviewer=reviewer,
            verdict="rejected" if is_like(place[task.clip_id], 3) else "approved",
            reviewed_at=done["finished_at"],
        )
        for task in tasks
        if task.pk in of_task and not is_like(place[task.clip_id], 2)
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
    """INSERT INTO tracking_videoperson (video_id, person_id, is_drawn, boxes)
    SELECT v.id, p.n, FALSE, CAST('{}' AS %(json)s) FROM datasets_video v, %(persons)s""",
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
    Member.objects.bulk_create(
        Member(dataset=one, user=reviewer) for one in Dataset.objects.all()
    )
    clips = list(Clip.objects.of(big).order_by("pk"))
    persons: dict[int, list[VideoPerson]] = defaultdict(list)
    for person in VideoPerson.objects.filter(video__dataset=big):
        persons[person.video_id].append(person)
    qc.Adjudication.objects.bulk_create(
        qc.Adjudication(
            clip=clip, second=2, video_person=person, group="walking_behavior",
            actions=["walk"], decided_by=reviewer,
        )
        for clip in clips[6::10] for person in persons[clip.video_id]
    )  # fmt: skip
    tasks = list(annotation.AnnotationTask.objects.order_by("pk"))
    qc.Comment.objects.bulk_create(
        qc.Comment(task=task, author=reviewer, text="Look again.") for task in tasks[::20]
    )
    server = annotation.CvatServer.objects.create(name="cvat", url="http://cvat", **done)
    project = annotation.CvatProject.objects.create(
        dataset=big, server=server, project_id=1, label_id=1, **done
    )
    annotation.CvatJob.objects.bulk_create(
        annotation.CvatJob(
            task=task, project=project, cvat_task_id=n, job_id=n, assignee="kim",
            cvat_stage="acceptance", cvat_state="completed", changed_at=done["finished_at"],
            fetched_at=done["finished_at"], **done,
        )
        for n, task in enumerate(tasks, start=1)
    )  # fmt: skip
    annotation.WebhookDelivery.objects.bulk_create(
        annotation.WebhookDelivery(
            server=server, sha256=f"{n:064x}", body="{}", event="update:job", project_id=1,
            job_id=n, outcome="polled", **done,
        )
        for n in range(DELIVERIES)
    )  # fmt: skip
    annotation.Reconciliation.objects.bulk_create(
        annotation.Reconciliation(project=project, summary="nothing new", **done)
        for _ in range(DELIVERIES // 10)
    )
    gold = {
        task.clip_id: task for task in annotation.AnnotationTask.objects.filter(purpose="gold")
    }
    known = dict(
        annotation.AnswerVersion.objects.filter(task__in=gold.values()).values_list(
            "task__clip", "pk"
        )
    )
    measured = annotation.AnswerVersion.objects.filter(task__clip__in=gold).exclude(
        task__in=gold.values()
    )
    qc.Score.objects.bulk_create(
        qc.Score(version_id=version, key_id=known[clip], figures=_score(), **done)
        for version, clip in measured.values_list("pk", "task__clip")
    )
    experiment = Experiment.objects.create(
        dataset=big, detector="rfdetr-medium", threshold=0.3, frame_stride=2
    )
    TrackingRun.objects.bulk_create(
        TrackingRun(
            clip=clip, config_key="experiment", experiment=experiment, track_count=PERSONS,
            tracks="tracks.json.gz", **done,
        )
        for clip in clips[::10]
    )  # fmt: skip
    Bundle.objects.bulk_create(
        Bundle(
            dataset=big, config_key="x", folder="b", files={"tracks.zip": {"size": 1}}, **done
        )
        for _ in range(5)
    )
    left_out = {clip.name: "1 of 2 tasks are approved" for clip in clips[::4]}
    splits = {f"v{n}": "train" for n in range(len(clips) // CLIPS_PER_VIDEO)}
    counts = {"clips": len(clips), "left_out": left_out, "split_of": splits}
    qc.Release.objects.bulk_create(
        qc.Release(
            dataset=big, number=n, created_by=reviewer, folder="r", counts=counts, **done
        )
        for n in range(1, RELEASES + 1)
    )


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


def _figures_of_reports(people: list[Any]) -> dict[int, dict[str, Any]]:
    """The figures of a clip's report, for each pair of annotators who share clips."""
    from dataclasses import replace

    from annotation.selectors.tasks import group_specs
    from qc.core.agreement.comparison import compare_clip
    from qc.core.agreement.figures import AnnotatorWork
    from qc.core.annotator_keys import annotator_key
    from qc.core.consensus.identity import DrawnBoxes

    groups = group_specs(people[0].dataset)
    random = np.random.default_rng(7)
    found = {}
    for n, one in enumerate(people):
        pair = [annotator_key(one.pk), annotator_key(people[(n + 1) % len(people)].pk)]
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
