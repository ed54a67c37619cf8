"""Clips pooled: the figures of a dataset are those of all its units, not a mean over clips."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement.box_agreement import ByNumber, box_figures
from qc.core.agreement.box_sets import PooledKeyframes
from qc.core.agreement.clip_agreement import as_value
from qc.core.agreement.coefficient_counts import Block, Pair
from qc.core.agreement.coefficients import FLEISS, OF_RATINGS
from qc.core.agreement.figures import (
    DIGITS,
    BoxFigures,
    ClipFigures,
    ClipUnits,
    Figure,
    GroupFigures,
    GroupOverTime,
    LabelFigures,
)
from qc.core.agreement.jackknife import MIN_VIDEOS, share_estimates
from qc.core.agreement.label_agreement import (
    ABSENT,
    UNANSWERED,
    Units,
    Value,
    against_others,
    brief_figures,
    group_figures,
    of_pair,
)
from qc.core.agreement.labels_over_time import NO_CONSECUTIVE, NO_SEGMENT, Flicker
from qc.core.agreement.rating_intervals import ClusterSums, rating_intervals
from qc.core.agreement.summary_figures import (
    AnnotatorFigures,
    ClipComparison,
    ClipSummary,
    ClipTotals,
    DatasetFigures,
    FindingCounts,
    GroupAnchoring,
    PairFigures,
)
from qc.core.agreement.time_chance import PooledTime
from qc.core.box_matching import BoxCounts
from qc.core.consensus.dawid_skene import segments
from qc.core.consensus.skill_weighting import GroupErrorRates, fit

NO_TRACK = "there is no track"
NOT_TIMED = "nothing was kept on the label page"
NOT_SHOWN = "no pre-drawn box was left on the label page with a known time"
BLIND_KINDS = ("seen", "mixed", "blind")  # by how many of two annotators did not see boxes


class Pool:
    """Reports of clips, pooled."""

    def __init__(self, groups: Sequence[ActionGroupSpec]) -> None:
        self.groups = groups
        self.compared = 0
        self.annotators: set[str] = set()
        self.videos: list[int] = []  # of each clip
        self.boxes: dict[Pair, ByNumber] = defaultdict(dict)  # by clip
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.persons: dict[tuple[int, int], int] = {}
        self.values: dict[str, dict[Value, int]] = {one.name: {} for one in groups}
        self.codes: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.codes = {one.name: defaultdict(list) for one in groups}
        self.numbers: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.numbers = {one.name: defaultdict(list) for one in groups}
        self.clips_of: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.clips_of = {one.name: defaultdict(list) for one in groups}
        self.blind_pairs: dict[tuple[str, str], list[Block]] = defaultdict(list)
        # by group and BLIND_KINDS, of mixed clips
        self.flicker: dict[tuple[str, str], Flicker] = {}  # by group and annotator
        self.segments: dict[tuple[str, Pair], dict[int, list[float]]]
        self.segments = defaultdict(dict)  # IoU and segments of each clip
        self.keyframes = PooledKeyframes()
        self.time = {one.name: PooledTime() for one in groups}
        self.points: dict[str, list[ClipComparison]] = defaultdict(list)
        self.listed: list[ClipSummary] = []
        self.tracks: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, video: int, clip: str, figures: ClipFigures) -> None:
        """Add one clip.

        Args:
            video: Whose persons have the clip's numbers.
            clip: Its name.
            figures: Of its report; its groups are not read.
        """
        annotators, number = tuple(figures.annotators), len(self.videos)
        self.videos.append(video)
        self.compared += len(annotators) > 1
        self.annotators.update(annotators)
        for a, b, _, *counts in figures.box_units:
            by_clip = self.boxes[_pair(a, b)]
            by_clip[number] = by_clip.get(number, BoxCounts()) + BoxCounts(*counts)
        for finding in figures.findings:
            self.severities[finding.severity] += 1
            self.rules[finding.rule] += 1
        if figures.keyframes is not None:
            self.keyframes.add(number, figures.keyframes)
        self._add_units(video, clip, annotators, figures.units, blind=figures.blind)
        self._add_time(figures.over_time)
        self._add_work(clip, figures)
        self.listed.append(
            ClipSummary(clip, figures.lowest, figures.boxes.f1, len(figures.findings))
        )

    def _add_units(
        self,
        video: int,
        clip: str,
        annotators: tuple[str, ...],
        units: ClipUnits,
        *,
        blind: Collection[str],
    ) -> None:
        numbers = np.array([self._number(video, one) for one in units.persons], dtype=np.int64)
        order = sorted(range(len(annotators)), key=annotators.__getitem__)
        annotators = tuple(annotators[one] for one in order)  # the same pairs in every clip
        for name, values in self.values.items():
            table = units.groups.get(name)
            if table is None:  # the group is younger than the report
                continue
            places = [values.setdefault(as_value(one), len(values)) for one in table.values]
            # Codes below 0 keep their meaning: they are places from the end.
            meaning = np.array([*places, UNANSWERED, ABSENT], dtype=np.int32)
            codes = np.array(table.codes, dtype=np.int64).reshape(len(annotators), -1)[order]
            recoded = meaning[codes].astype(np.int64)
            self.codes[name][annotators].append(meaning[codes])
            self.time[name].add_clip(len(self.videos) - 1, clip, recoded, units)
            self.numbers[name][annotators].append(numbers)
            self.clips_of[name][annotators].append(np.full(len(numbers), len(self.videos) - 1))
            if 0 < len(blind) < len(annotators):
                block = Block(annotators, recoded, numbers, self.clips_of[name][annotators][-1])
                self._add_blind_pairs(name, blind, block)

    def _add_blind_pairs(self, group: str, blind: Collection[str], block: Block) -> None:
        """Every two annotators of a clip that some did blind and others did not."""
        who = block.annotators
        blind_first = sorted(range(len(who)), key=lambda i: who[i] not in blind)
        for i, j in combinations(blind_first, 2):
            kind = BLIND_KINDS[(who[i] in blind) + (who[j] in blind)]
            self.blind_pairs[group, kind].append(
                block._replace(annotators=("one", "other"), codes=block.codes[[i, j]])
            )

    def _number(self, video: int, person: int) -> int:
        return self.persons.setdefault((video, person), len(self.persons))

    def _add_time(self, over_time: Mapping[str, GroupOverTime]) -> None:
        for name, group in over_time.items():
            for who, (changed, consecutive) in group.flicker.items():
                before = self.flicker.get((name, who), Flicker(0, 0))
                self.flicker[name, who] = Flicker(
                    before.changed + changed, before.consecutive + consecutive
                )
            for a, b, iou, count, *summed in group.segments:
                self.segments[name, _pair(a, b)][len(self.videos) - 1] = [iou, count]
                if summed and name in self.time:
                    self.time[name].add_pair(len(self.videos) - 1, summed)

    def _add_work(self, clip: str, figures: ClipFigures) -> None:
        for who, work in figures.work.items():
            same, compared = figures.others[who]
            self.points[who].append(
                ClipComparison(clip, work.at, same, compared, work.seconds, work.boxes)
            )
            self.tracks[who].update(
                all=work.tracks, unedited=work.unedited, decisions=work.decisions,
                ms=work.decision_ms, kept=work.kept, at_once=work.kept_at_once,
                boxes=work.boxes_kept, boxes_at_once=work.boxes_kept_at_once,
            )  # fmt: skip

    def figures(self) -> DatasetFigures:
        """Of everything together."""
        return DatasetFigures(
            clips=len(self.videos),
            clips_compared=self.compared,
            annotators=sorted(self.annotators),
            boxes=self._boxes(*self.boxes),
            groups=[self._group(group) for group in self.groups],
            findings=FindingCounts(
                self.severities["blocks"],
                self.severities["warns"],
                dict(sorted(self.rules.items())),
            ),
            box_chance=self.keyframes.figures(self._clusters),
        )

    def pairs(self) -> Iterator[PairFigures]:
        """Of each two annotators that had a clip in common, by name."""
        blocks = {one.name: self.blocks(one) for one in self.groups}
        for a, b in combinations(sorted(self.annotators), 2):
            figures, units = [], []
            for group in self.groups:
                if both := of_pair(blocks[group.name], a, b):
                    units.append(self._units(group, both))
                    its = self._segment_iou(group, [(a, b)])
                    figures.append(replace(brief_figures(units[-1]), segment_iou=its))
            if figures:
                yield PairFigures(
                    a=a,
                    b=b,
                    boxes=self._boxes((a, b)),
                    groups=figures,
                    edited=_means([one.edited_sums for one in units],
                                  [one.edited for one in figures]),
                    **vars(_means([one.sums for one in units], figures)),
                )  # fmt: skip

    def by_annotator(self) -> Iterator[AnnotatorFigures]:
        """Of each annotator against all others, by name."""
        blocks = {one.name: self.blocks(one) for one in self.groups}
        for who in sorted(self.annotators):
            units = [
                self._units(one, against_others(blocks[one.name], who)) for one in self.groups
            ]
            figures = [
                self._of_annotator(who, group, its)
                for group, its in zip(self.groups, units, strict=True)
            ]
            flicker, tracks = self._flicker(who=who), self.tracks[who]
            clips = sorted(self.points[who], key=lambda one: (one.at, one.clip))
            yield AnnotatorFigures(
                name=who,
                boxes=self._boxes(*(pair for pair in self.boxes if who in pair)),
                groups=figures,
                flicker=Figure.share(*flicker, NO_CONSECUTIVE),
                unedited=Figure.share(tracks["unedited"], tracks["all"], NO_TRACK),
                kept_at_once=Figure.share(tracks["at_once"], tracks["kept"], NOT_TIMED),
                boxes_at_once=Figure.share(tracks["boxes_at_once"], tracks["boxes"], NOT_SHOWN),
                decisions=tracks["decisions"],
                seconds_per_decision=(
                    round(tracks["ms"] / 1000 / tracks["decisions"], 3)
                    if tracks["decisions"] else None
                ),
                clips=clips,
                totals=ClipTotals.of(clips),
                edited=_means([one.edited_sums for one in units],
                              [one.edited for one in figures]),
                **vars(_means([one.sums for one in units], figures)),
            )  # fmt: skip

    def anchoring(self) -> list[GroupAnchoring]:
        """Of each group, agreement on clips that some annotated blind and others did not.

        `mixed` holds blind answers against those with boxes, `seen` the latter against each
        other, `blind` the former: with anchoring bias people agree among themselves, and less
        with those who worked blind.
        """
        found = []
        for group in self.groups:
            kinds = {}
            for kind in BLIND_KINDS:
                parts = self.blind_pairs[group.name, kind]
                blocks = [self._joined(parts)] if parts else []
                kinds[kind] = brief_figures(self._units(group, blocks))
            found.append(GroupAnchoring(group.name, **kinds))
        return found

    def error_rates(self) -> dict[str, GroupErrorRates]:
        """Dawid-Skene error rates of the annotators, by group, fitted by segment."""
        rates = {}
        for one in self.groups:
            blocks = self.blocks(one)
            rates[one.name] = fit(
                [(block.annotators, block.codes) for block in blocks],
                list(self.values[one.name]),
                one,
                judgements=[
                    (block.annotators, segments(block.codes, block.persons)) for block in blocks
                ],
            )
        return rates

    def blocks(self, group: ActionGroupSpec) -> list[Block]:
        """All units of a group."""
        numbers, clips = self.numbers[group.name], self.clips_of[group.name]
        return [
            Block(
                annotators,
                np.concatenate(codes, axis=1).astype(np.int64),
                np.concatenate(numbers[annotators]),
                self._clusters[np.concatenate(clips[annotators])],
            )
            for annotators, codes in sorted(self.codes[group.name].items())
        ]

    @property
    def _clusters(self) -> NDArray[np.int64]:
        """Of each clip what is left out with it: its source video if there are enough."""
        videos = np.array(self.videos, dtype=np.int64)
        return videos if len(set(self.videos)) >= MIN_VIDEOS else np.arange(len(videos))

    def _joined(self, parts: Sequence[Block]) -> Block:
        return Block(
            parts[0].annotators,
            np.concatenate([one.codes for one in parts], axis=1),
            np.concatenate([one.persons for one in parts]),
            self._clusters[np.concatenate([one.clusters for one in parts])],
        )

    def _group(self, group: ActionGroupSpec) -> GroupFigures:
        units = self._units(group, self.blocks(group))
        pairs = [pair for name, pair in self.segments if name == group.name]
        in_time = self.time[group.name].figures(self._clusters, units)
        return replace(
            group_figures(units),
            segment_alpha=in_time.segment_alpha,
            by_seconds=in_time.by_seconds,
            flicker=Figure.share(*self._flicker(group=group.name), NO_CONSECUTIVE),
            segment_iou=self._segment_iou(group, pairs),
        )

    def _units(self, group: ActionGroupSpec, blocks: Sequence[Block]) -> Units:
        return Units(blocks, list(self.values[group.name]), group)

    def _of_annotator(self, who: str, group: ActionGroupSpec, units: Units) -> GroupFigures:
        figures = group_figures(units)
        pairs = [pair for name, pair in self.segments if name == group.name and who in pair]
        return replace(
            figures,
            coefficients={
                name: one for name, one in figures.coefficients.items() if name != FLEISS.name
            },
            kappa_pairs=[],
            confusion=None,
            flicker=Figure.share(*self._flicker(group=group.name, who=who), NO_CONSECUTIVE),
            segment_iou=self._segment_iou(group, pairs),
        )

    def _boxes(self, *pairs: Pair) -> BoxFigures:
        clusters, found = self._clusters.tolist(), []
        for pair in pairs:
            by_cluster: ByNumber = {}
            for clip, counts in self.boxes.get(pair, {}).items():
                number = clusters[clip]
                by_cluster[number] = by_cluster.get(number, BoxCounts()) + counts
            found.append(by_cluster)
        return box_figures(found)

    def _segment_iou(self, group: ActionGroupSpec, pairs: Sequence[Pair]) -> Figure:
        sums, clusters = np.zeros((len(self.videos), 2)), self._clusters
        for pair in pairs:
            for clip, found in self.segments.get((group.name, pair), {}).items():
                sums[clip] += found
        numbers, places = np.unique(clusters, return_inverse=True)
        together = np.zeros((len(numbers), 2))
        np.add.at(together, places, sums)
        iou, count = together[:, :1], together[:, 1:]
        [around] = share_estimates(iou, count, is_mean=True)
        return Figure.share(float(iou.sum()), int(count.sum()), NO_SEGMENT, *around)

    def _flicker(self, *, group: str = "", who: str = "") -> Flicker:
        """Of one group, of one annotator, or of both."""
        found = [
            flicker
            for (its_group, annotator), flicker in self.flicker.items()
            if group in ("", its_group) and who in ("", annotator)
        ]
        return Flicker(sum(one.changed for one in found), sum(one.consecutive for one in found))


def _pair(a: str, b: str) -> Pair:
    """Two annotators, whichever a report names first."""
    return (a, b) if a < b else (b, a)


def _means(sources: Sequence[ClusterSums], groups: Sequence[LabelFigures]) -> LabelFigures:
    """The means over the groups in which a coefficient is defined, with their intervals."""
    around = rating_intervals(sources)
    asked = sum(one.asked for one in groups)
    answered = sum(one.asked * (one.answered or 0) for one in groups)
    return LabelFigures(
        units=sum(one.units for one in groups),
        rated_by_two=sum(one.rated_by_two for one in groups),
        asked=asked,
        answered=round(answered / asked, DIGITS) if asked else None,
        coefficients={
            spec.name: Figure.mean(
                (one.coefficients[spec.name] for one in groups), *around[spec.name]
            )
            for spec in OF_RATINGS
        },
    )
