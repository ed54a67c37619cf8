"""Stage 8: how far the annotators of a clip agree, and of a whole dataset out of its clips.

A report keeps its label units, so that the figures of a dataset are those of all its units and
no mean of means. A summary is put together from the newest report of each clip once the reports
that were ordered are there. The formulas stand in `qc.core`.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import transaction

from avaproject.base.work import Stage
from datasets.core.clipping import FRAME_RATE
from datasets.models import Dataset
from qc.core.agreement.comparison import compare_clip
from qc.core.agreement.pooling import Pool
from qc.core.consensus.identity import first_drawn_id
from qc.core.quality.rules import Finding
from qc.models import AgreementReport, AgreementSummary
from qc.services.inspect import findings_of, switched_off, work_in
from qc.services.answer_versions import (
    AnswersGoneError,
    ClipAnswers,
    plan,
    questions_of,
    read_clip_answers,
)


class PeriodError(ValueError):
    """A period that is none."""


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
        figures = compare_clip(
            answers.drawn,
            answers.answers,
            answers.annotators,
            questions[answers.clip.video.dataset_id],
            first_id=first_drawn_id(answers.clip.index),
        )
        work = work_in(answers.pulls)
        figures["work"] = {pull.task.annotator.name: work[pull.pk] for pull in answers.pulls}
        figures["blind"] = [
            pull.task.annotator.name for pull in answers.pulls if pull.task.is_blind
        ]
        last = max(pull.created_at for pull in answers.pulls)
        while not _finish_by_rules(report, answers, figures, answered_at=last):
            pass  # they were changed in between
    return report


def _finish_by_rules(
    report: AgreementReport,
    answers: ClipAnswers,
    figures: dict[str, Any],
    *,
    answered_at: datetime,
) -> bool:
    """Add what the rules find and finish; False if the dataset changed them meanwhile.

    `qc.services.review.quality_rules.change_rules` waits for the row, and then finds it finished.
    """
    dataset = answers.clip.video.dataset
    off = switched_off(dataset)
    figures["findings"] = _findings(answers, findings_of(answers.pulls))
    with transaction.atomic():
        list(AgreementReport.objects.select_for_update().filter(pk=report.pk).values("pk"))
        if switched_off(dataset) != off:
            return False
        report.finish(figures=figures, answered_at=answered_at)
    return True


def dataset_agreement(
    dataset: Dataset, *, clips: Collection[int] | None = None
) -> dict[str, Any]:
    """The figures of all units of a dataset, from the newest report of each of its clips.

    `clips_compared` counts those that two or more annotators have; figures are as in a clip's
    report, and `findings` counts them by severity and rule. With `clips`, keys of some clips,
    they are of these only.
    """
    keys = newest_reports(dataset)
    return _pooled(dataset, keys, clips=clips).figures()


def newest_reports(dataset: Dataset, *, period: str = "") -> list[int]:
    """Keys of the newest report of each clip, ascending; with a period, answered in it."""
    rows = AgreementReport.objects.of(dataset).newest()
    if period:
        since, until = days_of(period)
        start = datetime.combine(since, time(), tzinfo=UTC)
        end = datetime.combine(until, time(), tzinfo=UTC) + timedelta(days=1)
        rows = rows.filter(answered_at__gte=start, answered_at__lt=end)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def days_of(period: str) -> tuple[date, date]:
    """First and last day of `2026-01-01/2026-01-31`. Raises PeriodError if it is none."""
    try:
        since, until = map(date.fromisoformat, period.split("/"))
    except ValueError:
        raise PeriodError(f"{period!r} is no period; write 2026-01-01/2026-01-31") from None
    if since > until:
        raise PeriodError(f"the period ends on {until}, before it begins on {since}")
    return since, until


def plan_summaries() -> int:
    """Order a summary of every dataset whose reports have changed since the last one.

    While reports are still on their way it waits for them.
    """
    on_the_way = AgreementReport.objects.filter(stage__in=(Stage.WAITING, Stage.RUNNING))
    busy = on_the_way.values("clip__video__dataset")
    reported = AgreementReport.objects.done().values("clip__video__dataset")
    missing = []
    for dataset in Dataset.objects.filter(pk__in=reported).exclude(pk__in=busy):
        made = AgreementSummary.objects.filter(dataset=dataset)
        there = set(made.values_list("period", "reports"))
        periods = {""} | {period for period, _ in there}
        for period in sorted(periods):
            digest = _digest(dataset, period)
            if (period, digest) not in there:
                missing.append(AgreementSummary(dataset=dataset, period=period, reports=digest))
    AgreementSummary.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def order_period(dataset: Dataset, period: str) -> AgreementSummary:
    """Order the figures of a period, or find those ordered. Raises PeriodError for none."""
    days_of(period)
    digest = _digest(dataset, period)
    summary, _ = AgreementSummary.objects.get_or_create(
        dataset=dataset, period=period, reports=digest
    )
    return summary


def summarise(summary_id: int) -> AgreementSummary | None:
    """Compute one summary, and drop those it replaces; None if it is in other hands or done."""
    summary: AgreementSummary | None = AgreementSummary.objects.claim(summary_id)
    if summary is None:
        return None
    with summary.working():
        keys = newest_reports(summary.dataset, period=summary.period)
        pool = _pooled(summary.dataset, keys, order=summary)
        figures = pool.figures()
        summary.report(0.6)
        figures["pairs"] = list(pool.pairs())
        summary.report(0.75)
        figures["people"] = list(pool.people())
        figures["error_rates"] = pool.estimates()
        figures["anchoring"] = pool.anchoring()
        figures["listed"] = pool.listed
        figures["reports"] = keys
        # Newer reports may have come since the order was written: the figures say which.
        summary.finish(figures=figures)
    same = AgreementSummary.objects.filter(dataset=summary.dataset, period=summary.period)
    same.done().filter(pk__lt=summary.pk).delete()
    return summary


def _pooled(
    dataset: Dataset,
    keys: Collection[int],
    *,
    clips: Collection[int] | None = None,
    order: AgreementSummary | None = None,
) -> Pool:
    pool = Pool(questions_of([dataset])[dataset.pk])
    rows = AgreementReport.objects.filter(pk__in=keys).order_by("pk")
    if clips is not None:
        rows = rows.filter(clip__in=clips)
    values = rows.values_list("clip__video_id", "clip__name", "figures")
    for done, (video, clip, figures) in enumerate(values.iterator(chunk_size=20)):
        pool.add(video, clip, figures)
        if order is not None:
            order.report(0.5 * done / len(keys))
    return pool


def _digest(dataset: Dataset, period: str) -> str:
    """Changes with the reports to put together: others, or the same ones computed again."""
    keys = newest_reports(dataset, period=period)
    made = AgreementReport.objects.filter(pk__in=keys).order_by("pk")
    rows = [f"{pk} {at}" for pk, at in made.values_list("pk", "finished_at")]
    return hashlib.sha256(",".join(rows).encode()).hexdigest()


def _findings(
    answers: ClipAnswers, findings: Mapping[int, Iterable[Finding]]
) -> list[dict[str, Any]]:
    return [
        {
            "annotator": pull.task.annotator.name,
            "task": pull.task_id,
            "pull": pull.pk,
            "frames": [second * FRAME_RATE for second in finding.seconds],
        }
        | finding._asdict()
        for pull in answers.pulls
        for finding in findings[pull.pk]
    ]
