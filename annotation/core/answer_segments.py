"""Segments of answers: operations of an annotator on the label page, folded into a state.

Work on one task is an append-only log of operations, each with an id made by the browser. The
state is the fold of the log over what the draft began with: an operation counts once, one that
was undone not at all, and one that makes no sense in the state (an unknown person, an answer
that the limits refuse) changes nothing. `docs/labelling.md` lists the kinds.
`static/annotation/label/segments.js` is the same fold: the tests give both the same logs
(`tests/core/annotation/label_cases.json`).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from annotation.core.box_paths import Box, BoxPath, Stretch, merged
from annotation.core.label_state import Answer, LabelState, LabelTask, Lane, keyframes_of
from datasets.core.action_groups import UNKNOWN, UNSET, ActionGroupSpec

NEW_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,39}\Z")  # of a person whom the annotator drew
MAX_TEXT = 2000  # characters of a reply
FAR = 1_000_000  # pixels; no side of a box is farther out

Operation = Mapping[str, Any]


def fold(task: LabelTask, start: LabelState, operations: Iterable[Operation]) -> LabelState:
    """The state after `operations`, in their order; `start` stays as it is.

    >>> task = LabelTask((ActionGroupSpec("posture", "one", True, ("sit",)),), (0, 1), 60, 6)
    >>> draw = {"id": "a", "kind": "add", "person": "d-1", "frame": 0, "box": [0, 0, 9, 9]}
    >>> sit = {"id": "b", "kind": "set", "person": "d-1", "second": 0,
    ...        "answers": {"posture": "sit"}}
    >>> fold(task, LabelState(), [draw, sit, sit]).persons["d-1"].counted_at("posture", 0)
    'sit'
    """
    work = _Fold(task, deepcopy(start))
    for operation in counting_operations(operations):
        work.apply(operation)
    return work.state


def counting_operations(operations: Iterable[Operation]) -> list[Operation]:
    """The operations that count: each id once, without those undone and the undoing itself."""
    found: dict[str, Operation] = {}
    undone: set[str] = set()
    for one in operations:
        kind, target = one.get("kind"), str(one.get("target"))
        if kind == "undo" and target in found:
            undone.add(target)
        elif kind == "redo":
            undone.discard(target)
        elif kind != "undo":
            found.setdefault(one["id"], one)
    return [one for key, one in found.items() if key not in undone]


def allowed_answer(group: ActionGroupSpec, answer: Any) -> Answer | None:
    """`answer` in the order of the group, or None if the vocabulary or its limits refuse it.

    >>> doing = ActionGroupSpec("doing", "many", False, ("wave", "carry"), 1)
    >>> allowed_answer(doing, ["carry"]), allowed_answer(doing, ["wave", "carry"])
    (['carry'], None)
    """
    if answer == UNKNOWN:
        return UNKNOWN
    if group.choice == "one":
        return answer if isinstance(answer, str) and answer in group.actions else None
    if not isinstance(answer, list) or not all(isinstance(one, str) for one in answer):
        return None
    chosen = [action for action in group.actions if action in answer]
    fits = len(chosen) == len(answer) <= group.max_per_person
    return chosen if fits else None


class _Fold:
    """Applies operations to a state, which it changes."""

    def __init__(self, task: LabelTask, state: LabelState) -> None:
        self.task, self.state = task, state
        self._groups = {group.name: group for group in task.groups}
        self._kinds: dict[str, Callable[[Operation], None]] = {
            "set": self._set, "clear": self._clear, "keep": self._keep, "box": self._box,
            "outside": self._outside, "inside": self._inside, "add": self._add,
            "delete": self._delete, "restore": self._restore, "merge": self._merge,
            "split": self._split, "reply": self._reply,
        }  # fmt: skip

    def apply(self, operation: Operation) -> None:
        kind = operation.get("kind")
        act = self._kinds.get(kind) if isinstance(kind, str) else None
        if act is not None:
            act(operation)

    def _set(self, operation: Operation) -> None:
        second = self._keyframe(operation.get("second"))
        if second is not None:
            self._answer(operation.get("person"), second, operation.get("answers"))

    def _answer(self, person: Any, second: int, answers: Any) -> None:
        lane = self._lane(person)
        for name, given in answers.items() if isinstance(answers, dict) else ():
            group = self._groups.get(name)
            answer = None if group is None else allowed_answer(group, given)
            if group is None or answer is None:
                continue
            if group.scope == "clip":
                self.state.clip[name] = answer
            elif lane is not None and group.scope == "person":
                lane.once[name] = answer
            elif lane is not None:
                lane.answer(name, second, answer)

    def _clear(self, operation: Operation) -> None:
        lane = self._lane(operation.get("person"))
        second = self._keyframe(operation.get("second"))
        names = operation.get("groups")
        if second is None or not isinstance(names, list):
            return
        for name in names:
            group = self._groups.get(name) if isinstance(name, str) else None
            if group is None:
                continue
            if group.scope == "clip":
                self.state.clip.pop(name, None)
            elif lane is not None and group.scope == "person":
                lane.once.pop(name, None)
            elif lane is not None:
                lane.clear(name, second)

    def _keep(self, operation: Operation) -> None:
        lane = self._lane(operation.get("person"))
        first = self._keyframe(operation.get("first"))
        last = self._keyframe(operation.get("last"))
        if lane is None or first is None or last is None:
            return
        self._answer(operation.get("person"), first, operation.get("answers"))
        lane.seen |= {k for k in keyframes_of(self.task, lane) if first <= k <= last}

    def _box(self, operation: Operation) -> None:
        lane = self._lane(operation.get("person"))
        if lane is not None:
            self._draw(lane, operation)

    def _draw(self, lane: Lane, operation: Operation) -> bool:
        frame, box = self._frame(operation.get("frame")), _box_of(operation.get("box"))
        if frame is None or box is None:
            return False
        lane.path.draw(frame, box, step=self.task.step, frame_count=self.task.frame_count)
        fill = operation.get("fill")
        given = [one for one in fill if isinstance(one, dict)] if isinstance(fill, list) else []
        places = [(self._frame(one.get("frame")), _box_of(one.get("box"))) for one in given]
        lane.path.fill((at, sides) for at, sides in places if at is not None and sides)
        return True

    def _outside(self, operation: Operation) -> None:
        lane, stretch = self._lane(operation.get("person")), self._stretch(operation)
        if lane is not None and stretch is not None:
            lane.path.hide(stretch)

    def _inside(self, operation: Operation) -> None:
        lane, stretch = self._lane(operation.get("person")), self._stretch(operation)
        if lane is not None and stretch is not None:
            lane.path.show(stretch)

    def _add(self, operation: Operation) -> None:
        key = self._new_key(operation.get("person"))
        label, labels = operation.get("label"), self.task.labels
        lane = Lane(None, BoxPath([], []), label=label if label in labels else labels[0])
        if key is not None and self._draw(lane, operation):
            self.state.persons[key] = lane

    def _delete(self, operation: Operation) -> None:
        lane = self._lane(operation.get("person"))
        if lane is not None:
            lane.gone = "deleted"

    def _restore(self, operation: Operation) -> None:
        person = operation.get("person")
        lane = self.state.persons.get(person) if isinstance(person, str) else None
        if lane is not None and lane.gone == "deleted":
            lane.gone = ""

    def _merge(self, operation: Operation) -> None:
        lane, other = (self._lane(operation.get(one)) for one in ("person", "other"))
        if lane is None or other is None or lane is other or lane.label != other.label:
            return
        task = self.task
        sources: dict[int, Lane] = {}
        for second in task.keyframes:
            there = [
                one for one in (lane, other)
                if one.path.box_at(second * task.frame_rate) is not None
            ]  # fmt: skip
            if there:
                sources[second] = there[0]
        asked = [group.name for group in task.groups if group.scope == "keyframe"]
        given = {name: _answers_of(sources, name) for name in asked}
        lane.seen = {second for second, one in sources.items() if second in one.seen}
        lane.answers = {name: answers for name, answers in given.items() if answers}
        lane.once = {**other.once, **lane.once}
        lane.path = merged(lane.path, other.path, step=task.step, frame_count=task.frame_count)
        other.gone = "merged"

    def _split(self, operation: Operation) -> None:
        lane = self._lane(operation.get("person"))
        key = self._new_key(operation.get("created"))
        frame = self._frame(operation.get("frame"))
        if lane is None or key is None or not frame:
            return
        created = deepcopy(lane)
        created.number = None
        lane.path.hide((frame, self.task.frame_count))
        created.path.hide((0, frame))
        self.state.persons[key] = created

    def _reply(self, operation: Operation) -> None:
        remark, text = operation.get("remark"), operation.get("text")
        if not isinstance(remark, str) or not isinstance(text, str) or len(text) > MAX_TEXT:
            return
        if text:
            self.state.remarks[remark] = text
        else:
            self.state.remarks.pop(remark, None)

    def _lane(self, person: Any) -> Lane | None:
        """The lane of a person who is not gone."""
        lane = self.state.persons.get(person) if isinstance(person, str) else None
        return None if lane is None or lane.gone else lane

    def _new_key(self, key: Any) -> str | None:
        is_new = isinstance(key, str) and NEW_KEY.match(key) and key not in self.state.persons
        return key if is_new else None

    def _keyframe(self, second: Any) -> int | None:
        whole = _whole(second)
        return whole if whole in self.task.keyframes else None

    def _frame(self, frame: Any) -> int | None:
        """An annotation frame of the clip."""
        whole = _whole(frame)
        if whole is None or not 0 <= whole < self.task.frame_count or whole % self.task.step:
            return None
        return whole

    def _stretch(self, operation: Operation) -> Stretch | None:
        start, until = self._frame(operation.get("frame")), operation.get("until")
        stop = self.task.frame_count if until is None else _whole(until)
        if start is None or stop is None or not start < stop <= self.task.frame_count:
            return None
        is_on_grid = stop % self.task.step == 0 or stop == self.task.frame_count
        return (start, stop) if is_on_grid else None


def _answers_of(sources: Mapping[int, Lane], group: str) -> list[tuple[int, Answer]]:
    """The answers to a group, each keyframe's taken from its source."""
    found: list[tuple[int, Answer]] = []
    running: Answer = UNSET
    for second, source in sources.items():
        held = source.held_at(group, second)
        if held != running or source.set_at(group, second) is not None:
            found.append((second, held))
            running = held
    return found


def _whole(number: Any) -> int | None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if isinstance(number, float) and not number.is_integer():  # also nan and infinity
        return None
    return int(number)


def _box_of(sides: Any) -> Box | None:
    """A box with an area, or None."""
    if not isinstance(sides, Sequence) or isinstance(sides, str) or len(sides) != 4:
        return None
    if any(isinstance(side, bool) or not isinstance(side, int | float) for side in sides):
        return None
    if not all(-FAR < side < FAR for side in sides):  # nor nan
        return None
    x1, y1, x2, y2 = sides
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None
