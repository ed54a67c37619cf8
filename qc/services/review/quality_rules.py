"""What a dataset does otherwise than the house: rules switched off, and how votes decide."""

from collections.abc import Collection, Mapping
from string import Formatter
from typing import NamedTuple

from django.db import transaction

from avaproject.base.work import Stage, StagedQuerySet
from datasets.models import Dataset
from qc.core.quality.rules import Rule
from qc.models import AgreementReport, Consensus, QualityRules
from qc.services.agree import newest_reports
from qc.services.inspect import quality_rules, switched_off


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
        RulesRow(rule, rule.name not in off, found.get(rule.name, 0)) for rule in quality_rules()
    ]


def vote_rule_of(dataset: Dataset) -> str:
    """How votes decide in a dataset, one of QualityRules.VoteRule."""
    row = QualityRules.objects.filter(dataset=dataset).first()
    return row.vote_rule if row else str(QualityRules.VoteRule.MAJORITY)


@transaction.atomic
def change_rules(dataset: Dataset, *, switched_off: Collection[str], vote_rule: str) -> int:
    """Keep what a dataset does otherwise, and order anew what follows from it.

    Findings and consensuses of the newest answers are computed again; decisions of reviewers
    stay. What is being computed meanwhile is finished before, and then computed again, or
    finished after it, by the rules as they are then. Returns of how many clips.
    """
    under_way = AgreementReport.objects.of(dataset).exclude(stage=Stage.DONE)
    for rows in (under_way, Consensus.objects.of(dataset)):
        locked = rows.order_by("clip_id", "pk").select_for_update(of=("self",))
        list(locked.values_list("pk"))
    row, _ = QualityRules.objects.select_for_update().get_or_create(dataset=dataset)
    before = (set(row.switched_off), row.vote_rule)
    row.switched_off, row.vote_rule = sorted(switched_off), vote_rule
    row.save()
    reports = consensuses = 0
    if before[0] != set(row.switched_off):
        newest = AgreementReport.objects.filter(pk__in=newest_reports(dataset))
        reports = _again(newest)
    if before[1] != row.vote_rule or row.vote_rule == QualityRules.VoteRule.DAWID_SKENE:
        # With weighted votes also where nothing changed: the rates may be newer.
        consensuses = _again(Consensus.objects.of(dataset).newest())
    return max(reports, consensuses)


def _again(rows: StagedQuerySet) -> int:
    return rows.filter(stage=Stage.DONE).start_over()
