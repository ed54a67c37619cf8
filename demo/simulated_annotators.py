"""Simulated annotators and a simulated reviewer, for the demo and the tests only.

An annotator reads the XML of a package and the ground truth of the rendered video, makes errors
at a given rate, and returns the XML as CVAT exports it: every frame of a track is listed, the
interpolated ones with `keyframe="0"`. Without ground truth the answers are stand, walk or run,
by the speed of each box. The same package, annotator and seed give the same bytes.
Boxes are pixels as in `cvat_xml`; boxes of the ground truth are fractions of the image.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from annotation.core.cvat_tracks import interpolate_at_keyframes
from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from datasets.core.formats.cvat_document import Box, Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import PERSON_ID, attributes_from
from datasets.core.formats.cvat_xml import dump, load
from demo.world.motion import ACTION_NAMES
from demo.world.renderer import TruthBox
from qc.core.box_matching import match_boxes
from tracking.core.boxes import pairwise_iou

SAME_PERSON = 0.4  # min IoU of a box with its person
MIN_TRUE_SHARE = 0.3  # of a track's boxes on a person, else the track is false
MIN_VISIBLE_TO_DRAW = 0.5  # visible fraction from which a person is drawn
MIN_BOX_IOU = 0.75  # boxes with less IoU are redrawn
MAX_ERROR_SECONDS = 4  # duration of one wrong answer
WALK_SPEED, RUN_SPEED = 0.25, 1.4  # in box heights per second

Truth = Callable[[int], list[TruthBox]]  # by clip second
Answers = dict[str, Any]


@dataclass(frozen=True)
class SimulatedAnnotator:
    """A simulated annotator with its error rates.

    Attributes:
        name: Name of the annotator.
        label_error: Fraction of the answers (person, keyframe, group) that are wrong.
        jitter: Standard deviation of the sides of drawn boxes, in box sizes.
        unset_share: Fraction of the answers (person, group of one choice) left unset.
        draws_missed: Whether it draws a person that has no box.
        removes_false: Whether it removes tracks on no person.
    """

    name: str
    label_error: float
    jitter: float
    unset_share: float = 0.0
    draws_missed: bool = False
    removes_false: bool = False

    def without_unset(self) -> Self:
        """The same annotator after a rejection: nothing is left unset."""
        return replace(self, unset_share=0.0)


ANNOTATORS = (
    SimulatedAnnotator("simulated-1", label_error=0.04, jitter=0.010, draws_missed=True),
    SimulatedAnnotator("simulated-2", label_error=0.08, jitter=0.020, unset_share=0.10),
    SimulatedAnnotator("simulated-3", label_error=0.06, jitter=0.015, removes_false=True),
)


def annotate_package(
    package_xml: bytes,
    *,
    annotator: SimulatedAnnotator,
    truth: Truth | None,
    groups: Sequence[ActionGroupSpec],
    annotation_fps: int,
    seed: int = 0,
) -> bytes:
    """The XML that `annotator` exports from CVAT for the package's `annotations.xml`.

    `truth` gives the persons at a whole second of the clip; None if there is no ground truth.
    Raises CvatXmlError if the package cannot be read.
    """
    document = load(package_xml)
    work = _ClipAnnotation(document, annotator, groups, annotation_fps, seed)
    return dump(replace(document, tracks=tuple(work.tracks(truth))))


def true_actions(
    truth: Iterable[TruthBox],
    box: tuple[float, float, float, float],
    group: ActionGroupSpec,
) -> list[str]:
    """The reviewer's answer: the actions in `group` of the person in `box` (fractions).

    Without a person or an action: `unknown` for one choice, an empty list for many.

    >>> walker = TruthBox(1, (0.1, 0.1, 0.3, 0.9), 1.0, ("walk", "hand wave"))
    >>> movement = ActionGroupSpec("movement", "one", True, ("sit", "walk"))
    >>> true_actions([walker], (0.1, 0.1, 0.3, 0.8), movement)
    ['walk']
    """
    people = list(truth)
    match = match_boxes([box], [one.box for one in people], threshold=SAME_PERSON)
    done = people[match.pairs[0][1]].actions if match.pairs else ()
    actions = [action for action in group.actions if action in done]
    return actions or ([UNKNOWN] if group.choice == "one" else [])


class _ClipAnnotation:
    """The work of one annotator on one clip."""

    def __init__(
        self,
        document: Document,
        annotator: SimulatedAnnotator,
        groups: Sequence[ActionGroupSpec],
        annotation_fps: int,
        seed: int,
    ) -> None:
        self._document = document
        self._annotator = annotator
        self._groups = groups
        self._fps = annotation_fps
        self._seconds = range(math.ceil(document.frame_count / annotation_fps))
        text = f"{document.task_name}/{annotator.name}/{seed}"
        self._rng = np.random.default_rng(
            int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        )

    def tracks(self, truth: Truth | None) -> list[XmlTrack]:
        """The annotated tracks."""
        found = [self._boxes_of(track) for track in self._document.tracks]
        people = (
            [_persons_from_boxes(found, second) for second in self._seconds]
            if truth is None
            else [truth(second) for second in self._seconds]
        )
        seen = self._seen(found, people)
        duplicate = [
            {s for s in boxes.keys() - at.keys() if _is_on_person(boxes[s], people[s])}
            for boxes, at in zip(found, seen, strict=True)
        ]
        kept = [
            n
            for n in self._kept(found, seen, is_known=truth is not None)
            if duplicate[n] != found[n].keys()
        ]
        unset = self._left_unset(kept)
        tracks = [
            self._answered(
                self._document.tracks[n], found[n], seen[n], duplicate[n],
                [group for m, group in unset if m == n],
            )
            for n in kept
        ]  # fmt: skip
        if self._annotator.draws_missed:
            tracks += self._drawn(people, seen)
        return tracks

    def _boxes_of(self, track: XmlTrack) -> dict[int, Box]:
        """The box of a track by second, in fractions of the image."""
        size = (self._document.width, self._document.height) * 2
        return {
            one.second: _box(side / whole for side, whole in zip(one.box, size, strict=True))
            for one in interpolate_at_keyframes(track, self._seconds, annotation_fps=self._fps)
        }

    def _seen(
        self, found: list[dict[int, Box]], people: list[list[TruthBox]]
    ) -> list[dict[int, TruthBox]]:
        """For each track, its person by second."""
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
        """The tracks that are kept; without ground truth only the shortest may be removed."""
        numbers = list(range(len(found)))
        if not self._annotator.removes_false:
            return numbers
        if is_known:
            return [n for n in numbers if len(seen[n]) >= MIN_TRUE_SHARE * len(found[n])]
        shortest = min(numbers, key=lambda n: len(found[n]), default=None)
        return numbers if len(numbers) < 2 else [n for n in numbers if n != shortest]

    def _left_unset(self, kept: list[int]) -> set[tuple[int, str]]:
        """The (track, group) pairs left unset: at least one if the rate is not 0."""
        questions = [
            (n, group.name) for n in kept for group in self._groups if group.choice == "one"
        ]
        count = math.ceil(self._annotator.unset_share * len(questions))
        return {questions[i] for i in self._rng.permutation(len(questions))[:count]}

    def _answered(
        self,
        track: XmlTrack,
        boxes: dict[int, Box],
        seen: dict[int, TruthBox],
        duplicate: set[int],
        unset: list[str],
    ) -> XmlTrack:
        """`track` with answers and redrawn boxes, outside where it is a `duplicate`."""
        person_id = track.shapes[0].attributes.get(PERSON_ID, "") if track.shapes else ""
        answers = self._answers(boxes, seen)
        attributes = {
            second: attributes_from(
                {group: answer for group, answer in given.items() if group not in unset},
                None,
                self._groups,
            )
            | {PERSON_ID: person_id}
            for second, given in answers.items()
        }
        stored = {
            shape.frame: shape._replace(
                keyframe=True, attributes=_attributes_at(attributes, shape.frame / self._fps)
            )
            for shape in track.shapes
            if shape.keyframe
        }
        before: dict[str, str] = {}
        for second, box in boxes.items():
            if second in duplicate:
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
        """The answers by second, errors included; seconds without a person use the nearest."""
        right = {}
        for second in boxes:
            nearest = min(seen, key=lambda other: abs(other - second), default=None)
            actions = (ACTION_NAMES["stand"],) if nearest is None else seen[nearest].actions
            right[second] = _true_answers(actions, self._groups)
        answers: dict[int, Answers] = {second: dict(given) for second, given in right.items()}
        for group in self._groups:
            for block in _blocks(right, group.name):
                if self._rng.random() < self._annotator.label_error:
                    wrong = self._wrong(right[block[0]][group.name], group)
                    for second in block:
                        answers[second][group.name] = wrong
        return answers

    def _wrong(self, right: Any, group: ActionGroupSpec) -> Any:
        """A plausible wrong answer."""
        likely = [action for action in group.actions if action in ACTION_NAMES.values()]
        if group.choice == "one":
            others = [action for action in likely or group.actions if action != right]
            return others[self._rng.integers(len(others))] if others else UNKNOWN
        if right:
            return right[1:]  # one of several actions is missed
        others = likely or list(group.actions)
        return [others[self._rng.integers(len(others))]]

    def _corrected(self, box: Box, person: TruthBox | None) -> Box | None:
        """The person's box as drawn by hand, or None if `box` is accurate enough."""
        if person is None or person.visible < MIN_VISIBLE_TO_DRAW:
            return None
        iou = pairwise_iou(np.array([box]), np.array([person.box]))[0, 0]
        return None if iou >= MIN_BOX_IOU else self._hand_drawn(person.box)

    def _hand_drawn(self, box: Box) -> Box:
        x1, y1, x2, y2 = box
        errors = self._rng.normal(0, self._annotator.jitter, 4) * ([x2 - x1, y2 - y1] * 2)
        return _box(np.clip(np.array(box) + errors, 0, 1).tolist())

    def _pixels(self, box: Box) -> Box:
        size = (self._document.width, self._document.height) * 2
        return _box(round(side * whole, 2) for side, whole in zip(box, size, strict=True))

    def _drawn(
        self, people: list[list[TruthBox]], seen: list[dict[int, TruthBox]]
    ) -> list[XmlTrack]:
        """The longest stretch of a person without a box, drawn at every second, if any."""
        boxed = {(s, one.person_id) for track in seen for s, one in track.items()}
        missed: dict[int, list[int]] = {}
        for second, there in enumerate(people):
            for one in there:
                if one.visible >= MIN_VISIBLE_TO_DRAW and (second, one.person_id) not in boxed:
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
            pixels = self._pixels(self._hand_drawn(one.box))
            stored[frame] = Shape(frame, pixels, False, True, attributes)
        last = stored[run[-1] * self._fps]
        if last.frame + 1 < self._document.frame_count:
            stored[last.frame + 1] = last._replace(frame=last.frame + 1, outside=True)
        return [self._exported(stored)]

    def _exported(self, stored: Mapping[int, Shape]) -> XmlTrack:
        """All frames of a track as CVAT lists them, with interpolated boxes."""
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


def _is_on_person(box: Box, people: list[TruthBox]) -> bool:
    return bool(match_boxes([box], [one.box for one in people], threshold=SAME_PERSON).pairs)


def _box(sides: Iterable[float]) -> Box:
    x1, y1, x2, y2 = sides
    return (x1, y1, x2, y2)


def _true_answers(actions: Sequence[str], groups: Sequence[ActionGroupSpec]) -> Answers:
    answers: Answers = {}
    for group in groups:
        done = [action for action in group.actions if action in actions][: group.max_per_person]
        answers[group.name] = (done or [UNKNOWN])[0] if group.choice == "one" else done
    return answers


def _attributes_at(attributes: Mapping[int, dict[str, str]], second: float) -> dict[str, str]:
    """The attributes at `second`: those of the last whole second before it, or the first."""
    return attributes[max((s for s in attributes if s <= second), default=min(attributes))]


def _blocks(answers: Mapping[int, Answers], group: str) -> list[list[int]]:
    """Runs of seconds with one answer, at most `MAX_ERROR_SECONDS` long."""
    blocks: list[list[int]] = []
    for second in answers:
        last = blocks[-1] if blocks else []
        is_same = last and answers[last[0]][group] == answers[second][group]
        if is_same and len(last) < MAX_ERROR_SECONDS:
            last.append(second)
        else:
            blocks.append([second])
    return blocks


def _runs(seconds: list[int]) -> list[list[int]]:
    """Consecutive seconds."""
    runs: list[list[int]] = []
    for second in seconds:
        if runs and runs[-1][-1] == second - 1:
            runs[-1].append(second)
        else:
            runs.append([second])
    return runs


def _persons_from_boxes(found: list[dict[int, Box]], second: int) -> list[TruthBox]:
    """One person per track, whose action follows from the speed of its box."""
    people = []
    for number, boxes in enumerate(found):
        if second not in boxes:
            continue
        x1, y1, x2, y2 = boxes[second]
        near = boxes.get(second - 1) or boxes.get(second + 1) or boxes[second]
        moved = math.hypot((near[0] + near[2] - x1 - x2) / 2, near[3] - y2)
        speed = moved / max(y2 - y1, 1e-6)
        movement = "stand" if speed < WALK_SPEED else "walk" if speed < RUN_SPEED else "run"
        people.append(TruthBox(number, boxes[second], 1.0, (ACTION_NAMES[movement],)))
    return people
