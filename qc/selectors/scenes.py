"""What the player draws over one clip: tracks, what each annotator drew and said, consensus."""

from typing import Any

import numpy as np

from annotation.models import Annotation, AnnotationTask
from datasets.core.clipping import FRAME_RATE
from datasets.models import Clip
from qc.models import ConsensusBox
from qc.selectors.clips import Belief, PersonInClip, beliefs_of, persons_of, shown_run
from tracking.models import TrackingRun

FIRST_UNMATCHED = 1_000_000  # numbers of drawn persons that no consensus has named yet


def scene(clip: Clip, run: TrackingRun | None = None) -> dict[str, Any]:
    """The boxes and labels of `clip`, one decimal of a pixel; the tracks are those of `run`.

    `scores` has None where the tracker filled a gap between detections. `keyframes` holds, by
    second and person, the consensus with the votes; before there is one, the answers alone,
    whose `status` and `rule` are empty.
    """
    persons, _ = persons_of(run or shown_run(clip))
    beliefs = beliefs_of(clip)
    return {
        "frame_rate": FRAME_RATE,
        "frame_count": clip.frame_count,
        "width": clip.video.width,
        "height": clip.video.height,
        "keyframes": clip.keyframes(),
        "groups": list(clip.video.dataset.groups.values_list("name", flat=True)),
        "persons": [_drawn(person) for person in persons],
        "answers": _believed(beliefs) if beliefs else _answered(clip),
    }


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
