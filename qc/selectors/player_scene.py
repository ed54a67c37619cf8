"""What the player draws over one clip: tracks, what each annotator drew and said, consensus."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from django.urls import reverse
from django.utils.http import urlencode

from annotation.models import Annotation, AnnotationTask
from avaproject.base.views import key_of
from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip
from qc.core.matching import match_boxes
from qc.models import ConsensusBox
from qc.selectors.clips import Belief, PersonInClip, beliefs_of, shown_of, shown_run
from tracking.models import TrackingRun

FIRST_UNMATCHED = 1_000_000_000  # numbers of drawn persons that no consensus has named yet


def scene(clip: Clip, run: TrackingRun | None = None) -> dict[str, Any]:
    """The boxes and labels of `clip`, one decimal of a pixel; the tracks are those of `run`.

    `scores` has None where the tracker filled a gap between detections. `keyframes` holds, by
    second and person, the consensus with the votes; before there is one, the answers alone,
    whose `status` and `rule` are empty.
    """
    shown = shown_of(run or shown_run(clip))
    beliefs = beliefs_of(clip)
    return {
        "frame_rate": FRAME_RATE,
        "frame_count": clip.frame_count,
        "width": clip.video.width,
        "height": clip.video.height,
        "keyframes": clip.keyframes(),
        "cuts": shown.cuts,
        "groups": list(clip.video.dataset.groups.values_list("name", flat=True)),
        "persons": [_drawn(person) for person in shown.persons],
        "answers": _believed(beliefs) if beliefs else _answered(clip),
    }


def look_at(dataset: str, clip: str, *, frame: int, person: str = "") -> str:
    """The address of the player at a frame, with a person selected.

    Args:
        person: A number, or `<pull>.<track>` for whom some answers have on a track; empty for
            nobody.
    """
    asked = {"frame": frame} | ({"person": person} if person else {})
    return f"{reverse('qc:clip', args=[dataset, clip])}?{urlencode(asked)}"


def person_of(finding: Mapping[str, Any]) -> str:
    """The person of a finding of a report, for `look_at`."""
    return "" if finding["track"] is None else f"{finding['pull']}.{finding['track']}"


def number_of(person: str, clip: Clip, beliefs: list[Belief], *, second: int) -> int | None:
    """The number in the player of the person that an address names; None for nobody.

    Whom an annotator drew has no number in the answers: it is that of the consensus.
    """
    if "." not in person:
        return key_of(person)
    pull, track = map(key_of, person.split(".", 1))
    if pull is None or track is None:
        return None
    found = Annotation.objects.filter(
        pull__task__clip=clip, pull=pull, track=track, second=second
    )
    row = found.select_related("pull__task__annotator").first()
    if row is None:
        return None
    name, box = row.pull.task.annotator.name, [row.x1, row.y1, row.x2, row.y2]
    there = [one for belief in beliefs if belief.second == second for one in belief.boxes]
    drawn = [round(side, 2) for side in box]
    same = [one.person_id for one in there if one.drawn.get(name) == drawn]
    if same or row.person_id:
        return same[0] if same else row.person_id
    nearest = match_boxes([box], [[one.x1, one.y1, one.x2, one.y2] for one in there]).pairs
    return there[nearest[0][1]].person_id if nearest else None


def _drawn(person: PersonInClip) -> dict[str, Any]:
    boxes = np.round(person.track.boxes, 1).tolist()
    scores = [None if np.isnan(s) else round(float(s), 2) for s in person.track.scores]
    parts, done = [], 0
    for start, length in person.stretches:
        stop = done + length
        parts.append({"start": start, "boxes": boxes[done:stop], "scores": scores[done:stop]})
        done = stop
    return {"number": person.number, "label": person.label, "parts": parts}


Seconds = dict[int, dict[int, dict[str, Any]]]


def _believed(beliefs: list[Belief]) -> Seconds:
    """The consensus by second and person."""
    return {
        belief.second: {box.person_id: _settled(box) for box in belief.boxes}
        for belief in beliefs
    }


def _settled(box: ConsensusBox) -> dict[str, Any]:
    return {
        "box": _rounded(box.x1, box.y1, box.x2, box.y2),
        "status": box.status,
        "drawn": {name: _rounded(*sides) for name, sides in box.drawn.items()},
        "labels": {
            label.group: {"actions": label.actions, "rule": label.rule, "votes": label.votes}
            for label in box.labels.all()
        },
    }


def _answered(clip: Clip) -> Seconds:
    """What those say who have answered already, the person named by the pre-annotation."""
    tasks: Any = AnnotationTask.objects.counting().filter(clip=clip).with_latest_pull()
    newest = [task.latest_pull_id for task in tasks if task.latest_pull_id is not None]
    rows = Annotation.objects.filter(pull__in=newest).order_by("pull", "second", "track")
    found: Seconds = {}
    for row in rows.select_related("pull__task__annotator"):
        number = row.person_id or FIRST_UNMATCHED + 1000 * newest.index(row.pull_id) + row.track
        name, box = row.pull.task.annotator.name, _rounded(row.x1, row.y1, row.x2, row.y2)
        alone = {"box": box, "status": "", "drawn": {}, "labels": {}}
        person = found.setdefault(row.second, {}).setdefault(number, alone)
        person["drawn"].setdefault(name, box)
        for group, answer in row.answers.items():
            label = {"actions": [], "rule": "", "votes": {}}
            person["labels"].setdefault(group, label)["votes"].setdefault(name, answer)
    return found


def _rounded(*sides: float) -> list[float]:
    return [round(side, 1) for side in sides]
