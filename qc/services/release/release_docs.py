"""Documents of a release: dataset card, manifest, settings, citation, training configs."""

import json
import platform
import tomllib
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from annotation.models import Annotator, AnswerVersion
from avaproject.base.storage import open_stored
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import encode_jpeg, read_frames
from datasets.core.media.stills import decode_jpeg
from datasets.core.naming import frame_name
from datasets.models import ActionGroup, Dataset
from qc.core.release.docs.card import CardFacts, card, card_page
from qc.core.release.docs.citation import citation
from qc.core.release.docs.markup import Image
from qc.core.release.docs.methods import MethodsFacts, TrackingMethod, methods
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.formats.content import frame_of, pixels
from qc.core.release.images import QUALITY, frame_size
from qc.core.release.options import ReleaseOptions
from qc.core.release.records import ReleaseClip
from qc.core.release.splits import Splits
from qc.core.release.stats import ReleaseSample, ReleaseStats
from qc.core.release.writer import EvaluationSettings, SplitCounts
from qc.models import Release
from qc.selectors.release.approved_clips import ApprovedClip, unanswered_clips, window_of
from qc.services.agreement.reports import dataset_agreement
from qc.services.review.quality_rules import vote_rule_of
from tracking.models import TrackingRun

SAMPLE_SIDE = 480
COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))
KEYS_AT_ONCE = 500  # in one query
LIBRARIES = ("av", "numpy", "opencv-python", "pyarrow", "scipy")


class WrittenAnnotations(NamedTuple):
    """What the annotation files of a release hold."""

    counts: dict[str, SplitCounts]
    evaluation: EvaluationSettings
    oracle_aps: dict[str, float | None]
    stats: ReleaseStats
    clips: list[ReleaseClip]  # without persons and proposals


class ReleasePlan(NamedTuple):
    """What a release will hold, decided before the first file is written."""

    options: ReleaseOptions
    approved: list[ApprovedClip]
    left_out: dict[str, str]  # clip -> why
    splits: Splits
    actions: list[ava.AvaAction]

    @property
    def warnings(self) -> list[str]:
        """Warnings for users of the release."""
        without = sum(not each.clip.video.file for each in self.approved)
        annotations_only = "Annotations only: this release has no frames and no clips."
        if without:
            annotations_only += (
                f" {without} of {len(self.approved)} clips were imported without a video: they "
                "have no frames at 30 per second, and their timestamps and frame lists count "
                "from the beginning of the imported clip."
            )
        return [*[annotations_only] * (not self.options.with_clips), *self.splits.warnings]

    @property
    def clips(self) -> list[int]:
        return [each.clip.pk for each in self.approved]


def write_texts(
    release: Release, folder: Path, plan: ReleasePlan, written: WrittenAnnotations
) -> None:
    """Write card, configurations, settings and citation into a release folder."""
    title = f"{release.dataset} release {release.number}"
    options = plan.options
    write_configs(
        folder / "configs",
        ConfigValues(
            title,
            max_action_id=max(action.action_id for action in plan.actions),
            evaluation=written.evaluation,
            has_test="test" in written.counts,
        ),
    )
    facts = _facts(title, release, folder, plan, written)
    named = citation(
        str(release.dataset),
        version=release.number,
        authors=options.authors,
        licence=options.licence,
    )
    settings_json = json.dumps(_settings(release, plan), indent=1, sort_keys=True)
    for name, text in (
        ("README.md", card(facts)),
        ("METHODS.md", methods(_methods(facts, dataset=release.dataset, plan=plan))),
        ("card.html", card_page(facts)),
        ("CITATION.cff", named),
        ("settings.json", f"{settings_json}\n"),
    ):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _facts(
    title: str, release: Release, folder: Path, plan: ReleasePlan, written: WrittenAnnotations
) -> CardFacts:
    dataset = release.dataset
    return CardFacts(
        title=title,
        description=dataset.description,
        is_simulated=is_simulated(dataset, plan),
        actions=plan.actions,
        counts=written.counts,
        split_of=plan.splits.split_of,
        threshold=written.evaluation.threshold,
        annotation_fps=dataset.annotation_fps,
        clip_seconds=dataset.clip_seconds,
        detectors=_detectors(plan),
        annotators=Counter(each.annotators for each in plan.approved),
        unanswered=unanswered_clips(dataset),
        stats=written.stats,
        oracle_aps=written.oracle_aps,
        agreement=dataset_agreement(dataset, clips=plan.clips),
        warnings=plan.warnings,
        left_out=plan.left_out,
        licence=plan.options.licence,
        authors=plan.options.authors,
        formats=plan.options.formats,
        has_clips=plan.options.with_clips,
        images=[
            Image(_drawn(folder, plan, sample), f"{sample.video_id} at {sample.timestamp}")
            for sample in written.stats.samples.values()
        ],
    )


def _methods(facts: CardFacts, *, dataset: Dataset, plan: ReleasePlan) -> MethodsFacts:
    answers = [key for each in plan.approved for key in each.versions]
    versions: list[tuple[int, bool]] = []
    for start in range(0, len(answers), KEYS_AT_ONCE):
        rows = AnswerVersion.objects.filter(pk__in=answers[start : start + KEYS_AT_ONCE])
        versions += rows.order_by().values_list("author_id", "task__is_blind")
    totals = [each.totals() for each in facts.counts.values()]
    return MethodsFacts(
        title=facts.title,
        is_simulated=facts.is_simulated,
        tracking=_tracking_methods(plan),
        annotators=len({author for author, _ in versions}),
        answers=len(versions),
        blind=sum(is_blind for _, is_blind in versions),
        clips=facts.annotators,
        rules=facts.stats.rules,
        vote_rule=vote_rule_of(dataset),
        keyframes=sum(each["keyframes"] for each in totals),
        excluded=sum(each["excluded"] for each in totals),
        left_out=len(plan.left_out),
        software=f"AVA Studio {_own_version()}.",
        agreement=facts.agreement,
    )


def _tracking_methods(plan: ReleasePlan) -> list[TrackingMethod]:
    keys = [each.run_id for each in plan.approved]
    counts: Counter[TrackingMethod] = Counter()
    for start in range(0, len(keys), KEYS_AT_ONCE):
        runs = TrackingRun.objects.filter(pk__in=keys[start : start + KEYS_AT_ONCE]).order_by()
        for made_by in runs.values_list("made_by", flat=True):
            detector, tracker = made_by.get("detector", {}), made_by.get("tracker", {})
            counts[
                TrackingMethod(
                    clips=0,
                    detector=detector.get("name", ""),
                    sha256=detector.get("sha256", ""),
                    threshold=tracker.get("high_score"),
                    frame_stride=made_by.get("frame_stride"),
                    tracker=f"Kalman SORT {tracker['version']}" if "version" in tracker else "",
                )
            ] += 1
    found = [replace(one, clips=count) for one, count in counts.items()]
    return sorted(found, key=lambda one: (-one.clips, one.detector, one.sha256))


def is_simulated(dataset: Dataset, plan: ReleasePlan) -> bool:
    """Whether programs gave any of the answers."""
    simulated = Annotator.objects.filter(tasks__clip__in=plan.clips, is_simulated=True)
    return dataset.is_simulated or simulated.exists()


def _detectors(plan: ReleasePlan) -> list[str]:
    """A line for each tracking configuration, with model and checksum of the weights."""
    lines = set()
    runs = TrackingRun.objects.filter(pk__in=[each.run_id for each in plan.approved])
    for config_key, made_by in runs.order_by().values_list("config_key", "made_by"):
        about = made_by.get("detector", {})
        weights = about.get("sha256", "")
        name = about.get("name", "")
        more = [name] * bool(name) + [f"weights {weights[:12]}"] * bool(weights)
        lines.add(f"{config_key} ({', '.join(more)})" if more else config_key)
    return sorted(lines)


def _drawn(folder: Path, plan: ReleasePlan, sample: ReleaseSample) -> bytes:
    """A small JPEG of a keyframe with its boxes."""
    if _has_large_frames(plan.options):
        name = ava.frame_file(frame_of(sample.timestamp))
        path = folder / "rawframes" / sample.video_id / name
        rgb = decode_jpeg(path.read_bytes())[..., ::-1]
    elif plan.options.with_clips:
        clip = folder / "clips" / f"{sample.video_id}.mp4"
        ((_, rgb),) = read_frames(clip, start=frame_of(sample.timestamp), count=1)
    else:
        rgb = _annotation_frame(plan, sample)
    size = frame_size(rgb.shape[1], rgb.shape[0], longest_side=SAMPLE_SIDE)
    small = np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    for number, box in enumerate(sample.boxes):
        x1, y1, x2, y2 = map(round, pixels(box, width=size[0], height=size[1]))
        cv2.rectangle(small, (x1, y1), (x2, y2), COLOURS[number % len(COLOURS)], 2)
    return encode_jpeg(small.astype(np.uint8), quality=80)


def _has_large_frames(options: ReleaseOptions) -> bool:
    """Whether the frames are large enough for the card; that is faster than decoding a clip."""
    return options.with_frames and (options.longest_side or SAMPLE_SIDE) >= SAMPLE_SIDE


def _annotation_frame(plan: ReleasePlan, sample: ReleaseSample) -> NDArray[np.uint8]:
    """The image of a keyframe as shown to annotators."""
    clip = next(one.clip for one in plan.approved if one.clip.name == sample.video_id)
    second = frame_of(sample.timestamp) // FRAME_RATE - window_of(clip).pad_seconds
    name = frame_name(clip.name, second * clip.video.dataset.annotation_fps)
    with open_stored(clip.frames.name or "") as file, zipfile.ZipFile(file) as frames:
        return decode_jpeg(frames.read(name))[..., ::-1]


def _settings(release: Release, plan: ReleasePlan) -> dict[str, Any]:
    """The settings of the dataset and of this release."""
    dataset = release.dataset
    groups = ActionGroup.objects.filter(dataset=dataset).order_by("position")
    fields = (
        "longest_side", "clip_seconds", "annotation_fps", "keep_truncated", "detector",
        "threshold", "frame_stride",
    )  # fmt: skip
    return {
        "dataset": {name: getattr(dataset, name) for name in fields}
        | {"weights": Path(dataset.weights).name},
        "groups": [
            {"name": group.name, "choice": group.choice, "required": group.required,
             "label_type": group.label_type, "max_per_person": group.max_per_person,
             "scope": group.scope}
            for group in groups
        ],
        "release": plan.options.as_json(),
        "software": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version(), "ava-studio": _own_version()},
    }  # fmt: skip


def _own_version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def manifest(
    release: Release, plan: ReleasePlan, written: WrittenAnnotations
) -> dict[str, Any]:
    """The content of `manifest.json` besides the checksums."""
    options = plan.options
    return {
        "dataset": release.dataset.name,
        "release": release.number,
        "simulated": is_simulated(release.dataset, plan),
        "licence": options.licence or None,
        "official_names": options.official_names,
        "formats": list(options.formats),
        "frames": {
            "included": options.with_frames,
            "longest_side": options.longest_side,
            "quality": QUALITY,
        }
        | ({} if options.with_clips else {"clips": False}),
        "score_threshold": written.evaluation.threshold,
        "oracle_ap": written.oracle_aps,
        "videos": [
            {
                "video_id": clip.name,
                "split": clip.split,
                "source_video": clip.source_video,
                "source_start_sec": clip.window.start_frame / FRAME_RATE,
                "pad_seconds": clip.window.pad_seconds,
                "n_frames": clip.window.frame_count,
                "width": clip.width,
                "height": clip.height,
            }
            for clip in written.clips
        ],
        "actions": [
            {"id": action.action_id, "name": action.name, "type": action.label_type}
            for action in plan.actions
        ],
        "keyframes": [
            {"video_id": clip.name, "timestamp": at, "status": status}
            for clip in written.clips
            for at, status in clip.keyframes.items()
        ],
    }


def counts_of(
    release: Release, plan: ReleasePlan, written: WrittenAnnotations, sizes: Mapping[str, int]
) -> dict[str, Any]:
    """The counts that pages show, and the splits that the next release keeps."""
    splits = {split: each.totals() for split, each in written.counts.items()}
    total: Counter[str] = Counter()
    for each in splits.values():
        total.update(each)
    return dict(total) | {
        "splits": splits,
        "actions": {
            action.name: {s: c.labels[action.action_id] for s, c in written.counts.items()}
            for action in plan.actions
        },
        "split_of": plan.splits.split_of,
        "warnings": list(plan.warnings),
        "left_out": plan.left_out,
        "threshold": written.evaluation.threshold,
        "oracle_aps": written.oracle_aps,
        "parts": dict(sizes),
        "agreement": {
            group.name: group.alpha.value
            for group in dataset_agreement(release.dataset, clips=plan.clips).groups
        },
    }
