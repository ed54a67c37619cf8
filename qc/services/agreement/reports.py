"""Agreement reports of clips, and summaries that pool them for a dataset or a period.

A report keeps its label units, so that the figures of a dataset are those of all its units, not
a mean over clips. A summary is made from the newest report of each clip once the reports that
were ordered are there.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Sum
from django.db.models.functions import Now
from django.utils.timezone import get_default_timezone
from django.utils.translation import gettext

from annotation.models import AnswerVersion
from avaproject.base.work import StagedQuerySet
from datasets.models import Dataset
from qc.core.agreement.clip_agreement import compare_clip
from qc.core.agreement.figures import ClipFigures, ClipFinding
from qc.core.agreement.pooling import Pool
from qc.core.agreement.summary_figures import DatasetFigures, SummaryFigures, split
from qc.core.annotator_keys import annotator_key
from qc.core.consensus.calibration import Calibration, calibrate
from qc.core.consensus.skill_weighting import GroupErrorRates
from qc.models import AgreementPart, AgreementReport, AgreementSummary, Score
from qc.models.querysets import ClipWorkQuerySet
from qc.services.agreement.gold_votes import gold_units
from qc.services.agreement.quality_checks import findings_of, switched_off, work_of
from qc.services.answer_versions import (
    AnswersDeletedError,
    ClipAnswers,
    group_specs_of,
    plan,
    read_clip_answers,
)

# Ids in figures alone: those of two clips of a video differ, and from tracked persons'.
FIRST_DRAWN, DRAWN_PERSONS = 100_000, 10_000
REPORTS_AT_ONCE = 20  # in memory
CHEAP, SHARE = timedelta(seconds=5), 0.05
FORMULAS = 3  # of summaries: another number, and all are computed again


class PeriodError(ValueError):
    """A text that is not a period."""


def plan_reports(since: datetime | None = None) -> int:
    """Order a report of every clip's newest answers, where all its tasks have some.

    Args:
        since: Plan only clips whose tasks or answers have changed since then.
    """
    return plan(AgreementReport, since)


def report_agreement(report_id: int) -> AgreementReport | None:
    """Compute one report; None if somebody else has it or it is done."""
    report: AgreementReport | None = AgreementReport.objects.claim(report_id)
    if report is None:
        return None
    with report.working(AnswersDeletedError):
        answers = read_clip_answers(report)
        dataset = answers.clip.video.dataset
        figures = compare_clip(
            answers.drawn,
            answers.answers,
            answers.annotators,
            group_specs_of([dataset])[dataset.pk],
            first_id=FIRST_DRAWN + DRAWN_PERSONS * answers.clip.index,
            longest_side=max(answers.clip.video.width or 1, answers.clip.video.height or 1),
        )
        versions = dict(zip(answers.annotators, answers.versions, strict=True))
        work = work_of(answers.versions)
        figures = replace(
            figures,
            work={name: work[version.pk] for name, version in versions.items()},
            blind=[name for name, version in versions.items() if version.task.is_blind],
        )
        last = max(version.created_at for version in answers.versions)
        while not _finish_by_rules(report, answers, figures, answered_at=last):
            pass  # the rules were changed in between
    return report


def _finish_by_rules(
    report: AgreementReport,
    answers: ClipAnswers,
    figures: ClipFigures,
    *,
    answered_at: datetime,
) -> bool:
    """Add the findings and finish; False if the dataset changed its rules meanwhile.

    `qc.services.review.quality_rules.change_rules` waits for the row, and then finds it
    finished.
    """
    dataset = answers.clip.video.dataset
    off = switched_off(dataset)
    found = replace(figures, findings=_findings(answers.versions)).to_json()
    with transaction.atomic():
        list(AgreementReport.objects.select_for_update().filter(pk=report.pk).values("pk"))
        if switched_off(dataset) != off:
            return False
        report.finish(figures=found, answered_at=answered_at)
    return True


def dataset_agreement(
    dataset: Dataset, *, clips: Collection[int] | None = None
) -> DatasetFigures:
    """The figures of all units of a dataset, from the newest report of each of its clips.

    With `clips`, keys of some clips, they are of these only.
    """
    return _pooled(dataset, newest_reports(dataset), clips=clips).figures()


def newest_reports(dataset: Dataset, *, period: str = "") -> list[int]:
    """Keys of the newest report of each clip, ascending; with a period, answered in it."""
    rows = _in_period(AgreementReport.objects.of(dataset).newest(), period)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def _in_period(rows: ClipWorkQuerySet, period: str) -> ClipWorkQuerySet:
    if not period:
        return rows
    since, until = days_of(period)
    zone = get_default_timezone()
    start = datetime.combine(since, time(), tzinfo=zone)
    end = datetime.combine(until + timedelta(days=1), time(), tzinfo=zone)
    return rows.filter(answered_at__gte=start, answered_at__lt=end)


def days_of(period: str) -> tuple[date, date]:
    """First and last day of `2026-01-01/2026-01-31`, in the time zone of the pages.

    Raises PeriodError for anything else.
    """
    try:
        since, until = map(date.fromisoformat, period.split("/"))
    except ValueError:
        raise PeriodError(
            gettext("%(period)r is not a period; write 2026-01-01/2026-01-31")
            % {"period": period}
        ) from None
    if since > until:
        raise PeriodError(
            gettext("the period ends on %(until)s, before it starts on %(since)s")
            % {"until": until, "since": since}
        )
    return since, until


def plan_summaries(since: datetime | None = None) -> int:
    """Order a summary of every dataset whose reports or gold answers have changed since.

    It waits while reports are still ordered; and where the last one took long, until SHARE of
    the time since then is what it took, so that answers that come one by one over weeks do not
    each cost a look at the whole dataset.

    Args:
        since: Plan only datasets with a report or a gold score that has changed since then.
    """
    reports = AgreementReport.objects.done().order_by()
    changed = set(
        reports.changed_since(since).values_list("clip__video__dataset", flat=True).distinct()
    )
    scores = Score.objects.done().changed_since(since).exclude(key=None).order_by()
    changed |= set(scores.values_list("version__task__clip__video__dataset", flat=True))
    if not changed:
        return 0
    busy = AgreementReport.objects.open().values("clip__video__dataset")
    reported = Exists(reports.filter(clip__video__dataset=OuterRef("pk")))
    missing = []
    for dataset in Dataset.objects.filter(reported, pk__in=changed).exclude(pk__in=busy):
        made = AgreementSummary.objects.filter(dataset=dataset)
        if _is_too_soon(made):
            continue
        there = set(made.values_list("period", "reports"))
        periods = {""} | {period for period, _ in there}
        for period in sorted(periods):
            digest = _digest(dataset, period)
            if (period, digest) not in there:
                missing.append(AgreementSummary(dataset=dataset, period=period, reports=digest))
    AgreementSummary.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def _is_too_soon(made: StagedQuerySet) -> bool:
    """Whether the last of these summaries took long, not long ago."""
    times = made.done().order_by("-pk").annotate(now=Now())
    last = times.values_list("started_at", "finished_at", "now").first()
    if last is None or last[0] is None or last[1] is None:
        return False
    took = last[1] - last[0]
    return bool(took > CHEAP and (last[2] - last[1]) * SHARE < took)


def order_period(dataset: Dataset, period: str) -> AgreementSummary:
    """Order the figures of a period, or find those ordered. Raises PeriodError for none."""
    days_of(period)
    digest = _digest(dataset, period)
    summary, _ = AgreementSummary.objects.get_or_create(
        dataset=dataset, period=period, reports=digest
    )
    return summary


def summarise(summary_id: int) -> AgreementSummary | None:
    """Compute one summary and drop those it replaces; None if it is claimed or done."""
    summary: AgreementSummary | None = AgreementSummary.objects.claim(summary_id)
    if summary is None:
        return None
    with summary.working():
        keys = newest_reports(summary.dataset, period=summary.period)
        pool = _pooled(summary.dataset, keys, order=summary)
        dataset = pool.figures()
        summary.report(0.6)
        pairs = list(pool.pairs())
        summary.report(0.75)
        rates = pool.error_rates()
        figures = SummaryFigures(
            dataset=dataset,
            pairs=pairs,
            annotators=list(pool.by_annotator()),
            error_rates=rates,
            anchoring=pool.anchoring(),
            clips=pool.listed,
            reports=keys,
            calibration=_calibration(summary.dataset, rates),
        )
        # Newer reports may have come since the order was written: the figures say which.
        head, parts = split(figures)
        with transaction.atomic():
            summary.parts.all().delete()
            AgreementPart.objects.bulk_create(
                AgreementPart(summary=summary, name=name, **part._asdict())
                for name, part in parts.items()
            )
            summary.finish(figures=head)
    same = AgreementSummary.objects.filter(dataset=summary.dataset, period=summary.period)
    same.done().filter(pk__lt=summary.pk).delete()
    return summary


def _calibration(
    dataset: Dataset, rates: Mapping[str, GroupErrorRates]
) -> dict[str, Calibration]:
    """How sure and how right weighted votes are on gold clips, by group."""
    units = gold_units(dataset)
    return {
        group.name: calibrate(units[group.name], rates[group.name].fits, group)
        for group in group_specs_of([dataset])[dataset.pk]
        if group.name in rates and units.get(group.name)
    }


def _pooled(
    dataset: Dataset,
    keys: Sequence[int],
    *,
    clips: Collection[int] | None = None,
    order: AgreementSummary | None = None,
) -> Pool:
    pool = Pool(group_specs_of([dataset])[dataset.pk])
    rows = AgreementReport.objects.order_by("pk")
    if clips is not None:
        rows = rows.filter(clip__in=clips)
    # No cursor stays open over a report: SQLite refuses to write beside it once others have.
    for done in range(0, len(keys), REPORTS_AT_ONCE):
        some = rows.filter(pk__in=keys[done : done + REPORTS_AT_ONCE])
        for video, clip, figures in some.values_list("clip__video_id", "clip__name", "figures"):
            # The pool reads no figures of groups, which are most of a report.
            pool.add(video, clip, ClipFigures.from_json(figures | {"groups": []}))
        if order is not None:
            order.report(0.5 * done / len(keys))
    return pool


def _digest(dataset: Dataset, period: str) -> str:
    """Changes with formulas, gold scores, and reports: others, or the same computed again."""
    rows = _in_period(AgreementReport.objects.of(dataset).newest(), period)
    facts = rows.order_by().aggregate(Count("pk"), Max("pk"), Max("finished_at"), Sum("pk"))
    scores = Score.objects.done().filter(version__task__clip__video__dataset=dataset)
    gold = scores.exclude(key=None).order_by().aggregate(Count("pk"), Max("pk"))
    said = [FORMULAS, *sorted(facts.items()), *sorted(gold.items())]
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _findings(versions: Sequence[AnswerVersion]) -> list[ClipFinding]:
    findings = findings_of(versions)
    return [
        ClipFinding(
            annotator_key(version.author_id),
            version.task_id,
            version.pk,
            finding.rule,
            finding.severity,
            finding.sentence,
            list(finding.seconds),
            finding.track,
            finding.person_id,
        )
        for version in versions
        for finding in findings[version.pk]
    ]
