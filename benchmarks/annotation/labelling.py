"""Time to label the demo's people on the label page, and in CVAT's attribute mode: simulated.

    ./ava bench labelling

A simulated annotator, who knows what was rendered, labels the people of the demo's videos on
the real page in Chromium; clips are grey, boxes are the true ones. No time is measured: a
keystroke-level model (Card, Moran, Newell) counts it, in seconds. K = 0.28 a key (Shift+Enter
is two), P = 1.1 a point with the mouse, B = 0.1 a click, M = 1.35 a mental act: one for each
answer that changes, and one for what is proposed at a first keyframe. V = viewing: 3 once for a
person entering a clip, 1 for each keyframe at which something changes, 0.2 for one kept. The
annotator answers a person's first keyframe, keeps it to the end, and clicks on each keyframe at
which an answer changes; actions beyond the ten with a letter are clicked.

In CVAT's attribute annotation mode one attribute is asked at a time: for each the person is
viewed through the clip again, keyframe by keyframe (one key each, the player's step set to a
second); digits choose the first ten values of a select, the others need two points and clicks.
Attributes are those of `datasets.core.formats.cvat_labels`. "All" visits every attribute, as
the mode leads through them; "needed" leaves out the second and third select of a group with no
second or third action, which favours CVAT. Those of a person or clip are visited once.

Limits, for each vocabulary: 3 s and 1.2 keys for each keyframe of a person, 0.35 of CVAT's
seconds over all attributes; the labels are those that were meant, with a reload after every
tenth key in half of the clips.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from benchmarks._installation import installation
from benchmarks.annotation._simulated_tasks import (
    VOCABULARIES,
    Answers,
    Meant,
    build,
    meant_by,
    name_of,
)

KEY, POINT, CLICK, MENTAL = 0.28, 1.1, 0.1, 1.35
VIEW_PERSON, VIEW_CHANGE, VIEW_KEPT = 3.0, 1.0, 0.2
SECONDS_LIMIT, KEYS_LIMIT, SHARE_LIMIT = 3.0, 1.2, 0.35
DIGITS = 10  # values of a select that have a key in CVAT


@dataclass
class Count:
    """What was done, and the time that the model gives it."""

    keys: int = 0
    seconds: float = 0.0
    keyframes: int = 0

    def key(self, count: int = 1) -> None:
        self.keys += count
        self.seconds += count * KEY

    def point(self, clicks: int = 1) -> None:
        self.seconds += clicks * (POINT + CLICK)

    def think(self, count: int = 1) -> None:
        self.seconds += count * MENTAL

    def view(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Annotator:
    """Labels one task on the page with keys and clicks, and counts them."""

    page: Any
    groups: list[dict[str, Any]]
    count: Count
    reloads: bool = False  # after every tenth key
    keys_since: int = 0

    def label(self, meant: Meant) -> None:
        persons = sorted(meant, key=lambda key: (min(meant[key]), int(key)))
        clip_wide: Answers = {}
        for place, key in enumerate(persons):
            seconds = sorted(meant[key])
            self._go(key, seconds[0], is_counted=False)  # the page leads there by itself
            self.count.view(VIEW_PERSON)
            self._answer_first(key, seconds[0], meant[key][seconds[0]], clip_wide)
            self._keep_to_end(key, seconds[0])
            changed = False
            for before, second in pairwise(seconds):
                changes = {
                    name: answer for name, answer in meant[key][second].items()
                    if answer != meant[key][before][name]
                }  # fmt: skip
                self.count.view(VIEW_CHANGE if changes else VIEW_KEPT)
                for name, answer in changes.items():
                    self._go(
                        key, second, is_counted=not changed or self._place() != (key, second)
                    )
                    changed = True
                    self.count.think()
                    self._choose(key, second, name, answer)
            self.count.keyframes += len(seconds)
            if changed and place + 1 < len(persons):
                self._press("ArrowDown")

    def _answer_first(
        self, key: str, second: int, answers: Answers, clip_wide: Answers
    ) -> None:
        proposed = 0
        for group in self.groups:
            name, answer = group["name"], answers[group["name"]]
            if group["scope"] == "clip":
                if name in clip_wide:
                    continue
                clip_wide[name] = answer
            if answer == [] and not group["required"]:
                proposed = 1  # "none" is proposed, and accepted with all others at once
                continue
            self.count.think()
            self._choose(key, second, name, answer)
        self.count.think(proposed)

    def _choose(self, key: str, second: int, name: str, answer: Any) -> None:
        """Answer one group; a reload is survived between two keys."""
        group = next(one for one in self.groups if one["name"] == name)
        digit = self.groups.index(group) + 1
        actions = [answer] if isinstance(answer, str) else answer
        for action in actions or [None]:
            self._survive_reload(key, second)
            if self.page.locator("#label").get_attribute("data-open") != name:
                self._press(f"Digit{digit}")
            if action is None:
                self._press("Digit0")
                continue
            names = [one["name"] for one in group["actions"]]
            if names.index(action) < len("QWERTYUIOP"):
                self._press(f"Key{'QWERTYUIOP'[names.index(action)]}")
                continue
            chips = self.page.locator('#label [data-form="open"] .action-chip')
            chips.filter(has_text=re.compile(f"^{re.escape(action)}$")).click()
            self.count.point()

    def _keep_to_end(self, key: str, second: int) -> None:
        self._survive_reload(key, second)
        self._press("Shift+Enter", keys=2)

    def _go(self, key: str, second: int, *, is_counted: bool) -> None:
        if self._place() == (key, second):
            return
        cell = f'.person-lane[data-person="{key}"] [data-second="{second}"]'
        self.page.locator(cell).click()
        if is_counted:
            self.count.point()

    def _place(self) -> tuple[str, int]:
        key, _, second = (
            self.page.locator("#label").get_attribute("data-place") or " 0"
        ).partition(" ")
        return key, int(second)

    def _press(self, key: str, *, keys: int = 1) -> None:
        self.page.keyboard.press(key)
        self.count.key(keys)
        self.keys_since += keys

    def _survive_reload(self, key: str, second: int) -> None:
        """Reload the page, at once after a key, and go back to where it was."""
        if not self.reloads or self.keys_since < 10:
            return
        self.keys_since = 0
        self.page.reload()
        wait_until_open(self.page)
        self._go(key, second, is_counted=False)


def wait_until_open(page: Any) -> None:
    page.wait_for_selector('#label[data-state="open"]')
    page.wait_for_selector('#label[data-place]:not([data-place=""])')


def wait_until_saved(page: Any) -> None:
    page.wait_for_selector('body[data-saved="saved"][data-waiting="0"]')


def cvat(meant: Meant, groups: Sequence[Any], *, visits_all: bool) -> Count:
    """The same answers in CVAT's attribute annotation mode, one attribute at a time."""
    from datasets.core.formats.cvat_labels import attributes_of, select_names

    values = {one.name: one.values for one in attributes_of(groups)}
    count = Count()
    is_clip_answered = False
    for by_second in meant.values():
        seconds = sorted(by_second)
        count.keyframes += len(seconds)
        for group in groups:
            given = [by_second[second][group.name] for second in seconds]
            if group.scope != "keyframe":
                if group.scope == "person" or not is_clip_answered:
                    count.key()  # to the attribute
                    _set_in_cvat(count, values[group.name], given[0])
                is_clip_answered |= group.scope == "clip"
                continue
            lists = [[one] if isinstance(one, str) else one or ["none"] for one in given]
            for slot, name in enumerate(select_names(group)):
                needed = [one[slot] if slot < len(one) else "none" for one in lists]
                if slot and not visits_all and set(needed) == {"none"}:
                    continue
                _visit_in_cvat(count, values[name], needed, is_first=slot == 0)
    return count


def _visit_in_cvat(
    count: Count, values: Sequence[str], needed: Sequence[str], *, is_first: bool
) -> None:
    """One attribute of a person through the clip."""
    count.key()  # to the attribute, at the person's first keyframe
    count.view(VIEW_PERSON)
    if is_first or needed[0] != "none":
        _set_in_cvat(count, values, needed[0])
    for before, value in pairwise(needed):
        count.key()  # to the next keyframe
        count.view(VIEW_KEPT if value == before else VIEW_CHANGE)
        if value != before:
            _set_in_cvat(count, values, value)


def _set_in_cvat(count: Count, values: Sequence[str], value: str) -> None:
    count.think()
    if values.index(value) < DIGITS:
        count.key()
    else:
        count.point(2)


def differences(task: Any, meant: Meant) -> list[str]:
    """Where the labels that the server has differ from those that were meant."""
    from annotation.core.label_state import answers_at
    from annotation.selectors.labelling import draft_state, label_task, newest_draft

    about, draft = label_task(task), newest_draft(task)
    if draft is None:
        return [f"{task}: nobody has begun"]
    state = draft_state(draft, about)
    return [
        f"{task}, person {key}, second {second}: {found} instead of {answers}"
        for key, by_second in meant.items()
        for second, answers in by_second.items()
        if (found := answers_at(about, state, state.persons[key], second)) != answers
    ]


def persons_of(task: Any) -> dict[str, list[int]]:
    """The keyframes of each person on the page."""
    from annotation.core.label_state import LabelState, keyframes_of
    from annotation.selectors.labelling import label_task, newest_draft

    draft, about = newest_draft(task), label_task(task)
    state = LabelState.from_json(draft.start) if draft else LabelState()
    found = {key: keyframes_of(about, lane) for key, lane in state.persons.items()}
    return {key: seconds for key, seconds in found.items() if seconds}


def label_all(page: Any, base: str, vocabulary: str) -> bool:
    """Label all clips of a vocabulary; print the figures. Whether the limits are kept."""
    from annotation.models import AnnotationTask
    from annotation.selectors.tasks import group_specs
    from datasets.models import Dataset

    dataset = Dataset.objects.get(name=name_of(vocabulary))
    tasks = list(AnnotationTask.objects.of(dataset).select_related("clip__video__dataset"))
    count, everything, needed, wrong = Count(), Count(), Count(), []
    for place, task in enumerate(tasks):
        page.goto(f"{base}/datasets/{dataset.name}/tasks/{task.pk}/label/")
        wait_until_open(page)
        meant = meant_by(task, vocabulary, persons_of(task))
        groups = page.evaluate(
            "JSON.parse(document.getElementById('label-data').textContent).groups"
        )
        annotator = Annotator(page, groups, count, reloads=place % 2 == 1)
        annotator.label(meant)
        wait_until_saved(page)
        wrong += differences(task, meant)
        specs = group_specs(dataset)
        for total, visits_all in ((everything, True), (needed, False)):
            one = cvat(meant, specs, visits_all=visits_all)
            total.keys += one.keys
            total.seconds += one.seconds
            total.keyframes += one.keyframes
    return _report(vocabulary, count, everything, needed, wrong)


def _report(
    vocabulary: str, count: Count, everything: Count, needed: Count, wrong: list[str]
) -> bool:
    for name, one in (
        ("label page", count), ("CVAT, all attributes", everything),
        ("CVAT, those needed", needed),
    ):  # fmt: skip
        pace, keys = one.seconds / one.keyframes, one.keys / one.keyframes
        print(
            f"{vocabulary:9} {name:21} {one.keyframes:5} keyframes, {pace:5.2f} s and "
            f"{keys:5.2f} keys each, {one.seconds / 60:5.1f} min in all"
        )
    share = count.seconds / everything.seconds
    print(
        f"{vocabulary:9} share of CVAT's time: {share:.2f} (limit {SHARE_LIMIT}), of that for "
        f"those needed {count.seconds / needed.seconds:.2f}; {len(wrong)} labels differ from "
        "what was meant"
    )
    for line in wrong[:5]:
        print(f"  {line}")
    is_fast = count.seconds <= SECONDS_LIMIT * count.keyframes
    is_short = count.keys <= KEYS_LIMIT * count.keyframes
    return is_fast and is_short and share <= SHARE_LIMIT and not wrong


def main() -> None:
    print("Simulated: a keystroke-level model; see the module's text.")
    with installation(build) as (page, base):
        kept = [label_all(page, base, vocabulary) for vocabulary in VOCABULARIES]
    if not all(kept):
        sys.exit("A limit is not kept.")


if __name__ == "__main__":
    main()
