"""The dataset card of a release: `README.md`, for whoever trains on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets.core.ava import Action
from qc.core.release_files import DATASET_HEADER, SplitCounts

SIMULATED = (
    "> **SIMULATED ANSWERS.** The annotators of this release are programs that make mistakes "
    "at stated rates. Its labels show that the road works; they say nothing about people. "
    "Do not train on them, and do not report figures from them."
)


@dataclass(frozen=True)
class CardFacts:
    """What the card says.

    Attributes:
        counts: Split -> what it holds.
        split_of: Source video -> split.
        detectors: One line per recipe of detector and tracker that made the proposals.
        annotators: Number of annotators -> clips that so many annotated.
        agreement: Figures of these clips, as reports of agreement have them.
        warnings: Sentences about the splits.
        left_out: Clip -> why it is not in the release.
    """

    title: str
    description: str
    is_simulated: bool
    actions: Sequence[Action]
    counts: Mapping[str, SplitCounts]
    split_of: Mapping[str, str]
    threshold: float
    annotation_fps: int
    detectors: Sequence[str]
    annotators: Mapping[int, int]
    agreement: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def card(facts: CardFacts) -> str:
    """The text of `README.md`; the same facts give the same text."""
    parts = [
        f"# {facts.title}",
        SIMULATED if facts.is_simulated else "",
        facts.description.strip(),
        "People and what they do, once a second, in the format of AVA: spatio-temporal action "
        "localisation, ready for MMAction2, SlowFast, pytorchvideo and the ActivityNet "
        "evaluator.",
        _contents(facts),
        _actions(facts),
        _videos(facts),
        _how_made(facts),
        _agreement(facts),
        _use(facts),
        _FILES.replace("HEADER", DATASET_HEADER),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    align = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [head, align, *rows])


def _contents(facts: CardFacts) -> str:
    head = ("", "videos", "clips", "keyframes", "excluded", "persons", "boxes", "labels")
    rows = [
        (split, len(each.videos), each.clips, each.keyframes, each.excluded,
         len(each.persons), each.boxes, each.labels.total())
        for split, each in facts.counts.items()
    ]  # fmt: skip
    lines = [f"- {sentence}" for sentence in facts.warnings]
    return "\n\n".join(
        ["## What is in it", _table(head, rows), *(["\n".join(lines)] if lines else [])]
    )


def _actions(facts: CardFacts) -> str:
    splits = list(facts.counts)
    rows = [
        (f"{action.action_id} {action.name}", action.label_type.lower().replace("_", " "),
         *(facts.counts[split].labels[action.action_id] for split in splits))
        for action in facts.actions
    ]  # fmt: skip
    return "## Actions\n\nLabels of each action: one per person and keyframe.\n\n" + _table(
        ("action", "kind", *splits), rows
    )


def _videos(facts: CardFacts) -> str:
    lines = []
    for split in facts.counts:
        names = sorted(name for name, its in facts.split_of.items() if its == split)
        lines.append(f"- {split}: {', '.join(names) or 'none'}")
    text = (
        "## Splits\n\nBy source video: all clips of a video are in one split, and a video "
        "keeps its split in later releases.\n\n" + "\n".join(lines)
    )
    if facts.left_out:
        left = [f"- {clip}: {reason}" for clip, reason in sorted(facts.left_out.items())]
        text += "\n\nNot in this release:\n\n" + "\n".join(left)
    return text


def _how_made(facts: CardFacts) -> str:
    shared = [
        f"{clips} clip{'s' if clips > 1 else ''} by {count}"
        for count, clips in sorted(facts.annotators.items())
    ]
    detectors = "; ".join(facts.detectors) or "none"
    who = "Simulated annotators" if facts.is_simulated else "Annotators"
    return "\n".join(
        (
            "## How it was made",
            "",
            "1. Every video was made a standard one (H.264, 30 pictures a second, upright) and "
            "cut into clips of 15 s.",
            f"2. People were detected and followed: {detectors}. These boxes, before any "
            "correction, are the proposals.",
            f"3. {who} corrected the boxes and answered for every person at every keyframe, on "
            f"pictures at {facts.annotation_fps} a second ({', '.join(shared)}).",
            "4. Where several had the same clip, boxes were matched one to one and fused, and "
            "answers decided by majority. Ties and missing answers were decided by a reviewer; "
            "keyframes with a question still open are excluded timestamps.",
            "5. A reviewer approved every answer that is in here.",
        )
    )


def _agreement(facts: CardFacts) -> str:
    figures = facts.agreement
    if not figures or not figures["clips_compared"]:
        return (
            "## Agreement\n\nNo clip was annotated by two or more, so how far annotators agree "
            "could not be measured."
        )
    rows = [
        (group["name"], group["rated_by_two"],
         *(_figure(group[key]) for key in ("percent", "alpha", "ac1")))
        for group in figures["groups"]
    ]  # fmt: skip
    boxes = figures["boxes"]
    return (
        "## Agreement\n\nBefore anything was decided between them, on the "
        f"{figures['clips_compared']} of {figures['clips']} clips that two or more annotated. "
        f"Boxes: F1 {_figure(boxes['f1'])}, mean IoU {_figure(boxes['mean_iou'])}. Answers, "
        "over persons at keyframes that two or more answered:\n\n"
        + _table(("group", "answers", "raw", "Krippendorff's alpha", "Gwet's AC1"), rows)
    )


def _figure(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return f"not defined: {figure['reason']}"
    return f"{figure['value']:.2f}"


def _use(facts: CardFacts) -> str:
    return "\n".join(
        (
            "## Use",
            "",
            "- MMAction2 1.x: `python tools/train.py configs/mmaction2_slowfast_r50.py`; for "
            "another model put `configs/mmaction2_ava.py` under its configuration.",
            "- SlowFast: `configs/slowfast_ava.yaml`, run in this folder.",
            '- pytorchvideo: `Ava("frame_lists/train.csv", "annotations/ava_train.csv", '
            '"rawframes", "annotations/ava_action_list.pbtxt", ...)`.',
            f"- Scores of the proposals are used from {facts.threshold:.4f} on, where their F1 "
            "against the corrected boxes is best. Stock settings of 0.8 or 0.9 are for another "
            "detector.",
        )
    )


_FILES = """\
## Files

- `AVA_dataset.csv`: all labels of all splits; its first row is `HEADER`.
- `annotations/ava_<split>.csv`: the same labels split by split, in AVA's columns
  `video_id,timestamp,x1,y1,x2,y2,action_id,person_id` and without a header. Corners are shares
  of the picture. A person id is unique in its source video.
- `annotations/ava_<split>_excluded_timestamps.csv`: keyframes not to train or measure on.
- `annotations/ava_<split>_activitynet.csv`: for the evaluator; a row of two columns is a
  keyframe at which nobody acts.
- `annotations/dense_proposals_<split>.pkl` and `ava_<split>_predicted_boxes.csv`: the same
  proposals in two forms.
- `annotations/unlabelled_boxes.csv`: persons without an action,
  `video_id,timestamp,x1,y1,x2,y2,,person_id`.
- `rawframes/<video_id>/img_00001.jpg` ...: 30 pictures a second. Every video begins at 900 s:
  the keyframe of timestamp `t` is picture `30 * (t - 900) + 1`. Where the source has them, two
  seconds before and after the clip are there too, for context.
- `clips/<video_id>.mp4`: the very same pictures as a film.
- `manifest.json`: source, split and size of every video, all keyframes, and the SHA-256 of
  every file."""
