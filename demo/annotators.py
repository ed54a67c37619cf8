"""Simulated annotators and a simulated reviewer, for the demo and the tests only.

An annotator takes the XML of a package, looks at the truth of the rendered world, makes
mistakes at a stated rate, and gives back the XML as CVAT exports it: every frame of a track is
listed, the interpolated ones with `keyframe="0"`. Footage without truth is answered by how fast
each box moves, which says stand, walk or run and nothing else.
The same package, annotator and seed give the same bytes. Boxes are pixels as in `cvat_xml`,
boxes of the truth are shares of the picture.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from annotation.core.cvat_xml import Box, Document, Shape, XmlTrack, dump, load
from annotation.core.labels import PERSON_ID, UNKNOWN, UNSET, GroupSpec, attributes_from
from annotation.core.tracks import boxes_at
from demo.world.scene import TruthBox
from demo.world.story import ACTION_NAMES
from qc.core.matching import match_boxes
from tracking.core.boxes import pairwise_iou

SAME_PERSON = 0.4  # least IoU of a box with the person it follows
NOTICED = 0.3  # least share of a track's boxes on a person, else it is a false box
WORTH_DRAWING = 0.5  # least visible share of a person somebody draws
GOOD_ENOUGH = 0.75  # boxes of less IoU with the person are drawn anew
SLIP = 4  # seconds that a wrong answer lasts at most
WALKS, RUNS = 0.25, 1.4  # speeds in box heights a second

Truth = Callable[[int], list[TruthBox]]  # of a whole clip second
Answers = dict[str, Any]


@dataclass(frozen=True)
class Persona:
    """A simulated annotator and how reliable it is.

    Attributes:
        name: Of the annotator.
        label_error: Share of the answers (person, keyframe, group) that are wrong.
        jitter: Standard deviation of the sides of boxes it draws, in box sizes.
        unset_share: Share of the questions (person, group of one choice) left unset.
        draws_missed: Whether it draws a person that has no box.
        removes_false: Whether it removes tracks that follow no person.
    """

    name: str
    label_error: float
    jitter: float
    unset_share: float = 0.0
    draws_missed: bool = False
    removes_false: bool = False

    def carefully(self) -> Self:
        """The same annotator when the work came back: nothing is left unset."""
        return replace(self, unset_share=0.0)


PERSONAS = (
    Persona("simulated-1", label_error=0.04, jitter=0.010, draws_missed=True),
    Persona("simulated-2", label_error=0.08, jitter=0.020, unset_share=0.10),
    Persona("simulated-3", label_error=0.06, jitter=0.015, removes_false=True),
)


def fill_in(
    package_xml: bytes,
    *,
    persona: Persona,
    truth: Truth | None,
    groups: Sequence[GroupSpec],
    annotation_fps: int,
    seed: int = 0,
) -> bytes:
    """What `persona` exports from CVAT after work on the package `annotations.xml`.

    `truth` tells who is in the picture at a whole second of the clip; None if nobody knows.
    Raises CvatXmlError if the package cannot be read.
    """
    document = load(package_xml)
    work = _Work(document, persona, groups, annotation_fps, seed)
    return dump(replace(document, tracks=tuple(work.tracks(truth))))


def right_actions(
    truth: Iterable[TruthBox],
    box: tuple[float, float, float, float],
    group: GroupSpec,
) -> list[str]:
    """The reviewer's answer: what the person in `box` (shares of the picture) does, of `group`.

    If nobody is there, or nothing of the group is done: `unknown` of one choice, none of many.

    >>> walker = TruthBox(1, (0.1, 0.1, 0.3, 0.9), 1.0, ("walk", "hand wave"))
    >>> movement = GroupSpec("movement", "one", True, ("sit", "walk"))
    >>> right_actions([walker], (0.1, 0.1, 0.3, 0.8), movement)
    ['walk']
    """
    people = list(truth)
    match = match_boxes([box], [one.box for one in people], threshold=SAME_PERSON)
    done = people[match.pairs[0][1]].actions if match.pairs else ()
    actions = [action for action in group.actions if action in done]
    return actions or ([UNKNOWN] if group.choice == "one" else [])


class _Work:
    """One annotator at one clip."""

    def __init__(
        self,
        document: Document,
        persona: Persona,
        groups: Sequence[GroupSpec],
        annotation_fps: int,
        seed: int,
    ) -> None:
        self._document = document
        self._persona = persona
        self._groups = groups
        self._fps = annotation_fps
        self._seconds = range(math.ceil(document.frame_count / annotation_fps))
        text = f"{document.task_name}/{persona.name}/{seed}"
        self._rng = np.random.default_rng(
            int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        )

    def tracks(self, truth: Truth | None) -> list[XmlTrack]:
        """The tracks after the work."""
        found = [self._boxes_of(track) for track in self._document.tracks]
        people = (
            [_guessed(found, second) for second in self._seconds]
            if truth is None
            else [truth(second) for second in self._seconds]
        )
        seen = self._seen(found, people)
        doubled = [
            {s for s in boxes.keys() - at.keys() if _is_on_somebody(boxes[s], people[s])}
            for boxes, at in zip(found, seen, strict=True)
        ]
        kept = [
            n
            for n in self._kept(found, seen, is_known=truth is not None)
            if doubled[n] != found[n].keys()
        ]
        unset = self._left_unset(kept)
        tracks = [
            self._answered(
                self._document.tracks[n], found[n], seen[n], doubled[n],
                [group for m, group in unset if m == n],
            )
            for n in kept
        ]  # fmt: skip
        if self._persona.draws_missed:
            tracks += self._drawn(people, seen)
        return tracks

    def _boxes_of(self, track: XmlTrack) -> dict[int, Box]:
        """The box of a track, in shares of the picture, at each second it has one."""
        size = (self._document.width, self._document.height) * 2
        return {
            one.second: _box(side / whole for side, whole in zip(one.box, size, strict=True))
            for one in boxes_at(track, self._seconds, annotation_fps=self._fps)
        }

    def _seen(
        self, found: list[dict[int, Box]], people: list[list[TruthBox]]
    ) -> list[dict[int, TruthBox]]:
        """For each track, the person that it follows at each second."""
        seen: list[dict[int, TruthBox]] = [{} for _ in found]
        for second in self._seconds:
            tracks = [n for n, boxes in enumerate(found) if second in boxes]
            match = match_boxes(
                [found[n][second] for n in tracks],
                [one.box for one in people[second]],
                threshold=SAME_PERSON,
            )
            for i, j in match.pairs:
                seen[tracks[i]][second] = people[second][j]
        return seen

    def _kept(
        self,
        found: list[dict[int, Box]],
        seen: list[dict[int, TruthBox]],
        *,
        is_known: bool,
    ) -> list[int]:
        """The tracks that stay: without truth, only the shortest of several is doubted."""
        numbers = list(range(len(found)))
        if not self._persona.removes_false:
            return numbers
        if is_known:
            return [n for n in numbers if len(seen[n]) >= NOTICED * len(found[n])]
        weakest = min(numbers, key=lambda n: len(found[n]), default=None)
        return numbers if len(numbers) < 2 else [n for n in numbers if n != weakest]

    def _left_unset(self, kept: list[int]) -> set[tuple[int, str]]:
        """The questions nobody answers: at least one if any."""
        questions = [
            (n, group.name) for n in kept for group in self._groups if group.choice == "one"
        ]
        count = math.ceil(self._persona.unset_share * len(questions))
        return {questions[i] for i in self._rng.permutation(len(questions))[:count]}

    def _answered(
        self,
        track: XmlTrack,
        boxes: dict[int, Box],
        seen: dict[int, TruthBox],
        doubled: set[int],
        unset: list[str],
    ) -> XmlTrack:
        """`track` with answers, its bad boxes drawn anew, and switched off where `doubled`."""
        person_id = track.shapes[0].attributes.get(PERSON_ID, "") if track.shapes else ""
        answers = self._answers(boxes, seen)
        attributes = {
            second: attributes_from(given | dict.fromkeys(unset, UNSET), None, self._groups)
            | {PERSON_ID: person_id}
            for second, given in answers.items()
        }
        stored = {
            shape.frame: shape._replace(
                keyframe=True, attributes=_held(attributes, shape.frame / self._fps)
            )
            for shape in track.shapes
            if shape.keyframe
        }
        before: dict[str, str] = {}
        for second, box in boxes.items():
            if second in doubled:
                frame = second * self._fps
                stored[frame] = Shape(frame, self._pixels(box), True, True, attributes[second])
                before = {}
                continue
            drawn = self._corrected(box, seen.get(second))
            if drawn is not None or attributes[second] != before:
                frame = second * self._fps
                pixels = self._pixels(box if drawn is None else drawn)
                stored[frame] = Shape(frame, pixels, False, True, attributes[second])
            before = attributes[second]
        return self._exported(stored)

    def _answers(self, boxes: dict[int, Box], seen: dict[int, TruthBox]) -> dict[int, Answers]:
        """The answers at each second, slips included; unseen seconds take the nearest seen."""
        right = {}
        for second in boxes:
            nearest = min(seen, key=lambda other: abs(other - second), default=None)
            actions = (ACTION_NAMES["stand"],) if nearest is None else seen[nearest].actions
            right[second] = _right_answers(actions, self._groups)
        answers: dict[int, Answers] = {second: dict(given) for second, given in right.items()}
        for group in self._groups:
            for block in _blocks(right, group.name):
                if self._rng.random() < self._persona.label_error:
                    wrong = self._wrong(right[block[0]][group.name], group)
                    for second in block:
                        answers[second][group.name] = wrong
        return answers

    def _wrong(self, right: Any, group: GroupSpec) -> Any:
        """Another answer that somebody might give."""
        likely = [action for action in group.actions if action in ACTION_NAMES.values()]
        if group.choice == "one":
            others = [action for action in likely or group.actions if action != right]
            return others[self._rng.integers(len(others))] if others else UNKNOWN
        if right:
            return right[1:]  # one of several things goes unnoticed
        others = likely or list(group.actions)
        return [others[self._rng.integers(len(others))]]

    def _corrected(self, box: Box, person: TruthBox | None) -> Box | None:
        """The person's box drawn by hand, or None if `box` is good enough."""
        if person is None or person.visible < WORTH_DRAWING:
            return None
        iou = pairwise_iou(np.array([box]), np.array([person.box]))[0, 0]
        return None if iou >= GOOD_ENOUGH else self._by_hand(person.box)

    def _by_hand(self, box: Box) -> Box:
        x1, y1, x2, y2 = box
        slips = self._rng.normal(0, self._persona.jitter, 4) * ([x2 - x1, y2 - y1] * 2)
        return _box(np.clip(np.array(box) + slips, 0, 1).tolist())

    def _pixels(self, box: Box) -> Box:
        size = (self._document.width, self._document.height) * 2
        return _box(round(side * whole, 2) for side, whole in zip(box, size, strict=True))

    def _drawn(
        self, people: list[list[TruthBox]], seen: list[dict[int, TruthBox]]
    ) -> list[XmlTrack]:
        """The person that goes longest without a box, drawn at every second; or nobody."""
        boxed = {(s, one.person_id) for track in seen for s, one in track.items()}
        missed: dict[int, list[int]] = {}
        for second, there in enumerate(people):
            for one in there:
                if one.visible >= WORTH_DRAWING and (second, one.person_id) not in boxed:
                    missed.setdefault(one.person_id, []).append(second)
        runs = [(run, person) for person, at in sorted(missed.items()) for run in _runs(at)]
        run, person_id = max(runs, key=lambda one: len(one[0]), default=([], 0))
        if len(run) < 2:
            return []
        truth = {s: one for s in run for one in people[s] if one.person_id == person_id}
        answers = self._answers({s: one.box for s, one in truth.items()}, truth)
        stored = {}
        for second, one in truth.items():
            frame = second * self._fps
            attributes = attributes_from(answers[second], None, self._groups)
            pixels = self._pixels(self._by_hand(one.box))
            stored[frame] = Shape(frame, pixels, False, True, attributes)
        last = stored[run[-1] * self._fps]
        if last.frame + 1 < self._document.frame_count:
            stored[last.frame + 1] = last._replace(frame=last.frame + 1, outside=True)
        return [self._exported(stored)]

    def _exported(self, stored: Mapping[int, Shape]) -> XmlTrack:
        """All frames of a track as CVAT lists them, boxes between CVAT keyframes included."""
        frames = sorted(stored)
        shapes: list[Shape] = []
        for frame, following in zip(
            frames, [*frames[1:], self._document.frame_count], strict=True
        ):
            shape, after = stored[frame], stored.get(following)
            shapes.append(shape)
            if shape.outside:
                continue
            for between in range(frame + 1, following):
                share = (between - frame) / (following - frame)
                target = shape.box if after is None else after.box
                box = _box(a + share * (b - a) for a, b in zip(shape.box, target, strict=True))
                shapes.append(shape._replace(frame=between, box=box, keyframe=False))
        return XmlTrack(tuple(shapes))


def _is_on_somebody(box: Box, people: list[TruthBox]) -> bool:
    return bool(match_boxes([box], [one.box for one in people], threshold=SAME_PERSON).pairs)


def _box(sides: Iterable[float]) -> Box:
    x1, y1, x2, y2 = sides
    return (x1, y1, x2, y2)


def _right_answers(actions: Sequence[str], groups: Sequence[GroupSpec]) -> Answers:
    answers: Answers = {}
    for group in groups:
        done = [action for action in group.actions if action in actions]
        answers[group.name] = (done or [UNKNOWN])[0] if group.choice == "one" else done
    return answers


def _held(attributes: Mapping[int, dict[str, str]], second: float) -> dict[str, str]:
    """The attributes at `second`: of the last whole second before it, or of the first."""
    return attributes[max((s for s in attributes if s <= second), default=min(attributes))]


def _blocks(answers: Mapping[int, Answers], group: str) -> list[list[int]]:
    """Seconds in a row with one answer, at most `SLIP` of them."""
    blocks: list[list[int]] = []
    for second in answers:
        last = blocks[-1] if blocks else []
        if last and len(last) < SLIP and answers[last[0]][group] == answers[second][group]:
            last.append(second)
        else:
            blocks.append([second])
    return blocks


def _runs(seconds: list[int]) -> list[list[int]]:
    """Seconds in a row."""
    runs: list[list[int]] = []
    for second in seconds:
        if runs and runs[-1][-1] == second - 1:
            runs[-1].append(second)
        else:
            runs.append([second])
    return runs


def _guessed(found: list[dict[int, Box]], second: int) -> list[TruthBox]:
    """What the tracks themselves say of one second: each is a person; how fast does it move?"""
    people = []
    for number, boxes in enumerate(found):
        if second not in boxes:
            continue
        x1, y1, x2, y2 = boxes[second]
        near = boxes.get(second - 1) or boxes.get(second + 1) or boxes[second]
        moved = math.hypot((near[0] + near[2] - x1 - x2) / 2, near[3] - y2)
        speed = moved / max(y2 - y1, 1e-6)
        movement = "stand" if speed < WALKS else "walk" if speed < RUNS else "run"
        people.append(TruthBox(number, boxes[second], 1.0, (ACTION_NAMES[movement],)))
    return people
