"""Stage 8: how far the annotators of a clip agree, and of a whole dataset out of its clips.

A report keeps its label units, so that the figures of a dataset are those of all its units and
no mean of means. The formulas stand in `qc.core.agreement` and `qc.core.units`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from django.db.models import Max

from datasets.models import Dataset
from qc.core.consensus import counts_as_vote
from qc.core.identity import Drawn, PersonAt, first_drawn_id, gather_persons
from qc.core.matching import BoxCounts, count_boxes
from qc.core.rules import Finding
from qc.core.settlement import Question
from qc.core.tables import Coefficient, as_figure
from qc.core.units import ABSENT, UNANSWERED, Asked, Block, Value, group_figures
from qc.models import AgreementReport
from qc.services.inspect import findings_of
from qc.services.versions import (
    AnswersGoneError,
    ClipAnswers,
    plan,
    questions_of,
    read_clip_answers,
)
from tracking.core.boxes import pairwise_iou

SEED = 20
CLIP_RESAMPLES = 200
DATASET_RESAMPLES = 1000
NO_BOX = "nobody drew a box"
NO_MATCH = "no boxes of two annotators match"
NO_OVERLAP = "no boxes of two annotators overlap"


def plan_reports() -> int:
    """Order a report of every clip's newest answers, where all its tasks have some."""
    return plan(AgreementReport)


def report_agreement(report_id: int) -> AgreementReport | None:
    """Compute one report; None if somebody else has it or it is done."""
    report: AgreementReport | None = AgreementReport.objects.claim(report_id)
    if report is None:
        return None
    with report.working(AnswersGoneError):
        answers = read_clip_answers(report)
        questions = questions_of([answers.clip.video.dataset])
        findings = findings_of(answers.pulls)
        figures = clip_figures(answers, questions[answers.clip.video.dataset_id])
        report.finish(figures=figures | {"findings": _findings(answers, findings)})
    return report


def clip_figures(answers: ClipAnswers, questions: Sequence[Question]) -> dict[str, Any]:
    """Box agreement, the figures of every group, and the label units they come from."""
    persons = gather_persons(answers.drawn, first_id=first_drawn_id(answers.clip.index))
    units = _unit_table(persons, answers, questions)
    numbers = np.array(units["persons"], dtype=np.int64)
    groups = []
    for question in questions:
        table = units["groups"][question.name]
        codes = np.array(table["codes"], dtype=np.int64)
        block = Block(tuple(answers.annotators), codes, numbers)
        values = [_value(one) for one in table["values"]]
        groups.append(_group([block], values, question, resamples=CLIP_RESAMPLES))
    return {
        "annotators": answers.annotators,
        "boxes": _box_figures(_box_counts(answers.drawn, answers.annotators)),
        "groups": groups,
        "units": units,
    }


def dataset_agreement(
    dataset: Dataset, *, clips: Collection[int] | None = None
) -> dict[str, Any]:
    """The figures of all units of a dataset, from the newest report of each of its clips.

    `clips_compared` counts those that two or more annotators have; figures are as in a clip's
    report, and `findings` counts them by severity and rule. With `clips`, keys of some clips,
    they are of these only.
    """
    reports = AgreementReport.objects.of(dataset).done()
    if clips is not None:
        reports = reports.filter(clip__in=clips)
    newest = reports.order_by().values("clip").annotate(newest=Max("pk")).values("newest")
    rows = (
        AgreementReport.objects.filter(pk__in=newest)
        .order_by("pk")
        .values_list("clip__video_id", "figures")
    )
    questions = questions_of([dataset])[dataset.pk]
    pool = _Pool(questions)
    for video, figures in rows.iterator(chunk_size=50):
        pool.add(video, figures)
    return pool.figures()


class _Pool:
    """Reports of clips, put together."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.questions = questions
        self.clips = 0
        self.compared = 0
        self.annotators: set[str] = set()
        self.boxes: dict[tuple[str, str], BoxCounts] = {}
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.persons: dict[tuple[int, int], int] = {}
        self.values: dict[str, dict[Value, int]] = {one.name: {} for one in questions}
        self.codes: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.codes = {one.name: defaultdict(list) for one in questions}
        self.numbers: dict[str, dict[tuple[str, ...], list[np.ndarray]]]
        self.numbers = {one.name: defaultdict(list) for one in questions}

    def add(self, video: int, figures: Mapping[str, Any]) -> None:
        annotators = tuple(figures["annotators"])
        self.clips += 1
        self.compared += len(annotators) > 1
        self.annotators.update(annotators)
        for pair in figures["boxes"]["pairs"]:
            counts = BoxCounts(**{key: pair[key] for key in BoxCounts._fields})
            _add_counts(self.boxes, (pair["a"], pair["b"]), counts)
        for finding in figures["findings"]:
            self.severities[finding["severity"]] += 1
            self.rules[finding["rule"]] += 1
        self._add_units(video, annotators, figures["units"])

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
            places = [values.setdefault(_value(one), len(values)) for one in table["values"]]
            # Codes below 0 keep their meaning: they are places from the end.
            meaning = np.array([*places, UNANSWERED, ABSENT], dtype=np.int64)
            codes = np.array(table["codes"], dtype=np.int64).reshape(len(annotators), -1)
            self.codes[name][annotators].append(meaning[codes].astype(np.int32))
            self.numbers[name][annotators].append(numbers)

    def figures(self) -> dict[str, Any]:
        return {
            "clips": self.clips,
            "clips_compared": self.compared,
            "annotators": sorted(self.annotators),
            "boxes": _box_figures(self.boxes),
            "groups": [self._group(question) for question in self.questions],
            "findings": {
                "blocks": self.severities["blocks"],
                "warns": self.severities["warns"],
                "rules": dict(sorted(self.rules.items())),
            },
        }

    def _group(self, question: Question) -> dict[str, Any]:
        numbers = self.numbers[question.name]
        blocks = [
            Block(
                annotators,
                np.concatenate(codes, axis=1).astype(np.int64),
                np.concatenate(numbers[annotators]),
            )
            for annotators, codes in sorted(self.codes[question.name].items())
        ]
        values = list(self.values[question.name])
        return _group(blocks, values, question, resamples=DATASET_RESAMPLES)


def _group(
    blocks: Sequence[Block], values: Sequence[Value], question: Question, *, resamples: int
) -> dict[str, Any]:
    asked = Asked(question.name, question.choice, question.actions)
    figures = group_figures(blocks, values, asked, seed=SEED, resamples=resamples)
    return figures | {"required": question.required}


def _unit_table(
    persons: Sequence[PersonAt], answers: ClipAnswers, questions: Sequence[Question]
) -> dict[str, Any]:
    """Who said what of whom: for each group a code for every annotator and unit."""
    groups = {}
    for question in questions:
        said = {
            (answers.drawn.annotators[row], unit): answers.answers[row].get(question.name)
            for unit, person in enumerate(persons)
            for row in person.rows
        }
        given = {_value(one) for one in said.values() if counts_as_vote(one)}
        values = sorted(given, key=_order)
        places = {value: place for place, value in enumerate(values)}
        codes = np.full((len(answers.pulls), len(persons)), ABSENT, dtype=np.int64)
        for place, one in said.items():
            codes[place] = places[_value(one)] if counts_as_vote(one) else UNANSWERED
        groups[question.name] = {
            "values": [one if isinstance(one, str) else sorted(one) for one in values],
            "codes": codes.tolist(),
        }
    return {
        "persons": [person.person_id for person in persons],
        "seconds": [person.second for person in persons],
        "groups": groups,
    }


def _value(answer: Any) -> Value:
    return answer if isinstance(answer, str) else frozenset(answer)


def _order(value: Value) -> tuple[int, list[str]]:
    return (0, [value]) if isinstance(value, str) else (1, sorted(value))


def _box_counts(drawn: Drawn, annotators: Sequence[str]) -> dict[tuple[str, str], BoxCounts]:
    """What the boxes of each pair of annotators have in common, over all keyframes."""
    counts: dict[tuple[str, str], BoxCounts] = {}
    for first, second in combinations(range(len(annotators)), 2):
        pair = (annotators[first], annotators[second])
        counts[pair] = BoxCounts()
        for at in np.unique(drawn.seconds).tolist():
            here = drawn.seconds == at
            a = drawn.boxes[here & (drawn.annotators == first)]
            b = drawn.boxes[here & (drawn.annotators == second)]
            _add_counts(counts, pair, count_boxes(pairwise_iou(a, b)))
    return counts


def _add_counts(
    counts: dict[tuple[str, str], BoxCounts], pair: tuple[str, str], more: BoxCounts
) -> None:
    counts[pair] = counts.get(pair, BoxCounts()).plus(more)


def _box_figures(counts: Mapping[tuple[str, str], BoxCounts]) -> dict[str, Any]:
    """Box agreement of each pair, and of all pairs together."""
    together: dict[tuple[str, str], BoxCounts] = {}
    for one in counts.values():
        _add_counts(together, ("", ""), one)
    return _pair_figures(together.get(("", ""), BoxCounts())) | {
        "pairs": [
            {"a": a, "b": b} | _pair_figures(one) | one._asdict()
            for (a, b), one in sorted(counts.items())
        ]
    }


def _pair_figures(counts: BoxCounts) -> dict[str, Any]:
    boxes = counts.first + counts.second
    return {
        "f1": _share(2 * counts.matched, boxes, NO_BOX),
        "mean_iou": _share(counts.iou, counts.matched, NO_MATCH),
        "share_50": _share(counts.matched, counts.overlapping, NO_OVERLAP),
        "share_75": _share(counts.close, counts.overlapping, NO_OVERLAP),
    }


def _share(part: float, whole: int, reason: str) -> dict[str, Any]:
    if whole == 0:
        return as_figure(Coefficient(None, reason, 0))
    return as_figure(Coefficient(part / whole, "", whole))


def _findings(
    answers: ClipAnswers, findings: Mapping[int, Iterable[Finding]]
) -> list[dict[str, Any]]:
    return [
        {"annotator": pull.task.annotator.name, "task": pull.task_id, "pull": pull.pk}
        | finding._asdict()
        for pull in answers.pulls
        for finding in findings[pull.pk]
    ]
