"""State of the work on the label page: persons with their boxes and answers, and what is unset.

An answer is set at a keyframe and holds until another is set; it counts where it was set and
where the keyframe was looked at (`seen`). Groups of scope person and clip are answered once.
Answers are those of `datasets.core.action_groups`; keyframes are whole clip seconds, frames and
boxes those of `box_paths`. The state is made by `segments.fold`, and by
`static/annotation/label/segments.js` in the browser.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from annotation.core.box_paths import BoxPath, PathShape
from datasets.core.action_groups import UNSET, ActionGroupSpec, Answers
from datasets.core.formats.cvat_labels import PERSON

LOOKED_AT = ""  # in place of a group: the keyframe itself was not looked at

Answer = str | list[str]


class LabelTask(NamedTuple):
    """What the fold must know of a task."""

    groups: tuple[ActionGroupSpec, ...]
    keyframes: tuple[int, ...]  # whole clip seconds, ascending
    frame_count: int  # of the clip
    step: int  # frames from one annotation frame to the next
    frame_rate: int = 30
    labels: tuple[str, ...] = (PERSON,)  # classes of which somebody may be drawn


class Unset(NamedTuple):
    """Something that must be answered before the work can be submitted."""

    person: str  # empty: a question about the clip
    second: int | None  # None: asked once
    group: str  # LOOKED_AT: the keyframe was not looked at


@dataclass
class Lane:
    """One person in the clip, or what else is followed: `label` says what.

    `number` is that of the pre-annotation, None for somebody drawn. `answers` of a group ascend
    by second; `gone` is "deleted", "merged" or empty.
    """

    number: int | None
    path: BoxPath
    answers: dict[str, list[tuple[int, Answer]]] = field(default_factory=dict)
    once: dict[str, Answer] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)
    gone: str = ""
    label: str = PERSON

    def set_at(self, group: str, second: int) -> Answer | None:
        """What was set exactly at `second`; "unset" if it was cleared there."""
        return next((one for at, one in self.answers.get(group, ()) if at == second), None)

    def held_at(self, group: str, second: int) -> Answer:
        """The last answer set at or before `second`, looked at or not."""
        before = [one for at, one in self.answers.get(group, ()) if at <= second]
        return before[-1] if before else UNSET

    def counted_at(self, group: str, second: int) -> Answer:
        """The answer that counts at `second`: set there, or held and looked at."""
        here = self.set_at(group, second)
        if here is not None:
            return here
        return self.held_at(group, second) if second in self.seen else UNSET

    def answer(self, group: str, second: int, answer: Answer) -> None:
        rest = [one for one in self.answers.get(group, ()) if one[0] != second]
        self.answers[group] = sorted([*rest, (second, answer)], key=lambda one: one[0])

    def clear(self, group: str, second: int) -> None:
        rest = [one for one in self.answers.pop(group, ()) if one[0] != second]
        if rest:
            self.answers[group] = rest
        if self.held_at(group, second) != UNSET:
            self.answer(group, second, UNSET)

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "shapes": [shape.to_json() for shape in self.path.shapes],
            "hidden": [list(one) for one in self.path.hidden],
            "answers": {
                group: [list(one) for one in given]
                for group, given in self.answers.items() if given
            },
            "once": dict(self.once),
            "seen": sorted(self.seen),
            "gone": self.gone,
        } | ({} if self.label == PERSON else {"label": self.label})  # fmt: skip

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Lane":
        shapes = [PathShape.from_json(one) for one in content["shapes"]]
        return cls(
            content["number"],
            BoxPath(shapes, [(start, stop) for start, stop in content["hidden"]]),
            {g: [(at, one) for at, one in given] for g, given in content["answers"].items()},
            dict(content["once"]),
            set(content["seen"]),
            content["gone"],
            content.get("label", PERSON),
        )


@dataclass
class LabelState:
    """The state of the work on a task: its persons by key, those who are gone among them."""

    persons: dict[str, Lane] = field(default_factory=dict)
    clip: dict[str, Answer] = field(default_factory=dict)  # answers of groups of scope clip
    remarks: dict[str, str] = field(default_factory=dict)  # replies to a reviewer's remarks

    def to_json(self) -> dict[str, Any]:
        persons = {key: lane.to_json() for key, lane in self.persons.items()}
        return {"persons": persons, "clip": dict(self.clip), "remarks": dict(self.remarks)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "LabelState":
        return cls(
            {key: Lane.from_json(lane) for key, lane in content["persons"].items()},
            dict(content["clip"]),
            dict(content["remarks"]),
        )


def with_current_answers(
    state: LabelState, former: Mapping[str, Mapping[str, str]]
) -> LabelState:
    """The state with the names that actions have now, in place; `former` by group.

    >>> lane = Lane(1, BoxPath([], []), {"doing": [(2, ["hail"])]})
    >>> state = with_current_answers(LabelState({"1": lane}), {"doing": {"hail": "wave"}})
    >>> state.persons["1"].answers
    {'doing': [(2, ['wave'])]}
    """
    for lane in state.persons.values():
        for group, given in lane.answers.items():
            names = former.get(group, {})
            lane.answers[group] = [(at, _current(answer, names)) for at, answer in given]
        lane.once = {g: _current(one, former.get(g, {})) for g, one in lane.once.items()}
    state.clip = {g: _current(one, former.get(g, {})) for g, one in state.clip.items()}
    return state


def _current(answer: Answer, names: Mapping[str, str]) -> Answer:
    if isinstance(answer, str):
        return names.get(answer, answer)
    return list(dict.fromkeys(names.get(one, one) for one in answer))


def is_living(task: LabelTask, lane: Lane) -> bool:
    """Whether it is a person that is in the frame at a keyframe, so that answers are asked."""
    return not lane.gone and bool(keyframes_of(task, lane))


def keyframes_of(task: LabelTask, lane: Lane) -> list[int]:
    """The keyframes at which the person is in the frame."""
    return [k for k in task.keyframes if lane.path.box_at(k * task.frame_rate) is not None]


def persons_in_order(task: LabelTask, state: LabelState) -> list[str]:
    """The keys of the living persons: by first keyframe, then number; drawn ones last."""

    def place(key: str) -> tuple[int, bool, int, str]:
        lane = state.persons[key]
        first = keyframes_of(task, lane)[0]
        return first, lane.number is None, lane.number or 0, key

    return sorted((k for k, lane in state.persons.items() if is_living(task, lane)), key=place)


def unset(task: LabelTask, state: LabelState) -> list[Unset]:
    """What must be answered before the work can be submitted, in the order of work.

    That is every required group, and every keyframe of a person that was not looked at. A clip
    without people asks nothing.
    """
    found: list[Unset] = []
    order = persons_in_order(task, state)
    for key in order:
        lane = state.persons[key]
        for second in keyframes_of(task, lane):
            found += [Unset(key, second, group) for group in _open_at(task, lane, second)]
        found += [
            Unset(key, None, group.name) for group in task.groups
            if group.scope == "person" and group.required
            and lane.once.get(group.name, UNSET) == UNSET
        ]  # fmt: skip
    if order:
        found += [
            Unset("", None, group.name) for group in task.groups
            if group.scope == "clip" and group.required
            and state.clip.get(group.name, UNSET) == UNSET
        ]  # fmt: skip
    return found


def progress(task: LabelTask, state: LabelState) -> tuple[int, int]:
    """How many keyframes of persons are done, and how many there are."""
    lanes = [lane for lane in state.persons.values() if is_living(task, lane)]
    open_at = [not _open_at(task, lane, k) for lane in lanes for k in keyframes_of(task, lane)]
    return sum(open_at), len(open_at)


def answers_at(task: LabelTask, state: LabelState, lane: Lane, second: int) -> Answers:
    """The answers that count at a keyframe, to every group; "unset" where nobody looked."""
    found: Answers = {}
    for group in task.groups:
        if group.scope == "keyframe":
            found[group.name] = lane.counted_at(group.name, second)
        else:
            given = lane.once if group.scope == "person" else state.clip
            found[group.name] = given.get(group.name, UNSET)
    return found


def _open_at(task: LabelTask, lane: Lane, second: int) -> list[str]:
    groups = [group for group in task.groups if group.scope == "keyframe"]
    missing = [
        one.name for one in groups
        if one.required and lane.counted_at(one.name, second) == UNSET
    ]  # fmt: skip
    if missing or second in lane.seen:
        return missing
    is_set = all(lane.set_at(one.name, second) not in (None, UNSET) for one in groups)
    return [] if is_set else [LOOKED_AT]
