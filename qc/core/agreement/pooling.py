"""Clips put together: the figures of a dataset are those of all its units, no mean of means."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.core.agreement.boxes import ByPerson, Pair, box_figures, figures_of
from qc.core.agreement.comparison import SEED, as_value, asked_of
from qc.core.agreement.resampling import Source, mean_intervals
from qc.core.agreement.segments import NO_PAIR_OF_KEYFRAMES, NO_STRETCH, Flips
from qc.core.agreement.tables import Codes, Coefficient, as_figure, mean_of, share_of
from qc.core.agreement.units import (
    ABSENT,
    UNANSWERED,
    Block,
    Units,
    Value,
    brief_figures,
    group_figures,
    of_pair,
    with_peers,
)
from qc.core.consensus.clip_consensus import Question
from qc.core.consensus.skill_weighting import estimated
from qc.core.matching import BoxCounts

RESAMPLES = 1000
FEWER_RESAMPLES = 200  # of a pair, and of an annotator against the others
NO_TRACK = "there is no track"
LED = ("seen", "mixed", "blind")  # by how many of two annotators did not see boxes


class Pool:
    """Reports of clips, as `compare_clip` makes them, put together."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.clips = 0
        self.compared = 0
        self.annotators: set[str] = set()
        self.boxes: dict[Pair, ByPerson] = defaultdict(dict)
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.persons: dict[tuple[int, int], int] = {}
        self.values: dict[str, dict[Value, int]] = {one.name: {} for one in questions}
        self.codes: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.codes = {one.name: defaultdict(list) for one in questions}
        self.numbers: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.numbers = {one.name: defaultdict(list) for one in questions}
        self.led: dict[tuple[str, str], list[tuple[Codes, NDArray[np.int64]]]]
        self.led = defaultdict(list)  # by group and LED, of clips done both ways
        self.flips: dict[tuple[str, str], Flips] = {}  # by group and annotator
        self.segments: dict[tuple[str, Pair], np.ndarray] = {}  # IoU and stretches
        self.points: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.listed: list[dict[str, Any]] = []
        self.work: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, video: int, clip: str, figures: Mapping[str, Any]) -> None:
        """Add one clip.

        Args:
            video: Whose persons have the clip's numbers.
            clip: Its name.
            figures: Of its report.
        """
        annotators = tuple(figures["annotators"])
        self.clips += 1
        self.compared += len(annotators) > 1
        self.annotators.update(annotators)
        for a, b, person, *counts in figures["box_units"]:
            by_person, number = self.boxes[a, b], self._number(video, person)
            by_person[number] = by_person.get(number, BoxCounts()).plus(BoxCounts(*counts))
        for finding in figures["findings"]:
            self.severities[finding["severity"]] += 1
            self.rules[finding["rule"]] += 1
        self._add_units(video, annotators, figures["units"], blind=figures.get("blind", ()))
        self._add_time(figures.get("over_time", {}))
        self._add_work(clip, figures)
        self.listed.append(_in_short(clip, figures))

    def _add_units(
        self,
        video: int,
        annotators: tuple[str, ...],
        units: Mapping[str, Any],
        *,
        blind: Collection[str],
    ) -> None:
        numbers = np.array(
            [self._number(video, one) for one in units["persons"]], dtype=np.int64
        )
        for name, values in self.values.items():
            table = units["groups"].get(name)
            if table is None:  # the group is younger than the report
                continue
            places = [values.setdefault(as_value(one), len(values)) for one in table["values"]]
            # Codes below 0 keep their meaning: they are places from the end.
            meaning = np.array([*places, UNANSWERED, ABSENT], dtype=np.int32)
            codes = np.array(table["codes"], dtype=np.int64).reshape(len(annotators), -1)
            self.codes[name][annotators].append(meaning[codes])
            self.numbers[name][annotators].append(numbers)
            if 0 < len(blind) < len(annotators):
                recoded = meaning[codes].astype(np.int64)
                self._add_led(name, annotators, blind, recoded, numbers)

    def _add_led(
        self,
        group: str,
        annotators: tuple[str, ...],
        blind: Collection[str],
        codes: Codes,
        numbers: NDArray[np.int64],
    ) -> None:
        """Every two annotators of a clip that some did blind and others did not."""
        blind_first = sorted(range(len(annotators)), key=lambda i: annotators[i] not in blind)
        for i, j in combinations(blind_first, 2):
            kind = LED[(annotators[i] in blind) + (annotators[j] in blind)]
            self.led[group, kind].append((codes[[i, j]], numbers))

    def _number(self, video: int, person: int) -> int:
        return self.persons.setdefault((video, person), len(self.persons))

    def _add_time(self, over_time: Mapping[str, Any]) -> None:
        for name, group in over_time.items():
            for who, (changed, consecutive) in group["flips"].items():
                before = self.flips.get((name, who), Flips(0, 0))
                self.flips[name, who] = Flips(
                    before.changed + changed, before.consecutive + consecutive
                )
            for a, b, *found in group["segments"]:
                key = (name, (a, b))
                self.segments[key] = self.segments.get(key, np.zeros(2)) + np.array(found)

    def _add_work(self, clip: str, figures: Mapping[str, Any]) -> None:
        for who, work in figures.get("work", {}).items():
            same, compared = figures["peers"][who]
            self.points[who].append(
                {"clip": clip, "at": work["at"], "same": same, "compared": compared,
                 "seconds": work["seconds"], "boxes": work["boxes"]}
            )  # fmt: skip
            for key in ("tracks", "untouched", "boxes"):
                self.work[who][key] += work[key]

    def figures(self) -> dict[str, Any]:
        """Of everything together."""
        return {
            "clips": self.clips,
            "clips_compared": self.compared,
            "annotators": sorted(self.annotators),
            "boxes": box_figures(self.boxes, seed=SEED, resamples=RESAMPLES),
            "groups": [self._group(question) for question in self.questions],
            "findings": {
                "blocks": self.severities["blocks"],
                "warns": self.severities["warns"],
                "rules": dict(sorted(self.rules.items())),
            },
        }

    def pairs(self) -> Iterator[dict[str, Any]]:
        """Of each two annotators that had a clip in common, by name."""
        blocks = {one.name: self.blocks(one) for one in self.questions}
        for pair in combinations(sorted(self.annotators), 2):
            groups, units = [], []
            for question in self.questions:
                if both := of_pair(blocks[question.name], *pair):
                    units.append(self._units(question, both))
                    groups.append(_brief(units[-1]) | self._overlap(question, [pair]))
            if groups:
                yield {
                    "a": pair[0],
                    "b": pair[1],
                    "boxes": self._boxes(pair),
                    "groups": groups,
                    **_over_groups(units, groups),
                }

    def people(self) -> Iterator[dict[str, Any]]:
        """Of each annotator against all others, by name."""
        blocks = {one.name: self.blocks(one) for one in self.questions}
        for who in sorted(self.annotators):
            units = [
                self._units(one, with_peers(blocks[one.name], who)) for one in self.questions
            ]
            groups = [
                self._of_person(who, question, its)
                for question, its in zip(self.questions, units, strict=True)
            ]
            work = self.work[who]
            yield {
                "name": who,
                "boxes": self._boxes(*(pair for pair in self.boxes if who in pair)),
                "groups": groups,
                **_over_groups(units, groups),
                "flips": share_of(*self._flips(who=who), NO_PAIR_OF_KEYFRAMES),
                "untouched": share_of(work["untouched"], work["tracks"], NO_TRACK),
                "points": sorted(self.points[who], key=lambda one: (one["at"], one["clip"])),
            }

    def anchoring(self) -> list[dict[str, Any]]:
        """Of each group, how far answers agree on clips that some did blind and others not.

        `mixed` holds blind answers against those with the machine's boxes, `seen` the latter
        against each other, `blind` the former: people who are led agree among themselves, and
        less with those who are not.
        """
        found = []
        for question in self.questions:
            kinds = {}
            for kind in LED:
                parts = self.led[question.name, kind]
                blocks = [
                    Block(
                        ("one", "other"),
                        np.concatenate([codes for codes, _ in parts], axis=1),
                        np.concatenate([numbers for _, numbers in parts]),
                    )
                ] if parts else []  # fmt: skip
                kinds[kind] = _brief(self._units(question, blocks))
            found.append({"name": question.name} | kinds)
        return found

    def estimates(self) -> dict[str, dict[str, Any]]:
        """What each annotator's votes are worth, by group, see `estimates`."""
        return {
            one.name: estimated(
                [(block.annotators, block.codes) for block in self.blocks(one)],
                list(self.values[one.name]), one,
            )
            for one in self.questions
        }  # fmt: skip

    def blocks(self, question: Question) -> list[Block]:
        """All units of a group."""
        numbers = self.numbers[question.name]
        return [
            Block(
                annotators,
                np.concatenate(codes, axis=1).astype(np.int64),
                np.concatenate(numbers[annotators]),
            )
            for annotators, codes in sorted(self.codes[question.name].items())
        ]

    def _group(self, question: Question) -> dict[str, Any]:
        units = self._units(question, self.blocks(question))
        figures = group_figures(units, seed=SEED, resamples=RESAMPLES)
        pairs = [pair for group, pair in self.segments if group == question.name]
        flips = self._flips(group=question.name)
        return figures | {
            "required": question.required,
            "flips": share_of(flips.changed, flips.consecutive, NO_PAIR_OF_KEYFRAMES),
        } | self._overlap(question, pairs)  # fmt: skip

    def _units(self, question: Question, blocks: Sequence[Block]) -> Units:
        return Units(blocks, list(self.values[question.name]), asked_of(question))

    def _of_person(self, who: str, question: Question, units: Units) -> dict[str, Any]:
        figures = group_figures(units, seed=SEED, resamples=FEWER_RESAMPLES)
        for key in ("confusion", "fleiss", "fleiss_interval", "kappa_pairs"):
            del figures[key]
        pairs = [pair for group, pair in self.segments
                 if group == question.name and who in pair]  # fmt: skip
        flips = self._flips(group=question.name, who=who)
        figures["flips"] = share_of(flips.changed, flips.consecutive, NO_PAIR_OF_KEYFRAMES)
        return figures | self._overlap(question, pairs)

    def _boxes(self, *pairs: Pair) -> dict[str, Any]:
        counts = [self.boxes.get(pair, {}) for pair in pairs]
        return figures_of(counts, seed=SEED, resamples=FEWER_RESAMPLES)

    def _overlap(self, question: Question, pairs: Sequence[Pair]) -> dict[str, Any]:
        total = np.zeros(2)
        for pair in pairs:
            total = total + self.segments.get((question.name, pair), np.zeros(2))
        return {"segments": share_of(float(total[0]), int(total[1]), NO_STRETCH)}

    def _flips(self, *, group: str = "", who: str = "") -> Flips:
        """Of one group, of one annotator, or of both."""
        mine = [
            flips
            for (its_group, annotator), flips in self.flips.items()
            if group in ("", its_group) and who in ("", annotator)
        ]
        return Flips(sum(one.changed for one in mine), sum(one.consecutive for one in mine))


def _in_short(clip: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """A clip by the group agreed on least; if alpha is defined for none, the first says why."""
    groups = sorted(
        figures["groups"],
        key=lambda one: (one["alpha"]["value"] is None, one["alpha"]["value"] or 0.0),
    )
    nothing: dict[str, Any] = {
        "name": "",
        "alpha": as_figure(Coefficient(None, "there is no group", 0)),
    }
    lowest: Mapping[str, Any] = groups[0] if groups else nothing
    return {
        "clip": clip,
        "group": lowest["name"] if lowest["alpha"]["value"] is not None else "",
        "alpha": lowest["alpha"],
        "alpha_interval": lowest.get("alpha_interval"),
        "f1": figures["boxes"]["f1"],
        "f1_interval": figures["boxes"]["f1_interval"],
        "findings": len(figures["findings"]),
    }


def _brief(units: Units) -> dict[str, Any]:
    return brief_figures(units, seed=SEED, resamples=FEWER_RESAMPLES)


def _over_groups(units: Sequence[Units], groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The means over the groups with their intervals, and what they rest on."""
    asked = sum(one["asked"] for one in groups)
    answered = sum(one["asked"] * (one["answered"] or 0) for one in groups)
    touched = [one["touched"] for one in groups]
    return _means([one.source for one in units], groups, ("alpha", "ac1", "percent")) | {
        "touched": _means([one.touched_source for one in units], touched, ("alpha",)),
        "units": sum(one["units"] for one in groups),
        "rated_by_two": sum(one["rated_by_two"] for one in groups),
        "answered": round(answered / asked, 6) if asked else None,
    }


def _means(
    sources: Sequence[Source], groups: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """The mean over the groups in which a figure is defined, with its interval."""
    drawn = mean_intervals(sources, seed=SEED, resamples=FEWER_RESAMPLES)._asdict()
    means: dict[str, Any] = {}
    for name in names:
        means[name] = mean_of(
            Coefficient(one[name]["value"], one[name]["reason"], one[name]["units"])
            for one in groups
        )
        is_defined = means[name]["value"] is not None
        means[f"{name}_interval"] = drawn[name] if is_defined else None
    return means
