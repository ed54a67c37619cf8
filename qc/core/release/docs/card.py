"""The dataset card of a release: `README.md` and `card.html`, for whoever trains on it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from datasets.core.formats.ava import AvaAction
from qc.core.agreement.coefficients import OF_RATINGS
from qc.core.agreement.explanations import with_interval
from qc.core.agreement.figures import Figure
from qc.core.agreement.summary_figures import DatasetFigures
from qc.core.release.baseline import NOT_TRAINED, TrainedBaseline
from qc.core.release.docs.card_figures import (
    GoldCount,
    actions_of,
    baselines,
    errata,
    gold_noise,
    label_noise,
    rare_actions,
    slices,
)
from qc.core.release.docs.datasheet import datasheet
from qc.core.release.docs.markup import (
    Block,
    Heading,
    Image,
    Items,
    TableBlock,
    Text,
    Warn,
    html,
    markdown,
)
from qc.core.release.formats import FORMATS
from qc.core.release.options import LICENCES, MIN_INSTANCES
from qc.core.release.packing import NO_LICENCE
from qc.core.release.stats import ReleaseStats, VideoStats
from qc.core.release.writer import DATASET_HEADER, SplitCounts

SIMULATED = (
    "**SIMULATED ANSWERS.** The annotators of this release are programs that make mistakes "
    "at stated rates. Its labels show that the pipeline works; they say nothing about people. "
    "Do not train on them, and do not report figures from them."
)
PAIRS_SHOWN = 15
_FILES = Path(__file__).with_name("card_files.txt")  # a line for each file of a release
_MEDIA = ("`rawframes/", "`clips/")


@dataclass(frozen=True)
class CardFacts:
    """What the card says.

    Attributes:
        counts: Split -> what it holds.
        split_of: Source video -> split.
        oracle_aps: Split -> mAP of perfect labels on the proposals' boxes.
        detectors: One line per tracking configuration that made the proposals.
        annotators: Number of annotators -> clips that so many annotated.
        unanswered: Clips of one annotator that others had as well, but did not answer.
        agreement: Of these clips; None if no clip was compared.
        warnings: Sentences about the splits, and about what is lacking.
        left_out: Clip -> why it is not in the release.
        footage: Sentences about what the clips do not show of the uploaded files.
        has_clips: Whether clips are in it; frames never are without them.
        images: Keyframes with their boxes drawn, for the page.
        answers: Of the datasheet, by the keys of its questions.
        taken_out: What earlier releases held: `what`, `at` and `reason`.
        min_instances: Labels in val below which an action is not measured by default.
        licence: As in the options of a release.
        trained: How a simple model does on val.
        gold: Votes on gold clips, by the name of the action.
        blurring: How faces are blurred; empty if they are not.
    """

    title: str
    description: str
    is_simulated: bool
    actions: Sequence[AvaAction]
    counts: Mapping[str, SplitCounts]
    split_of: Mapping[str, str]
    threshold: float
    annotation_fps: int
    clip_seconds: int
    detectors: Sequence[str]
    annotators: Mapping[int, int]
    unanswered: Collection[str] = ()
    stats: ReleaseStats = field(default_factory=ReleaseStats)
    oracle_aps: Mapping[str, float | None] = field(default_factory=dict)
    agreement: DatasetFigures | None = None
    warnings: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    footage: Sequence[str] = ()
    licence: str = ""
    authors: Sequence[str] = ()
    formats: Sequence[str] = ()
    has_clips: bool = True
    images: Sequence[Image] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    taken_out: Sequence[Mapping[str, str]] = ()
    min_instances: int = MIN_INSTANCES
    blurring: str = ""
    trained: TrainedBaseline = NOT_TRAINED
    gold: Mapping[str, GoldCount] = field(default_factory=dict)


def card(facts: CardFacts) -> str:
    """The text of `README.md`; the same facts give the same text."""
    return markdown(facts.title, _blocks(facts))


def card_page(facts: CardFacts) -> str:
    """The same as a page of HTML, with frames."""
    return html(facts.title, _blocks(facts))


def _blocks(facts: CardFacts) -> list[Block]:
    return [
        *([Warn(SIMULATED)] if facts.is_simulated else []),
        *([Text(text)] if (text := facts.description.strip()) else []),
        Text(
            "People and what they do, once a second, in the format of AVA: spatio-temporal "
            "action localisation, ready for MMAction2, SlowFast, pytorchvideo and the "
            "ActivityNet evaluator."
        ),
        *facts.images,
        *_contents(facts),
        *_actions(facts),
        *_boxes(facts),
        *_splits(facts),
        *_gaps(facts),
        *_how_made(facts),
        *_agreement(facts),
        *label_noise(facts.actions, facts.stats),
        *gold_noise(facts.actions, facts.gold),
        *baselines(facts.actions, facts.counts, facts.oracle_aps, facts.trained),
        *datasheet(facts.answers),
        *errata(facts.taken_out),
        *_use(facts),
        *_rights(facts),
        *_files(facts),
    ]


def _contents(facts: CardFacts) -> list[Block]:
    head = ("videos", "clips", "keyframes", "excluded", "persons", "boxes", "labels")
    rows = [
        (split, *(each.totals()[name] for name in head)) for split, each in facts.counts.items()
    ]
    warnings = [Items(facts.warnings)] if facts.warnings else []
    return [Heading("Contents"), TableBlock(("", *head), rows), *_classes(facts), *warnings]


def _classes(facts: CardFacts) -> list[Block]:
    """The boxes of each class, if not all are persons."""
    found = facts.stats.class_names
    if not found:
        return []
    said = (
        "Not all are persons, though the files call them so: AVA has no column for a class. "
        "`persons.csv` has it, by source video and person id. Boxes by class:"
    )
    rows = [(one, *(facts.stats.classes[one, split] for split in facts.counts))
            for one in found]  # fmt: skip
    return [Text(said), TableBlock(("class", *facts.counts), rows)]


def _actions(facts: CardFacts) -> list[Block]:
    splits = list(facts.counts)
    blocks = actions_of(facts.actions, facts.counts)
    groups = sorted({group for group, _ in facts.stats.groups})
    rows_of_groups = [
        (group, *(facts.stats.groups[group, split] for split in splits)) for group in groups
    ]
    if rows_of_groups:
        blocks += [Text("The same by group:"), TableBlock(("group", *splits), rows_of_groups)]
    names = {action.action_id: action.name for action in facts.actions}
    pairs = sorted(facts.stats.together.items(), key=lambda each: (-each[1], each[0]))
    if pairs:
        rows_of_pairs = [
            (f"{names[a]} and {names[b]}", count) for (a, b), count in pairs[:PAIRS_SHOWN]
        ]
        more = len(pairs) - PAIRS_SHOWN
        said = "Most frequent combinations of actions of one person" + (
            f" ({more} less frequent pairs are not shown):" if more > 0 else ":"
        )
        blocks += [Text(said), TableBlock(("actions", "persons"), rows_of_pairs)]
    return blocks


def _boxes(facts: CardFacts) -> list[Block]:
    rows = [
        (split, *(f"{value:.0f}" for value in heights))
        for split in facts.counts
        if (heights := facts.stats.heights(split))
    ]
    if not rows:
        return []
    return [
        Heading("Sizes of boxes"),
        Text("Heights in pixels of the clips, as percentiles."),
        TableBlock(("", "10 %", "50 %", "90 %"), rows),
        *slices(facts.stats, facts.counts),
    ]


def _splits(facts: CardFacts) -> list[Block]:
    none = VideoStats()
    rows = [
        (name, split, its.clips, its.keyframes, its.boxes, its.labels)
        for name, split in sorted(facts.split_of.items())
        for its in [facts.stats.videos.get(name, none)]
    ]
    return [
        Heading("Splits"),
        Text(
            "By source video: all clips of a video are in one split, and a video keeps its "
            "split in later releases."
        ),
        TableBlock(("video", "split", "clips", "keyframes", "boxes", "labels"), rows),
    ]


def _gaps(facts: CardFacts) -> list[Block]:
    excluded = sum(each.excluded for each in facts.counts.values())
    used = {action for each in facts.counts.values() for action in each.labels}
    unused = [action.name for action in facts.actions if action.action_id not in used]
    lines = [
        f"{_many(excluded, 'keyframe')} with an undecided item are in the files of excluded "
        "timestamps."
        if excluded
        else "No keyframe is excluded: every item was decided.",
        f"{_many(facts.stats.unlabelled, 'box', 'boxes')} of persons without an action, in "
        "`annotations/unlabelled_boxes.csv`.",
    ]
    if unused:
        lines.append(f"Actions without a label: {', '.join(unused)}.")
    lines += facts.footage
    lines += rare_actions(facts.actions, facts.counts, min_instances=facts.min_instances)
    lines += [f"{clip} is not in it: {why}." for clip, why in sorted(facts.left_out.items())]
    return [Heading("Known gaps"), Items(lines)]


def _many(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _on_one_vote(facts: CardFacts) -> str:
    """How many labels rest on one vote, and why; empty if none does."""
    single = facts.stats.single
    if not (whole := single.total()):
        return ""
    absent = sum(count for clip, count in single.items() if clip in facts.unanswered)
    parts = [
        f"{whole - absent} by plan, as one annotator was assigned" if whole > absent else "",
        f"{absent} because others who were assigned did not answer" if absent else "",
    ]
    said = _many(whole, "label rests", "labels rest")
    return f" {said} on one vote: {', '.join(part for part in parts if part)}."


def _how_made(facts: CardFacts) -> list[Block]:
    shared = [
        f"{clips} clip{'s' if clips > 1 else ''} by {count}"
        for count, clips in sorted(facts.annotators.items())
    ]
    detectors = "; ".join(facts.detectors) or "none"
    who = "Simulated annotators" if facts.is_simulated else "Annotators"
    rules = ", ".join(
        f"{count} {rule}" for rule, count in sorted(facts.stats.rules.items()) if count
    )
    steps = [
        "Every video was converted to H.264 with 30 upright frames per second, and cut "
        f"into clips of {facts.clip_seconds} s.",
        f"Persons were detected and tracked: {detectors}. These boxes, before any correction, "
        "are the proposals.",
        f"{who} corrected the boxes and answered for every person at every keyframe, on "
        f"frames at {facts.annotation_fps} per second ({', '.join(shared)}).",
        "Where several annotated the same clip, boxes were matched one to one and fused, and "
        "answers decided by majority. Ties and missing answers were decided by a reviewer; "
        "keyframes with an undecided item are excluded timestamps."
        + (f" Labels by rule: {rules}." if rules else "")
        + _on_one_vote(facts),
        "A reviewer approved all answers in this release.",
        *[facts.blurring] * bool(facts.blurring),
    ]
    return [
        Heading("How it was made"),
        Items(steps, are_steps=True),
        Text(
            "`METHODS.md` says it with its figures for a paper; `provenance.parquet` has the "
            "votes and the rule of every label row."
        ),
    ]


def _agreement(facts: CardFacts) -> list[Block]:
    figures = facts.agreement
    if figures is None or not figures.clips_compared:
        return [
            Heading("Agreement"),
            Text(
                "No clip was annotated by two or more, so how far annotators agree could not "
                "be measured."
            ),
        ]
    rows = [
        (group.name, group.rated_by_two,
         *(_figure(group.coefficients[spec.name]) for spec in OF_RATINGS))
        for group in figures.groups
    ]  # fmt: skip
    return [
        Heading("Agreement"),
        Text(
            "Before adjudication, on the "
            f"{figures.clips_compared} of {figures.clips} clips that two or more "
            f"annotated. Boxes: F1 {_figure(figures.boxes.f1)}, mean IoU "
            f"{_figure(figures.boxes.mean_iou)}{_beyond_chance(figures)}. Answers, over "
            "persons at keyframes that two "
            "or more answered, with 95 % intervals:"
        ),
        TableBlock(("group", "answers", *(spec.label for spec in OF_RATINGS)), rows),
    ]


def _beyond_chance(figures: DatasetFigures) -> str:
    """Of the boxes."""
    if figures.box_chance is None:
        return ""
    alpha, sigma = figures.box_chance.alpha_giou, figures.box_chance.sigma_giou
    return f", beyond chance alpha {_figure(alpha)} and sigma {_figure(sigma)} (with GIoU)"


def _figure(figure: Figure) -> str:
    if figure.value is None:
        return f"undefined: {figure.reason}"
    return with_interval(figure)


def _use(facts: CardFacts) -> list[Block]:
    oracle_aps = ", ".join(
        f"{split} {value:.3f}" for split, value in facts.oracle_aps.items() if value is not None
    )
    lines = [
        "MMAction2 1.x: `python tools/train.py configs/mmaction2_slowfast_r50.py`; for "
        "another model put `configs/mmaction2_ava.py` under its configuration.",
        "SlowFast: `configs/slowfast_ava.yaml`, run in this folder.",
        'pytorchvideo: `Ava("frame_lists/train.csv", "annotations/ava_train.csv", '
        '"rawframes", "annotations/ava_action_list.pbtxt", ...)`; for val take '
        "`frame_lists/val_all.csv`.",
        f"Scores of the proposals are used from {facts.threshold:.4f} on, where their F1 "
        "against the corrected boxes is best. Stock settings of 0.8 or 0.9 are for another "
        "detector.",
    ]
    if oracle_aps:
        lines.append(
            "The mAP of a model that names every action correctly on these proposals "
            f"(at IoU 0.5): {oracle_aps}."
        )
    return [Heading("Use"), Items(lines)]


def _rights(facts: CardFacts) -> list[Block]:
    if facts.licence == NO_LICENCE:
        licence = "No licence is given: this release may not be passed on."
    elif facts.licence:
        licence = f"Licence: {facts.licence} ({LICENCES[facts.licence]})."
    else:
        licence = "No licence was stated: ask the authors before you pass it on."
    authors = f" Authors: {', '.join(facts.authors)}." if facts.authors else ""
    return [
        Heading("Rights"),
        Text(f"{licence}{authors} `CITATION.cff` says how to cite this release."),
    ]


def _files(facts: CardFacts) -> list[Block]:
    formats = [
        f"`formats/{name}/`: {FORMATS[name].title}. {FORMATS[name].what}"
        for name in sorted(facts.formats)
    ]
    lines = Template(_FILES.read_text(encoding="ascii")).substitute(header=DATASET_HEADER)
    files = [
        line for line in lines.splitlines() if facts.has_clips or not line.startswith(_MEDIA)
    ]
    return [Heading("Files"), Items([*files, *formats])]
