"""Tables of the finished demo: output of each stage, accuracy against ground truth."""

from dataclasses import fields
from pathlib import Path

from django.core.files.storage import default_storage
from django.db.models import F, Max, QuerySet, Sum
from rich.table import Table

from annotation.models import Annotation, AnnotationTask, AnswerVersion
from annotation.selectors.tasks import group_specs
from avaproject.base.work import StagedModel
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import Action, Clip, Dataset, Upload, Video
from demo.consensus_accuracy import MethodAccuracy, TrueUnit, accuracies
from demo.release_accuracy import ReleaseAccuracy, measure, released_persons
from demo.run import normalised_box
from demo.simulated_annotators import SAME_PERSON, true_actions
from demo.world.renderer import GroundTruth
from qc.core.annotator_keys import with_names
from qc.core.box_matching import match_boxes
from qc.models import (
    Adjudication,
    AgreementReport,
    Consensus,
    ConsensusBox,
    ConsensusLabel,
    Release,
    Review,
)
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.display_names import annotator_names
from qc.services.agreement.reports import dataset_agreement
from qc.services.answer_versions import group_specs_of
from tracking.models import Bundle, IdentityRun, Person, Proposal, TrackingRun


def stages_table(release: Release) -> Table:
    """One row per stage: its output and the total working time of its rows."""
    dataset = release.dataset
    table = Table("stage", "output", title=f"Dataset {dataset.name}", title_justify="left")
    table.add_column("work", justify="right")
    for stage, output, rows in _stages(dataset, release):
        table.add_row(stage, output, "" if rows is None else _work_time(rows))
    return table


def release_accuracy_table(release: Release, truth_at: GroundTruth) -> Table:
    """Accuracy of the release against the ground truth."""
    table = Table("metric", title="Release against ground truth", title_justify="left")
    table.add_column("", justify="right")
    found = release_accuracy(release, truth_at)
    for field in fields(found):
        value = getattr(found, field.name)
        text = f"{value:.3f}" if isinstance(value, float) else str(value)
        table.add_row(field.name.replace("_", " "), text)
    return table


def consensus_accuracy_table(dataset: Dataset, truth_at: GroundTruth) -> Table:
    """Accuracy of majority, Dawid-Skene and reviewers against the ground truth."""
    table = Table("method", title="Consensus against ground truth", title_justify="left")
    for column in (
        "units",
        "open",
        "accuracy when decided",
        "decided by all",
        "accuracy there",
    ):
        table.add_column(column, justify="right")
    for one in consensus_accuracy(dataset, truth_at):
        shares = (
            one.open / one.units if one.units else None,
            one.accuracy_decided,
            one.shared / one.units if one.units else None,
            one.accuracy_shared,
        )
        texts = ["" if share is None else f"{share:.3f}" for share in shares]
        table.add_row(one.method, str(one.units), *texts)
    return table


def consensus_accuracy(dataset: Dataset, truth_at: GroundTruth) -> list[MethodAccuracy]:
    """`accuracies` of the newest consensuses, over the boxes on a true person."""
    groups = {group.name: group for group in group_specs(dataset)}
    questions = {one.name: one for one in group_specs_of([dataset])[dataset.pk]}
    figures = newest_summary(dataset).figures
    rates = figures.error_rates if figures else {}
    names = annotator_names(dataset)
    newest = Consensus.objects.of(dataset).newest()
    boxes = ConsensusBox.objects.filter(consensus__in=newest).select_related(
        "consensus__clip__video"
    )
    units = []
    for box in boxes.prefetch_related("labels"):
        clip = box.consensus.clip
        shown = normalised_box(box, clip)
        truth = truth_at(clip.video.original_name, clip.start_frame + FRAME_RATE * box.second)
        if not match_boxes([shown], [one.box for one in truth], threshold=SAME_PERSON).pairs:
            continue
        units += [
            TrueUnit(
                questions[label.group],
                with_names(label.votes, names),
                true_actions(truth, shown, groups[label.group]),
                None if label.rule == ConsensusLabel.Rule.OPEN else label.actions,
            )
            for label in box.labels.all()
        ]
    return accuracies(units, {name: one.fits for name, one in rates.items()})


def release_accuracy(release: Release, truth_at: GroundTruth) -> ReleaseAccuracy:
    """`demo.release_accuracy.measure` for a finished release on local disk."""
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
    return measure(released, clips, truth_at, ids)


def _stages(
    dataset: Dataset, release: Release
) -> list[tuple[str, str, QuerySet[StagedModel] | None]]:
    videos = Video.objects.filter(dataset=dataset)
    clips = Clip.objects.of(dataset)
    runs = TrackingRun.objects.of(dataset)
    tasks = AnnotationTask.objects.of(dataset)
    versions = AnswerVersion.objects.filter(task__in=tasks)
    reviews = Review.objects.filter(task__in=tasks)
    consensuses = Consensus.objects.of(dataset)
    newest = consensuses.order_by().values("clip").annotate(newest=Max("pk")).values("newest")
    boxes = ConsensusBox.objects.filter(consensus__in=newest, status="agreed")
    frames = videos.aggregate(total=Sum("frame_count"))["total"] or 0
    counts = release.counts
    rows: list[tuple[str, str, QuerySet[StagedModel] | None]] = [
        ("upload", f"{videos.count()} videos", Upload.objects.filter(dataset=dataset)),
        ("standardise", f"{frames / FRAME_RATE:.0f} s of standard video", videos),
        ("cut", f"{clips.count()} clips", clips),
        ("track", _detected(runs), runs),
        (
            "assign identities",
            f"{_count(Proposal, run__in=runs)} proposals of {_persons(runs)} persons",
            IdentityRun.objects.filter(video__in=videos),
        ),
        ("bundle", _bundled(dataset), Bundle.objects.filter(dataset=dataset)),
        ("packages", f"{tasks.count()} tasks for simulated annotators", tasks),
        (
            "answers",
            f"{versions.count()} versions, {_count(Annotation, version__in=versions)} boxes",
            versions,
        ),
        ("agreement", _agreed(dataset), AgreementReport.objects.of(dataset)),
        ("consensus", f"{boxes.count()} persons at keyframes", consensuses),
        (
            "review",
            f"{reviews.filter(verdict='approved').count()} approved, "
            f"{reviews.filter(verdict='rejected').count()} rejected, "
            f"{_count(Adjudication, clip__in=clips)} items decided",
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
        f"{group.name} alpha {group.alpha.value:.2f}"
        for group in dataset_agreement(dataset).groups
        if group.alpha.value is not None
    ]
    return ", ".join(alphas) or "no clip with two annotators"


def _work_time(rows: QuerySet[StagedModel]) -> str:
    spent = rows.aggregate(sum=Sum(F("finished_at") - F("started_at")))["sum"]
    return "" if spent is None else f"{spent.total_seconds():.1f} s"
