"""The scene of the player as JSON: tracks, boxes and answers of annotators, consensus."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from django.urls import reverse
from django.utils.http import urlencode

from annotation.models import Annotation, AnnotationTask
from avaproject.base.views import parse_key
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Clip
from qc.core.agreement.figures import ClipFinding
from qc.core.annotator_keys import annotator_key
from qc.core.box_matching import match_boxes
from qc.models import ConsensusBox
from qc.selectors.clips import (
    KeyframeConsensus,
    PersonInClip,
    consensus_by_keyframe,
    default_run,
    run_tracks,
)
from qc.selectors.display_names import annotator_names
from tracking.models import TrackingRun
from tracking.person_classes import classes_in

FIRST_UNMATCHED = 1_000_000_000  # numbers of drawn persons that are in no consensus yet


def player_scene(
    clip: Clip,
    run: TrackingRun | None = None,
    *,
    versions: Collection[int] = (),
    hide_names: bool = False,
) -> dict[str, Any]:
    """The boxes and labels of `clip`, one decimal of a pixel; the tracks are those of `run`.

    `scores` has None where the tracker interpolated between detections. `answers` holds, by
    second and person, the consensus with the votes; before there is a consensus, the
    annotators' answers alone, whose `status` and `rule` are empty. `classes` says what those
    are who are no persons, by number. With `versions`, keys of
    answer versions, it holds these alone. With `hide_names` annotators are numbered.
    """
    shown = run_tracks(run or default_run(clip))
    consensus = [] if versions else consensus_by_keyframe(clip, hide_names=hide_names)
    names = annotator_names(clip.video.dataset, hidden=hide_names)
    classes = classes_in(clip.video_id)
    if consensus:
        answers = _with_consensus(consensus)
    else:
        answers = _answers_only(clip, names, versions, classes)
    return {
        "frame_rate": FRAME_RATE,
        "frame_count": clip.frame_count,
        "width": clip.video.width,
        "height": clip.video.height,
        "keyframes": clip.keyframes(),
        "cuts": shown.cuts,
        "groups": list(clip.video.dataset.groups.values_list("name", flat=True)),
        "persons": [_person_json(person) for person in shown.persons],
        "classes": classes,
        "answers": answers,
    }


def player_url(dataset: str, clip: str, *, frame: int, person: str = "") -> str:
    """The URL of the player at a frame, with a person selected.

    Args:
        person: A person id, or `<version>.<track>` for a track of an answer version; empty for
            none.
    """
    asked = {"frame": frame} | ({"person": person} if person else {})
    return f"{reverse('qc:clip', args=[dataset, clip])}?{urlencode(asked)}"


def finding_person(finding: ClipFinding) -> str:
    """The person of a finding, in the form that `player_url` takes."""
    return "" if finding.track is None else f"{finding.version}.{finding.track}"


def selected_person(
    person: str, clip: Clip, consensus: list[KeyframeConsensus], *, second: int
) -> int | None:
    """The number in the player of the person that a URL selects; None for none.

    Persons that annotators drew get their number from the consensus.
    """
    if "." not in person:
        return parse_key(person)
    version, track = map(parse_key, person.split(".", 1))
    if version is None or track is None:
        return None
    found = Annotation.objects.filter(
        version__task__clip=clip, version=version, track=track, second=second
    )
    row = found.select_related("version__author").first()
    if row is None:
        return None
    name, box = row.version.author.name, [row.x1, row.y1, row.x2, row.y2]
    there = [
        one for keyframe in consensus if keyframe.second == second for one in keyframe.boxes
    ]
    drawn = [round(side, 2) for side in box]
    same = [one.person_id for one in there if one.drawn.get(name) == drawn]
    if same or row.person_id:
        return same[0] if same else row.person_id
    nearest = match_boxes([box], [[one.x1, one.y1, one.x2, one.y2] for one in there]).pairs
    return there[nearest[0][1]].person_id if nearest else None


def _person_json(person: PersonInClip) -> dict[str, Any]:
    boxes = np.round(person.track.boxes, 1).tolist()
    scores = [None if np.isnan(s) else round(float(s), 2) for s in person.track.scores]
    parts, done = [], 0
    for start, length in person.segments:
        stop = done + length
        parts.append({"start": start, "boxes": boxes[done:stop], "scores": scores[done:stop]})
        done = stop
    return {"number": person.number, "label": person.label, "parts": parts}


Seconds = dict[int, dict[int, dict[str, Any]]]


def _with_consensus(consensus: list[KeyframeConsensus]) -> Seconds:
    """The consensus by second and person."""
    return {
        keyframe.second: {box.person_id: _box_json(box) for box in keyframe.boxes}
        for keyframe in consensus
    }


def _box_json(box: ConsensusBox) -> dict[str, Any]:
    return {
        "box": _rounded(box.x1, box.y1, box.x2, box.y2),
        "status": box.status,
        "drawn": {name: _rounded(*sides) for name, sides in box.drawn.items()},
        "labels": {
            label.group: {"actions": label.actions, "rule": label.rule, "votes": label.votes}
            for label in box.labels.all()
        },
    }


def _answers_only(
    clip: Clip, names: Mapping[str, str], versions: Collection[int], classes: dict[int, str]
) -> Seconds:
    """The answers of `versions`, or all imported so far; persons have the ids of the
    pre-annotation. What annotators drew that is no person is added to `classes`.
    """
    tasks: Any = AnnotationTask.objects.counting().filter(clip=clip).with_latest_version()
    newest = sorted(versions) or [
        task.latest_version_id for task in tasks if task.latest_version_id is not None
    ]
    rows = Annotation.objects.filter(version__in=newest, version__task__clip=clip)
    rows = rows.order_by("version", "second", "track")
    found: Seconds = {}
    for row in rows.select_related("version"):
        number = (
            row.person_id or FIRST_UNMATCHED + 1000 * newest.index(row.version_id) + row.track
        )
        if row.label:
            classes[number] = row.label
        name = names[annotator_key(row.version.author_id)]
        if len(versions) > 1:
            name = f"{name}, version {row.version.number}"
        box = _rounded(row.x1, row.y1, row.x2, row.y2)
        alone = {"box": box, "status": "", "drawn": {}, "labels": {}}
        person = found.setdefault(row.second, {}).setdefault(number, alone)
        person["drawn"].setdefault(name, box)
        for group, answer in row.answers.items():
            label = {"actions": [], "rule": "", "votes": {}}
            person["labels"].setdefault(group, label)["votes"].setdefault(name, answer)
    return found


def _rounded(*sides: float) -> list[float]:
    return [round(side, 1) for side in sides]
