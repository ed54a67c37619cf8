"""What the demo prints at its end: what each stage made, and how near the truth it came."""

from dataclasses import fields
from pathlib import Path

from django.core.files.storage import default_storage
from django.db.models import F, Max, QuerySet, Sum
from rich.table import Table

from annotation.models import Annotation, AnnotationTask, Pull
from annotation.selectors.tasks import group_specs
from avaproject.base.work import StagedModel
from datasets.core.clipping import FRAME_RATE
from datasets.models import Action, Clip, Dataset, Upload, Video
from demo.accuracy import Accuracy, Unit, accuracies
from demo.annotators import SAME_PERSON, right_actions
from demo.measure import Comparison, TruthAt, compare, released_persons
from demo.run import normalised
from qc.core.matching import match_boxes
from qc.models import (
    Adjudication,
    AgreementReport,
    Consensus,
    ConsensusBox,
    ConsensusLabel,
    Release,
    Review,
)
from qc.selectors.agreement import newest_summary
from qc.services.agree import dataset_agreement
from qc.services.versions import questions_of
from tracking.models import Bundle, Linking, Person, Proposal, TrackingRun


def made_by_each_stage(release: Release) -> Table:
    """One row a stage: what it made, and how long its rows took, one after another."""
    dataset = release.dataset
    table = Table("stage", "made", title=f"Dataset {dataset.name}", title_justify="left")
    table.add_column("work", justify="right")
    for stage, made, rows in _stages(dataset, release):
        table.add_row(stage, made, "" if rows is None else _work_time(rows))
    return table


def truth_figures(release: Release, truth_at: TruthAt) -> Table:
    """The release against the rendered truth."""
    table = Table("against the rendered truth", title="How right it is", title_justify="left")
    table.add_column("", justify="right")
    found = compare_release(release, truth_at)
    for field in fields(found):
        value = getattr(found, field.name)
        text = f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(field.name.replace("_", " "), text)
    return table


def consensus_figures(dataset: Dataset, truth_at: TruthAt) -> Table:
    """Majority, Dawid and Skene, and the reviewers against the rendered truth."""
    table = Table("the answers of the consensus", title="Whom to believe", title_justify="left")
    for column in ("units", "right", "open", "right where decided"):
        table.add_column(column, justify="right")
    for one in consensus_accuracy(dataset, truth_at):
        shares = (one.share, one.open / one.units if one.units else None, one.where_decided)
        texts = ["" if share is None else f"{share:.3f}" for share in shares]
        table.add_row(one.way, str(one.units), *texts)
    return table


def consensus_accuracy(dataset: Dataset, truth_at: TruthAt) -> list[Accuracy]:
    """`accuracies` of the newest consensuses, over the boxes that show a true person."""
    groups = {group.name: group for group in group_specs(dataset)}
    questions = {one.name: one for one in questions_of([dataset])[dataset.pk]}
    rates = newest_summary(dataset).figures.get("error_rates", {})
    newest = Consensus.objects.of(dataset).newest()
    boxes = ConsensusBox.objects.filter(consensus__in=newest).select_related(
        "consensus__clip__video"
    )
    units = []
    for box in boxes.prefetch_related("labels"):
        clip = box.consensus.clip
        shown = normalised(box, clip)
        truth = truth_at(clip.video.original_name, clip.start_frame + FRAME_RATE * box.second)
        if not match_boxes([shown], [one.box for one in truth], threshold=SAME_PERSON).pairs:
            continue
        units += [
            Unit(
                questions[label.group],
                label.votes,
                right_actions(truth, shown, groups[label.group]),
                None if label.rule == ConsensusLabel.Rule.OPEN else label.actions,
            )
            for label in box.labels.all()
        ]
    return accuracies(units, {name: one["estimates"] for name, one in rates.items()})


def compare_release(release: Release, truth_at: TruthAt) -> Comparison:
    """`demo.measure.compare` for a finished release on local disk."""
    dataset = release.dataset
    folder = Path(default_storage.path(release.folder)) / "annotations"
    released = {
        keyframe: persons
        for name in ("ava_train.csv", "ava_val.csv", "ava_test.csv")
        if (folder / name).exists()
        for keyframe, persons in released_persons(folder / name).items()
    }
    clips = {clip.name: clip for clip in Clip.objects.of(dataset).select_related("video")}
    ids = dict(Action.objects.filter(dataset=dataset).values_list("name", "action_id"))
    return compare(released, clips, truth_at, ids)


def _stages(
    dataset: Dataset, release: Release
) -> list[tuple[str, str, QuerySet[StagedModel] | None]]:
    videos = Video.objects.filter(dataset=dataset)
    clips = Clip.objects.of(dataset)
    runs = TrackingRun.objects.of(dataset)
    tasks = AnnotationTask.objects.of(dataset)
    pulls = Pull.objects.filter(task__in=tasks)
    reviews = Review.objects.filter(task__in=tasks)
    settled = Consensus.objects.of(dataset)
    newest = settled.order_by().values("clip").annotate(newest=Max("pk")).values("newest")
    boxes = ConsensusBox.objects.filter(consensus__in=newest, status="agreed")
    frames = videos.aggregate(total=Sum("frame_count"))["total"] or 0
    counts = release.counts
    rows: list[tuple[str, str, QuerySet[StagedModel] | None]] = [
        ("upload", f"{videos.count()} videos", Upload.objects.filter(dataset=dataset)),
        ("standardise", f"{frames / FRAME_RATE:.0f} s of standard video", videos),
        ("cut", f"{clips.count()} clips", clips),
        ("track", _detected(runs), runs),
        (
            "link",
            f"{_count(Proposal, run__in=runs)} proposals of {_persons(runs)} persons",
            Linking.objects.filter(video__in=videos),
        ),
        ("bundle", _bundled(dataset), Bundle.objects.filter(dataset=dataset)),
        ("packages", f"{tasks.count()} tasks for simulated annotators", tasks),
        (
            "answers",
            f"{pulls.count()} versions, {_count(Annotation, pull__in=pulls)} boxes answered",
            pulls,
        ),
        ("agreement", _agreed(dataset), AgreementReport.objects.of(dataset)),
        ("consensus", f"{boxes.count()} persons at keyframes", settled),
        (
            "review",
            f"{reviews.filter(verdict='approved').count()} approved, "
            f"{reviews.filter(verdict='rejected').count()} sent back, "
            f"{_count(Adjudication, clip__in=clips)} questions decided",
            None,
        ),
        (
            "release",
            f"{counts.get('keyframes', 0)} keyframes, {counts.get('boxes', 0)} boxes, "
            f"{counts.get('labels', 0)} labels; {counts.get('excluded', 0)} keyframes excluded",
            Release.objects.filter(pk=release.pk),
        ),
    ]  # fmt: skip
    return rows


def _count(model: type, **where: object) -> int:
    return int(model._default_manager.filter(**where).count())  # type: ignore[attr-defined]


def _detected(runs: QuerySet[TrackingRun]) -> str:
    total = runs.aggregate(seen=Sum("detection_count"), tracks=Sum("track_count"))
    return f"{total['seen'] or 0} detections in {total['tracks'] or 0} tracks"


def _persons(runs: QuerySet[TrackingRun]) -> int:
    persons = Person.objects.filter(run__in=runs)
    return persons.values("run__clip__video", "person_id").distinct().count()


def _bundled(dataset: Dataset) -> str:
    files = [name for bundle in dataset.bundles.done() for name in bundle.files]
    return f"{len(files)} files"


def _agreed(dataset: Dataset) -> str:
    alphas = [
        f"{group['name']} alpha {group['alpha']['value']:.2f}"
        for group in dataset_agreement(dataset)["groups"]
        if group["alpha"]["value"] is not None
    ]
    return ", ".join(alphas) or "no clip with two annotators"


def _work_time(rows: QuerySet[StagedModel]) -> str:
    spent = rows.aggregate(sum=Sum(F("finished_at") - F("started_at")))["sum"]
    return "" if spent is None else f"{spent.total_seconds():.1f} s"
