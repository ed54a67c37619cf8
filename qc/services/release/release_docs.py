"""What a release says of itself: card, manifest, settings, citation, configurations."""

import json
import platform
import tomllib
import zipfile
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from annotation.models import Annotator
from avaproject.base.storage import opened
from datasets.core import ava
from datasets.core.clipping import FRAME_RATE
from datasets.core.media import encode_jpeg, read_frames
from datasets.core.naming import frame_name
from datasets.core.slides import read_jpeg
from datasets.models import ActionGroup, Dataset
from qc.core.release.docs.card import CardFacts, card, card_page
from qc.core.release.docs.citation import citation
from qc.core.release.docs.markup import Picture
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.formats.content import frame_of, pixels
from qc.core.release.images import QUALITY, picture_size
from qc.core.release.options import ReleaseOptions
from qc.core.release.records import ReleaseClip
from qc.core.release.splits import Splits
from qc.core.release.stats import Sample, Tally
from qc.core.release.writer import Measuring, SplitCounts
from qc.models import Release
from qc.selectors.release.approved_clips import ApprovedClip
from qc.services.agree import dataset_agreement
from qc.services.release.export_media import window_of
from tracking.models import TrackingRun

SAMPLE_SIDE = 480
COLOURS = ((86, 180, 233), (230, 159, 0), (0, 158, 115), (204, 121, 167), (240, 228, 66))
LIBRARIES = ("av", "numpy", "opencv-python", "pyarrow", "scipy")


class Written(NamedTuple):
    """What the annotation files hold."""

    counts: dict[str, SplitCounts]
    measuring: Measuring
    ceilings: dict[str, float | None]
    tally: Tally
    clips: list[ReleaseClip]  # without persons and proposals


class Draft(NamedTuple):
    """What the release will hold, decided before the first file is written."""

    options: ReleaseOptions
    approved: list[ApprovedClip]
    left_out: dict[str, str]  # clip -> why
    splits: Splits
    actions: list[ava.Action]

    @property
    def warnings(self) -> list[str]:
        """What whoever uses the release should know first, in sentences."""
        without = sum(not each.clip.video.file for each in self.approved)
        alone = "Annotations alone: neither pictures nor films are in this release."
        if without:
            alone += (
                f" Of its clips, {without} of {len(self.approved)} came without film: there "
                "never were frames at 30 a second of such a clip here, and its timestamps and "
                "frame lists count from its beginning as it was brought in."
            )
        return [*[alone] * (not self.options.with_films), *self.splits.warnings]

    @property
    def clips(self) -> list[int]:
        return [each.clip.pk for each in self.approved]


def write_texts(release: Release, folder: Path, draft: Draft, written: Written) -> None:
    """Write card, configurations, settings and citation into a release folder."""
    title = f"{release.dataset} release {release.number}"
    options = draft.options
    write_configs(
        folder / "configs",
        ConfigValues(
            title,
            max_action_id=max(action.action_id for action in draft.actions),
            measuring=written.measuring,
            has_test="test" in written.counts,
        ),
    )
    facts = _facts(title, release, folder, draft, written)
    named = citation(
        str(release.dataset),
        version=release.number,
        authors=options.authors,
        licence=options.licence,
    )
    said = json.dumps(_settings(release, draft), indent=1, sort_keys=True)
    for name, text in (
        ("README.md", card(facts)),
        ("card.html", card_page(facts)),
        ("CITATION.cff", named),
        ("settings.json", f"{said}\n"),
    ):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _facts(
    title: str, release: Release, folder: Path, draft: Draft, written: Written
) -> CardFacts:
    dataset = release.dataset
    return CardFacts(
        title=title,
        description=dataset.description,
        is_simulated=is_simulated(dataset, draft),
        actions=draft.actions,
        counts=written.counts,
        split_of=draft.splits.split_of,
        threshold=written.measuring.threshold,
        annotation_fps=dataset.annotation_fps,
        clip_seconds=dataset.clip_seconds,
        detectors=_detectors(draft),
        annotators=Counter(each.annotators for each in draft.approved),
        tally=written.tally,
        ceilings=written.ceilings,
        agreement=dataset_agreement(dataset, clips=draft.clips),
        warnings=draft.warnings,
        left_out=draft.left_out,
        licence=draft.options.licence,
        authors=draft.options.authors,
        formats=draft.options.formats,
        has_films=draft.options.with_films,
        pictures=[
            Picture(_drawn(folder, draft, sample), f"{sample.video_id} at {sample.timestamp}")
            for sample in written.tally.samples.values()
        ],
    )


def is_simulated(dataset: Dataset, draft: Draft) -> bool:
    """Whether programs gave any of the answers."""
    simulated = Annotator.objects.filter(tasks__clip__in=draft.clips, is_simulated=True)
    return dataset.is_simulated or simulated.exists()


def _detectors(draft: Draft) -> list[str]:
    """A line for each recipe, with the model and the sum of its weights where known."""
    lines = set()
    runs = TrackingRun.objects.filter(pk__in=[each.run_id for each in draft.approved])
    for recipe, made_by in runs.order_by().values_list("recipe", "made_by"):
        about = made_by.get("detector", {})
        weights = about.get("sha256", "")
        name = about.get("name", "")
        more = [name] * bool(name) + [f"weights {weights[:12]}"] * bool(weights)
        lines.add(f"{recipe} ({', '.join(more)})" if more else recipe)
    return sorted(lines)


def _drawn(folder: Path, draft: Draft, sample: Sample) -> bytes:
    """A small JPEG of a keyframe with its boxes."""
    if _has_large_pictures(draft.options):
        name = ava.frame_file(frame_of(sample.timestamp))
        path = folder / "rawframes" / sample.video_id / name
        rgb = read_jpeg(path.read_bytes())[..., ::-1]
    elif draft.options.with_films:
        film = folder / "clips" / f"{sample.video_id}.mp4"
        ((_, rgb),) = read_frames(film, start=frame_of(sample.timestamp), count=1)
    else:
        rgb = _annotation_frame(draft, sample)
    size = picture_size(rgb.shape[1], rgb.shape[0], longest_side=SAMPLE_SIDE)
    small = np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    for number, box in enumerate(sample.boxes):
        x1, y1, x2, y2 = map(round, pixels(box, width=size[0], height=size[1]))
        cv2.rectangle(small, (x1, y1), (x2, y2), COLOURS[number % len(COLOURS)], 2)
    return encode_jpeg(small.astype(np.uint8), quality=80)


def _has_large_pictures(options: ReleaseOptions) -> bool:
    """Whether the pictures will do for the card: they cost less than decoding a film."""
    return options.with_pictures and (options.longest_side or SAMPLE_SIDE) >= SAMPLE_SIDE


def _annotation_frame(draft: Draft, sample: Sample) -> NDArray[np.uint8]:
    """The picture of a keyframe as annotators saw it."""
    clip = next(one.clip for one in draft.approved if one.clip.name == sample.video_id)
    second = frame_of(sample.timestamp) // FRAME_RATE - window_of(clip).pad_seconds
    name = frame_name(clip.name, second * clip.video.dataset.annotation_fps)
    with opened(clip.frames.name or "") as file, zipfile.ZipFile(file) as frames:
        return read_jpeg(frames.read(name))[..., ::-1]


def _settings(release: Release, draft: Draft) -> dict[str, Any]:
    """The settings of the dataset and of this release, as they were."""
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
             "label_type": group.label_type, "max_per_person": group.max_per_person}
            for group in groups
        ],
        "release": draft.options.as_json(),
        "software": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version(), "ava-studio": _own_version()},
    }  # fmt: skip


def _own_version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())
    return str(project["project"]["version"])


def manifest(release: Release, draft: Draft, written: Written) -> dict[str, Any]:
    """What `manifest.json` says besides the sums."""
    options = draft.options
    return {
        "dataset": release.dataset.name,
        "release": release.number,
        "simulated": is_simulated(release.dataset, draft),
        "licence": options.licence or None,
        "official_names": options.official_names,
        "formats": list(options.formats),
        "pictures": {
            "included": options.with_pictures,
            "longest_side": options.longest_side,
            "quality": QUALITY,
        }
        | ({} if options.with_films else {"films": False}),
        "score_threshold": written.measuring.threshold,
        "proposal_ceiling": written.ceilings,
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
            for action in draft.actions
        ],
        "keyframes": [
            {"video_id": clip.name, "timestamp": at, "status": status}
            for clip in written.clips
            for at, status in clip.keyframes.items()
        ],
    }


def counts_of(
    release: Release, draft: Draft, written: Written, sizes: Mapping[str, int]
) -> dict[str, Any]:
    """What pages show of a release, and the splits that the next one keeps."""
    splits = {
        split: {
            "videos": len(each.videos),
            "clips": each.clips,
            "frames": each.frames,
            "keyframes": each.keyframes,
            "excluded": each.excluded,
            "persons": len(each.persons),
            "boxes": each.boxes,
            "labels": each.labels.total(),
        }
        for split, each in written.counts.items()
    }
    total: Counter[str] = Counter()
    for each in splits.values():
        total.update(each)
    return dict(total) | {
        "splits": splits,
        "actions": {
            action.name: {s: c.labels[action.action_id] for s, c in written.counts.items()}
            for action in draft.actions
        },
        "split_of": draft.splits.split_of,
        "warnings": list(draft.warnings),
        "left_out": draft.left_out,
        "threshold": written.measuring.threshold,
        "ceilings": written.ceilings,
        "parts": dict(sizes),
        "agreement": {
            group["name"]: group["alpha"]["value"]
            for group in dataset_agreement(release.dataset, clips=draft.clips)["groups"]
        },
    }
