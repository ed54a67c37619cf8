"""Random logs of the label page: the same cases for the fold in Python and in JavaScript.

`python -m tests.core.annotation.label_logs` writes `label_cases.json` beside this file: each
case is a log and the state that `annotation.core.answer_segments.fold` makes of it.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotation.core.answer_segments import fold
from annotation.core.label_state import LabelState, LabelTask, progress, unset
from datasets.core.action_groups import ActionGroupSpec

CASES = Path(__file__).parent / "label_cases.json"
GROUPS = (
    ActionGroupSpec("posture", "one", True, ("stand", "walk", "sit"), 1),
    ActionGroupSpec("doing", "many", False, ("wave", "carry", "read"), 2),
    ActionGroupSpec("dress", "one", True, ("coat", "suit"), 1, "person"),
    ActionGroupSpec("light", "one", True, ("day", "night"), 1, "clip"),
)
TASK = LabelTask(GROUPS, tuple(range(1, 9)), 275, 6)
KEYS = ("1", "2", "3", "d-1", "d-2", "d-3", "nobody")


def start() -> dict[str, Any]:
    """Three persons given out: one all the time, one with a hole, one who leaves."""

    def shape(frame: int, x: float, state: str = "inside") -> dict[str, Any]:
        box = [x, 20.25, x + 30.5, 120]
        return {"frame": frame, "box": box, "state": state, "drawn": False}

    def lane(number: int, shapes: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "number": number, "shapes": shapes, "hidden": [], "answers": {}, "once": {},
            "seen": [], "gone": "",
        }  # fmt: skip

    whole = [shape(0, 10), shape(90, 47.3), shape(270, 12)]
    hole = [
        shape(30, 200),
        shape(96, 230, "outside"),
        shape(150, 260),
        shape(222, 300, "outside"),
    ]
    leaves = [shape(0, 400.7), shape(126, 420.1, "outside")]
    persons = {"1": lane(1, whole), "2": lane(2, hole), "3": lane(3, leaves)}
    return {"persons": persons, "clip": {}, "remarks": {}}


def random_log(seed: int, length: int) -> list[dict[str, Any]]:
    """A log of operations, sensible and not, with doubles, undoing and redoing."""
    rng = random.Random(seed)
    log: list[dict[str, Any]] = []
    for number in range(length):
        kind = rng.choices(list(_FIELDS), weights=[_WEIGHTS.get(one, 2) for one in _FIELDS])[0]
        fields = _FIELDS[kind](rng, log)
        if kind in ("set", "keep"):
            fields["shown"] = 40 * number  # a time changes nothing
        log.append({"id": f"op-{number}", "kind": kind, **fields})
        if rng.random() < 0.05:
            log.append(rng.choice(log))
    return log


def _person(rng: random.Random) -> str:
    return rng.choices(KEYS, weights=(6, 5, 4, 3, 2, 1, 1))[0]


def _answer(rng: random.Random, group: ActionGroupSpec) -> Any:
    if rng.random() < 0.15:
        return rng.choice(["unknown", "unset", "fly", None, 3, ["fly"], ["wave", "wave"]])
    if group.choice == "one":
        return rng.choice(group.actions)
    return rng.sample(group.actions, rng.randint(0, 3))


def _answers(rng: random.Random) -> dict[str, Any]:
    groups = rng.sample(GROUPS, rng.randint(1, 3))
    return {group.name: _answer(rng, group) for group in groups}


def _second(rng: random.Random) -> Any:
    return rng.choice([*TASK.keyframes, *TASK.keyframes, 0, 99, 2.5, True, None, 3.0])


def _frame(rng: random.Random) -> Any:
    if rng.random() < 0.06:
        return rng.choice([-6, 7, 300, 1.5, "6", None, True, 6.0])
    return rng.randrange(0, TASK.frame_count, TASK.step)


def _box(rng: random.Random) -> Any:
    if rng.random() < 0.06:
        return rng.choice(
            [[0, 0, 0, 9], [5, 5, 1, 9], [1, 2, 3], None, [0, 0, 1e9, 9], ["a"] * 4]
        )
    x, y = round(rng.uniform(0, 500), 2), rng.randint(0, 200)
    return [x, y, x + round(rng.uniform(5, 90), 1), y + rng.randint(10, 150)]


def _drawn(rng: random.Random, log: Sequence[Any]) -> dict[str, Any]:
    fill = [{"frame": _frame(rng), "box": _box(rng)} for _ in range(rng.choice([0, 0, 0, 2]))]
    found = {"person": _person(rng), "frame": _frame(rng), "box": _box(rng)}
    return {**found, "fill": fill} if fill else found


def _kept(rng: random.Random, log: Sequence[Any]) -> dict[str, Any]:
    first, last = sorted([rng.choice(TASK.keyframes), rng.choice(TASK.keyframes)])
    found = {"person": _person(rng), "first": first, "last": last}
    return {**found, "answers": _answers(rng)} if rng.random() < 0.4 else found


def _moved(rng: random.Random, log: Sequence[Any]) -> dict[str, Any]:
    found = {"person": _person(rng), "frame": _frame(rng)}
    if rng.random() < 0.5:
        found["until"] = rng.choice([_frame(rng), TASK.frame_count, None, 13])
    return found


def _target(rng: random.Random, log: Sequence[Any]) -> dict[str, Any]:
    known = [one["id"] for one in log[-4:]] + ["op-none"]
    return {"target": rng.choice(known)}


_FIELDS: dict[str, Any] = {
    "set": lambda rng, log: {
        "person": _person(rng), "second": _second(rng), "answers": _answers(rng),
    },
    "clear": lambda rng, log: {
        "person": _person(rng), "second": _second(rng),
        "groups": rng.sample(["posture", "doing", "dress", "light", "none"], 2),
    },
    "keep": _kept,
    "box": _drawn,
    "add": _drawn,
    "outside": _moved,
    "inside": _moved,
    "delete": lambda rng, log: {"person": _person(rng)},
    "restore": lambda rng, log: {"person": _person(rng)},
    "merge": lambda rng, log: {"person": _person(rng), "other": _person(rng)},
    "split": lambda rng, log: {
        "person": _person(rng), "frame": _frame(rng), "created": rng.choice(KEYS),
    },
    "reply": lambda rng, log: {"remark": rng.choice("ab"), "text": rng.choice(["", "yes", 3])},
    "undo": _target,
    "redo": _target,
    "dance": lambda rng, log: {"person": _person(rng)},
}  # fmt: skip
_WEIGHTS = {
    "set": 12,
    "keep": 9,
    "box": 5,
    "add": 4,
    "undo": 4,
    "delete": 1,
    "merge": 1,
    "dance": 1,
}


def case(seed: int) -> dict[str, Any]:
    """A case as it is in the file."""
    log = random_log(seed, length=12 + seed % 50)
    state = fold(TASK, LabelState.from_json(start()), log)
    done, total = progress(TASK, state)
    return {
        "log": log,
        "state": state.to_json(),
        "unset": [one._asdict() for one in unset(TASK, state)],
        "progress": {"done": done, "total": total},
    }


def cases() -> dict[str, Any]:
    """The content of the file of cases."""
    groups = [
        {
            "name": group.name, "choice": group.choice, "required": group.required,
            "max": group.max_per_person, "scope": group.scope,
            "actions": [{"name": action} for action in group.actions],
        }
        for group in GROUPS
    ]  # fmt: skip
    clip = {
        "keyframes": list(TASK.keyframes), "frame_count": TASK.frame_count,
        "step": TASK.step, "frame_rate": TASK.frame_rate,
    }  # fmt: skip
    found = [case(seed) for seed in range(60)]
    return {"clip": clip, "groups": groups, "start": start(), "cases": found}


def text_of_cases() -> str:
    """One line a case, so that a change shows which."""
    content = cases()
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in content.pop("cases"))
    head = json.dumps(content, separators=(",", ":"))[:-1]
    return f'{head},"cases":[\n{lines}\n]}}\n'


if __name__ == "__main__":
    CASES.write_text(text_of_cases())
