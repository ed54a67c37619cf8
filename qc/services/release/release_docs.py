"""Documents of a release: dataset card, manifest, settings, citation, training configs."""

import json
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from annotation.models import Annotator, AnswerVersion
from avaproject import VERSION
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.models import ActionGroup, Dataset
from datasets.selectors import footage_notes
from qc.core.release.baseline import trained_baseline
from qc.core.release.checker.bundle import write_checker
from qc.core.release.docs.card import CardFacts, card, card_page
from qc.core.release.docs.card_figures import count_gold
from qc.core.release.docs.methods import MethodsFacts, TrackingMethod, methods
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.images import QUALITY
from qc.models import Release
from qc.selectors.release.approved_clips import unanswered_clips
from qc.services.agreement.gold_votes import gold_units
from qc.services.agreement.reports import dataset_agreement
from qc.services.release.paper_docs import citation_text, croissant_text, header_text
from qc.services.release.release_images import example_image
from qc.services.release.release_plan import ReleasePlan, WrittenAnnotations
from qc.services.review.quality_rules import vote_rule_of
from tracking.models import TrackingRun

KEYS_AT_ONCE = 500  # in one query
LIBRARIES = ("av", "numpy", "opencv-python", "pyarrow", "scipy")


def write_texts(
    release: Release, folder: Path, plan: ReleasePlan, written: WrittenAnnotations
) -> None:
    """Write card, configurations, settings and citation into a release folder."""
    title = f"{release.dataset} release {release.number}"
    write_checker(folder)
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
    made = _methods(facts, dataset=release.dataset, plan=plan)
    settings_json = json.dumps(_settings(release, plan), indent=1, sort_keys=True)
    for name, text in (
        ("README.md", header_text(title, plan, written) + card(facts)),
        ("METHODS.md", methods(made)),
        ("card.html", card_page(facts)),
        ("CITATION.cff", citation_text(release, plan)),
        ("croissant.json", croissant_text(release, folder, plan, facts, made)),
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
        footage=footage_notes(dataset, (each.clip.video_id for each in plan.approved)),
        licence=plan.options.licence,
        authors=plan.options.authors,
        formats=plan.options.formats,
        has_clips=plan.options.with_clips,
        images=[
            image
            for sample in written.stats.samples.values()
            if (image := example_image(folder, plan, sample)) is not None
        ],
        answers=plan.answers,
        taken_out=plan.taken_out,
        min_instances=plan.options.min_instances,
        blurring=plan.blurring.sentence if plan.blurring else "",
        trained=trained_baseline(
            folder,
            {clip.name: clip.width for clip in written.clips}
            if plan.options.with_clips
            else {},
            threshold=written.evaluation.threshold,
            has_frames=plan.options.with_frames,
        ),
        gold=count_gold(unit for some in gold_units(dataset).values() for unit in some),
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
        software=f"AVA Studio {VERSION}.",
        agreement=facts.agreement,
        blurring=facts.blurring,
        classes=facts.stats.class_names,
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
                    tracker=_tracker_name(made_by),
                )
            ] += 1
    found = [replace(one, clips=count) for one, count in counts.items()]
    return sorted(found, key=lambda one: (-one.clips, one.detector, one.sha256))


def _tracker_name(made_by: dict[str, Any]) -> str:
    if version := made_by.get("tracker", {}).get("version"):
        return f"Kalman SORT {version}"
    return "the ids of its file" if "ids" in made_by else ""


def is_simulated(dataset: Dataset, plan: ReleasePlan) -> bool:
    """Whether programs gave any of the answers."""
    simulated = Annotator.objects.filter(tasks__clip__in=plan.clips, is_simulated=True)
    return dataset.is_simulated or simulated.exists()


def _detectors(plan: ReleasePlan) -> list[str]:
    """A line for each tracking configuration with its models, and one about corrections."""
    lines, corrected = set(), 0
    runs = TrackingRun.objects.filter(pk__in=[each.run_id for each in plan.approved])
    for config_key, made_by in runs.order_by().values_list("config_key", "made_by"):
        about = made_by.get("detector", {})
        weights = about.get("sha256", "")
        name = about.get("name", "")
        more = [name] * bool(name) + [f"weights {weights[:12]}"] * bool(weights)
        if model := made_by.get("appearance", {}).get("sha256"):
            more.append(f"re-identification {model[:12]}")
        lines.add(f"{config_key} ({', '.join(more)})" if more else config_key)
        corrected += "corrections" in made_by
    if corrected:
        lines.add(f"persons of {corrected} clips corrected by people")
    return sorted(lines)


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
        | {"weights": Path(dataset.weights).name}
        | ({"keep_ids": True} if dataset.keep_ids else {}),
        "groups": [
            {"name": group.name, "choice": group.choice, "required": group.required,
             "label_type": group.label_type, "max_per_person": group.max_per_person,
             "scope": group.scope,
             "actions": [{"id": number, "name": name} for number, name in sorted(
                 group.actions.values_list("action_id", "name"))]}
            for group in groups
        ],
        "release": plan.options.as_json(),
        "software": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version(), "ava-studio": VERSION},
    }  # fmt: skip


def manifest(
    release: Release,
    plan: ReleasePlan,
    written: WrittenAnnotations,
    frame_looks: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """The content of `manifest.json` besides the sums; `frame_looks` as of `clip_looks`."""
    options = plan.options
    clip_frames = {each.clip.name: each.clip.frame_count for each in plan.approved}
    return {
        "dataset": release.dataset.name,
        "release": release.number,
        "version": plan.version,
        "public": options.is_public,
        "min_instances": options.min_instances,
        "errata": list(plan.taken_out),
        "simulated": is_simulated(release.dataset, plan),
        "licence": options.spdx or None,
        "official_names": options.official_names,
        "formats": list(options.formats),
        "frames": {
            "included": options.with_frames,
            "longest_side": options.longest_side,
            "quality": QUALITY,
        }
        | ({} if options.with_clips else {"clips": False}),
        **({"faces": plan.blurring.facts()} if plan.blurring else {}),
        "origins": 2,
        "counts": {
            split: each.totals()
            | {"actions": {str(a): n for a, n in sorted(each.labels.items())}}
            for split, each in written.counts.items()
        },
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
                "clip_frames": clip_frames[clip.name],
            }
            | ({"looks": frame_looks[clip.name]} if frame_looks.get(clip.name) else {})
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
        "version": plan.version,
        "threshold": written.evaluation.threshold,
        "oracle_aps": written.oracle_aps,
        "parts": dict(sizes),
        "agreement": {
            group.name: group.alpha.value
            for group in dataset_agreement(release.dataset, clips=plan.clips).groups
        },
    }
