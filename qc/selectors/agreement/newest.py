"""The newest agreement summary of a dataset or period, read in the parts that a page shows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import permutations
from typing import Any, TypeVar, cast

from django.core.cache import cache
from django.db.models import Max, QuerySet
from django.db.models.fields.json import KeyTransform

from annotation.models import JobTimes
from datasets.models import Dataset
from qc.core.agreement.summary_figures import DATASET, FiguresPart, SummaryFigures, joined
from qc.core.annotator_keys import with_names
from qc.models import AgreementReport, AgreementSummary, Review
from qc.selectors.agreement.table_parts import Table
from qc.selectors.display_names import annotator_names
from qc.selectors.statuses import CACHE_SECONDS

Page = TypeVar("Page")
Value = TypeVar("Value")


@dataclass
class Newest:
    """The newest figures of a dataset or period, and whether newer ones are being computed."""

    summary: AgreementSummary | None  # its figures are read when they are needed
    is_coming: bool

    def page(self, name: str, compute: Callable[[], Page | None]) -> Page | None:
        """What `compute` makes of the figures, without rows that a page does not show.

        It is kept until there are newer figures, reviews, times of CVAT or names; None
        without figures.
        """

        def without_rows() -> Page | None:
            page = compute()
            for attribute, table in vars(page).items() if page else ():
                if isinstance(table, Table):
                    setattr(page, attribute, table.for_page())
            return page

        return self.kept(name, without_rows)

    def kept(self, name: str, compute: Callable[[], Value | None]) -> Value | None:
        """What `compute` makes of the figures, kept as long as a page; None without figures."""
        if self.summary is None:
            return None
        last_review = Review.objects.aggregate(last=Max("pk"))["last"]
        last_times = JobTimes.objects.aggregate(last=Max("asked_at"))["last"]
        told = (last_review, last_times)  # what came since the figures
        facts = (name, self.summary.pk, self.summary.modified_at, told, self._names)
        key = sha256(repr(facts).encode()).hexdigest()
        value = cache.get(key, self)
        if value is self:
            value = compute()
            cache.set(key, value, CACHE_SECONDS)
        return cast("Value | None", value)

    @cached_property
    def figures(self) -> SummaryFigures | None:
        """Without the figures of pairs and annotators by group, and with the lowest clips."""
        return self._with({})

    def of_people(self, *names: str) -> SummaryFigures | None:
        """With all of an annotator, or of a pair."""
        keys = [key for key, name in self._names.items() if name in names]
        wanted = [f"{a} {b}" for a, b in permutations(keys, 2)] if len(names) > 1 else keys
        return self._with(self._parts(name__in=wanted))

    def of_group(self, group: str) -> SummaryFigures | None:
        """With the figures of all pairs and annotators in one group."""
        if self.summary is None:
            return None
        rows = self.summary.parts.exclude(name=DATASET)
        found = rows.values_list("name", KeyTransform(group, "groups"))
        return self._with({name: FiguresPart({group: its}, []) for name, its in found if its})

    def with_clips(self) -> SummaryFigures | None:
        """With all clips in the list of the dataset."""
        return self._with(self._parts(name=DATASET))

    def complete(self) -> SummaryFigures | None:
        """As the summary was computed."""
        return self._with(self._parts())

    def _parts(self, **wanted: Any) -> dict[str, FiguresPart]:
        if self.summary is None:
            return {}
        rows = self.summary.parts.filter(**wanted).values_list("name", "groups", "clips")
        return {name: FiguresPart(groups, clips) for name, groups, clips in rows}

    def _with(self, parts: Mapping[str, FiguresPart]) -> SummaryFigures | None:
        if self.summary is None:
            return None
        named = {
            " ".join(with_names(name.split(" "), self._names)): FiguresPart(
                with_names(part.groups, self._names), part.clips
            )
            for name, part in parts.items()
        }
        figures = with_names(self.summary.figures, self._names)
        return _in_order_of_names(SummaryFigures.from_json(joined(figures, named)))

    @cached_property
    def _names(self) -> dict[str, str]:
        return annotator_names(self.summary.dataset) if self.summary else {}


def _in_order_of_names(figures: SummaryFigures) -> SummaryFigures:
    """Annotators and pairs by name: they come in the order of keys, "#10" before "#9"."""
    pairs = [replace(one, a=min(one.a, one.b), b=max(one.a, one.b)) for one in figures.pairs]
    return replace(
        figures,
        dataset=replace(figures.dataset, annotators=sorted(figures.dataset.annotators)),
        pairs=sorted(pairs, key=lambda one: (one.a, one.b)),
        annotators=sorted(figures.annotators, key=lambda one: one.name),
    )


def newest_summary(dataset: Dataset, period: str = "") -> Newest:
    rows = AgreementSummary.objects.filter(dataset=dataset, period=period).defer("figures")
    newest = rows.done().order_by("-pk").first()
    reports = AgreementReport.objects.all()
    is_coming = rows.open().exists() or (not period and _is_any(reports.open(), dataset))
    if newest is not None and newest.started_at is not None and not period:
        is_coming |= _is_any(reports.done().changed_since(newest.started_at), dataset)
    return Newest(newest, is_coming)


def _is_any(reports: QuerySet[AgreementReport], dataset: Dataset) -> bool:
    """Whether some are of `dataset`; any at all are looked for first, by an index."""
    return reports.exists() and reports.filter(clip__video__dataset=dataset).exists()
