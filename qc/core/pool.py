"""Clips put together: the figures of a dataset are those of all its units, no mean of means."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from qc.core.box_agreement import Pair, added, box_figures, figures_of
from qc.core.comparison import SEED, as_value, asked_of
from qc.core.estimates import estimated
from qc.core.matching import BoxCounts
from qc.core.segments import NO_PAIR_OF_KEYFRAMES, NO_STRETCH, Flips
from qc.core.settlement import Question
from qc.core.tables import Coefficient, as_figure, mean_of, share_of
from qc.core.units import (
    ABSENT,
    UNANSWERED,
    Block,
    Value,
    brief_figures,
    group_figures,
    of_pair,
    with_peers,
)

RESAMPLES = 1000
FEWER_RESAMPLES = 200  # of a pair, and of an annotator against the others
NO_TRACK = "there is no track"


class Pool:
    """Reports of clips, as `compare_clip` makes them, put together."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.clips = 0
        self.compared = 0
        self.annotators: set[str] = set()
        self.boxes: dict[Pair, BoxCounts] = {}
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.persons: dict[tuple[int, int], int] = {}
        self.values: dict[str, dict[Value, int]] = {one.name: {} for one in questions}
        self.codes: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.codes = {one.name: defaultdict(list) for one in questions}
        self.numbers: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.numbers = {one.name: defaultdict(list) for one in questions}
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
        for one in figures["boxes"]["pairs"]:
            pair = (one["a"], one["b"])
            counts = BoxCounts(**{key: one[key] for key in BoxCounts._fields})
            self.boxes[pair] = self.boxes.get(pair, BoxCounts()).plus(counts)
        for finding in figures["findings"]:
            self.severities[finding["severity"]] += 1
            self.rules[finding["rule"]] += 1
        self._add_units(video, annotators, figures["units"])
        self._add_time(figures.get("over_time", {}))
        self._add_work(clip, figures)
        self.listed.append(_in_short(clip, figures))

    def _add_units(
        self, video: int, annotators: tuple[str, ...], units: Mapping[str, Any]
    ) -> None:
        numbers = np.array(
            [
                self.persons.setdefault((video, one), len(self.persons))
                for one in units["persons"]
            ],
            dtype=np.int64,
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
            "boxes": box_figures(self.boxes),
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
            groups = []
            for question in self.questions:
                both = of_pair(blocks[question.name], *pair)
                if both:
                    groups.append(self._brief(both, question) | self._overlap(question, [pair]))
            if groups:
                yield {
                    "a": pair[0],
                    "b": pair[1],
                    "boxes": figures_of(self.boxes.get(pair, BoxCounts())),
                    "groups": groups,
                    "alpha": _macro(groups, "alpha"),
                    "ac1": _macro(groups, "ac1"),
                }

    def people(self) -> Iterator[dict[str, Any]]:
        """Of each annotator against all others, by name."""
        blocks = {one.name: self.blocks(one) for one in self.questions}
        for who in sorted(self.annotators):
            groups = [self._of_person(who, one, blocks[one.name]) for one in self.questions]
            work = self.work[who]
            mine = [counts for pair, counts in self.boxes.items() if who in pair]
            yield {
                "name": who,
                "boxes": figures_of(added(mine)),
                "groups": groups,
                "alpha": _macro(groups, "alpha"),
                "ac1": _macro(groups, "ac1"),
                "flips": share_of(*self._flips_of(who), NO_PAIR_OF_KEYFRAMES),
                "untouched": share_of(work["untouched"], work["tracks"], NO_TRACK),
                "points": sorted(self.points[who], key=lambda one: (one["at"], one["clip"])),
            }

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
        figures = group_figures(
            self.blocks(question), list(self.values[question.name]), asked_of(question),
            seed=SEED, resamples=RESAMPLES,
        )  # fmt: skip
        pairs = [pair for group, pair in self.segments if group == question.name]
        flips = self._flips(question.name)
        return figures | {
            "required": question.required,
            "flips": share_of(flips.changed, flips.consecutive, NO_PAIR_OF_KEYFRAMES),
        } | self._overlap(question, pairs)  # fmt: skip

    def _brief(self, blocks: Sequence[Block], question: Question) -> dict[str, Any]:
        return brief_figures(
            blocks, list(self.values[question.name]), asked_of(question),
            seed=SEED, resamples=FEWER_RESAMPLES,
        )  # fmt: skip

    def _of_person(
        self, who: str, question: Question, blocks: Sequence[Block]
    ) -> dict[str, Any]:
        figures = group_figures(
            with_peers(blocks, who), list(self.values[question.name]), asked_of(question),
            seed=SEED, resamples=FEWER_RESAMPLES,
        )  # fmt: skip
        for key in ("confusion", "fleiss", "kappa_pairs"):
            del figures[key]
        pairs = [pair for group, pair in self.segments
                 if group == question.name and who in pair]  # fmt: skip
        flips = self.flips.get((question.name, who), Flips(0, 0))
        figures["flips"] = share_of(flips.changed, flips.consecutive, NO_PAIR_OF_KEYFRAMES)
        return figures | self._overlap(question, pairs)

    def _overlap(self, question: Question, pairs: Sequence[Pair]) -> dict[str, Any]:
        total = np.zeros(2)
        for pair in pairs:
            total = total + self.segments.get((question.name, pair), np.zeros(2))
        return {"segments": share_of(float(total[0]), int(total[1]), NO_STRETCH)}

    def _flips(self, group: str) -> Flips:
        mine = [one for (name, _), one in self.flips.items() if name == group]
        return Flips(sum(one.changed for one in mine), sum(one.consecutive for one in mine))

    def _flips_of(self, who: str) -> Flips:
        mine = [one for (_, name), one in self.flips.items() if name == who]
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
        "findings": len(figures["findings"]),
    }


def _macro(groups: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The mean over the groups where the figure is defined, and how many were left out."""
    return mean_of(
        Coefficient(one[name]["value"], one[name]["reason"], one[name]["units"])
        for one in groups
    )
