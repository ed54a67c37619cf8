"""What a dataset does otherwise than the house: rules switched off, and how votes decide."""

from collections.abc import Collection, Mapping
from string import Formatter
from typing import NamedTuple

from django.db import transaction

from avaproject.base.work import Stage, StagedQuerySet
from datasets.models import Dataset
from qc.core.quality.rules import Rule
from qc.models import AgreementReport, Consensus, HouseRules
from qc.services.agree import newest_reports
from qc.services.inspect import house_rules, switched_off


class RulesRow(NamedTuple):
    """A rule, whether the dataset asks it, and what it found."""

    rule: Rule
    is_on: bool
    found: int

    @property
    def title(self) -> str:
        return self.rule.name.replace("-", " ")

    @property
    def sentence(self) -> list[tuple[str, str]]:
        """What a finding says: texts, each with the word for what is filled in behind it."""
        parts = Formatter().parse(self.rule.sentence)
        return [(text, word or "") for text, word, _, _ in parts]


def rules_of(dataset: Dataset, found: Mapping[str, int]) -> list[RulesRow]:
    """All rules of the house; `found` counts findings by rule."""
    off = switched_off(dataset)
    return [
        RulesRow(rule, rule.name not in off, found.get(rule.name, 0)) for rule in house_rules()
    ]


def decides_by(dataset: Dataset) -> str:
    """How votes decide in a dataset, one of HouseRules.Decides."""
    row = HouseRules.objects.filter(dataset=dataset).first()
    return row.decides if row else str(HouseRules.Decides.MAJORITY)


@transaction.atomic
def change_rules(dataset: Dataset, *, switched_off: Collection[str], decides: str) -> int:
    """Keep what a dataset does otherwise, and order anew what follows from it.

    Findings and consensuses of the newest answers are computed again; decisions of reviewers
    stay. What is being computed meanwhile is finished before, and then computed again, or
    finished after it, by the rules as they are then. Returns of how many clips.
    """
    under_way = AgreementReport.objects.of(dataset).exclude(stage=Stage.DONE)
    for rows in (under_way, Consensus.objects.of(dataset)):
        locked = rows.order_by("clip_id", "pk").select_for_update(of=("self",))
        list(locked.values_list("pk"))
    row, _ = HouseRules.objects.select_for_update().get_or_create(dataset=dataset)
    before = (set(row.switched_off), row.decides)
    row.switched_off, row.decides = sorted(switched_off), decides
    row.save()
    reports = consensuses = 0
    if before[0] != set(row.switched_off):
        newest = AgreementReport.objects.filter(pk__in=newest_reports(dataset))
        reports = _again(newest)
    if before[1] != row.decides or row.decides == HouseRules.Decides.DAWID_SKENE:
        # With weighed votes also where nothing changed: the rates may be newer.
        consensuses = _again(Consensus.objects.of(dataset).newest())
    return max(reports, consensuses)


def _again(rows: StagedQuerySet) -> int:
    return rows.filter(stage=Stage.DONE).update(
        stage=Stage.WAITING, attempts=0, handed_out_at=None, progress=0.0
    )
