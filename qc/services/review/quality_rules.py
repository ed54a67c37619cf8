"""Quality rules of a dataset: which rules are checked, and how votes are counted."""

from collections.abc import Collection, Mapping
from string import Formatter
from typing import NamedTuple

from django.db import transaction

from avaproject.base.work import Stage, StagedQuerySet
from datasets.accounts.activity import record
from datasets.models import Dataset
from qc.core.quality.rules import QualityRule
from qc.models import AgreementReport, Consensus, QualityRules
from qc.services.agreement.quality_checks import quality_rules, switched_off
from qc.services.agreement.reports import newest_reports
from tracking.core.tracks_file import PERSON


class RulesRow(NamedTuple):
    """A rule, whether the dataset checks it, and the number of findings.

    `has_classes`: whether others than persons are followed.
    """

    rule: QualityRule
    is_on: bool
    found: int
    has_classes: bool

    @property
    def title(self) -> str:
        return self.rule.name.replace("-", " ")

    @property
    def sentence(self) -> list[tuple[str, str]]:
        """The message of a finding: texts, each with the placeholder behind it."""
        return _parts(self.rule.sentence)

    @property
    def class_sentence(self) -> list[tuple[str, str]]:
        """The same of what is no person; empty if it is the same, or persons are followed."""
        return _parts(self.rule.class_sentence) if self.has_classes else []


def _parts(sentence: str) -> list[tuple[str, str]]:
    return [(text, word or "") for text, word, _, _ in Formatter().parse(sentence)]


def rules_of(dataset: Dataset, found: Mapping[str, int]) -> list[RulesRow]:
    """All rules; `found` counts findings by rule."""
    off = switched_off(dataset)
    has_classes = dataset.class_names != [PERSON]
    return [
        RulesRow(rule, rule.name not in off, found.get(rule.name, 0), has_classes)
        for rule in quality_rules()
    ]


def vote_rule_of(dataset: Dataset) -> str:
    """The vote rule of a dataset, one of QualityRules.VoteRule."""
    row = QualityRules.objects.filter(dataset=dataset).first()
    return row.vote_rule if row else str(QualityRules.VoteRule.MAJORITY)


@transaction.atomic
def change_rules(dataset: Dataset, *, switched_off: Collection[str], vote_rule: str) -> int:
    """Save the rules of a dataset and recompute what depends on them.

    Findings and consensuses of the newest answers are computed again; decisions of reviewers
    stay. Work in progress finishes before and is repeated, or after, with the new rules.
    Returns the number of clips.
    """
    record("change quality rules", dataset=dataset, details=vote_rule)
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
        reports = _recompute(newest)
    if before[1] != row.vote_rule or row.vote_rule == QualityRules.VoteRule.DAWID_SKENE:
        # With weighted votes also where nothing changed: the rates may be newer.
        consensuses = _recompute(Consensus.objects.of(dataset).newest())
    return max(reports, consensuses)


def _recompute(rows: StagedQuerySet) -> int:
    return rows.filter(stage=Stage.DONE).start_over()
