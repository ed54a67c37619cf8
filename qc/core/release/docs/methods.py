"""`METHODS.md` of a release: how its labels were made and how far they agree, for a paper."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qc.core.agreement.explanations import EXPLANATIONS, INTERVALS
from qc.core.agreement.figures import GroupFigures
from qc.core.agreement.summary_figures import DatasetFigures
from qc.core.release.docs.markup import Block, Heading, Items, Text, markdown


@dataclass(frozen=True)
class TrackingMethod:
    """What made the proposals of `clips` clips.

    Attributes:
        sha256: Of the detector's weights; empty if it has none.
        tracker: Version of the tracker; empty if boxes came with their tracks.
    """

    clips: int
    detector: str
    sha256: str
    threshold: float | None
    frame_stride: int | None
    tracker: str


@dataclass(frozen=True)
class MethodsFacts:
    """What the methods section says.

    Attributes:
        annotators: Whose answers are in the release.
        answers: Answer versions in it, one of each annotator and clip.
        blind: Of those, given without pre-drawn boxes.
        clips: Number of annotators -> clips that so many annotated.
        rules: Label rows by the rule that decided them.
        vote_rule: `majority` or `dawid-skene`.
        keyframes: Annotated ones.
        excluded: Keyframes left out because something is undecided.
        left_out: Clips that are not in the release.
        agreement: Of the clips in it.
        classes: What is in it, by name; empty if all are persons.
        blurring: How faces are blurred; empty if they are not.
    """

    title: str
    is_simulated: bool
    tracking: Sequence[TrackingMethod]
    annotators: int
    answers: int
    blind: int
    clips: Mapping[int, int]
    rules: Mapping[str, int]
    vote_rule: str
    keyframes: int
    excluded: int
    left_out: int
    software: str
    agreement: DatasetFigures | None
    blurring: str = ""
    classes: Sequence[str] = ()


def methods(facts: MethodsFacts) -> str:
    """The text of `METHODS.md`; the same facts give the same text."""
    faces: list[Block] = [Heading("Faces"), Text(facts.blurring)] if facts.blurring else []
    return markdown(
        f"Methods of {facts.title}",
        [
            *([Text("Its answers are simulated: they come from programs.")]
              if facts.is_simulated else []),
            Heading("Detection and tracking"),
            Items([_tracking(one) for one in facts.tracking]),
            *([Text(f"Followed were: {', '.join(facts.classes)}. What is said of persons holds "
                    "for all of these; `persons.csv` has the class of each.")]
              if facts.classes else []),
            Heading("Annotation"),
            Text(annotation_sentence(facts)),
            Heading("Consensus"),
            Text(consensus_sentence(facts)),
            Heading("Exclusions"),
            Text(
                f"Of {facts.keyframes + facts.excluded} keyframes {facts.excluded} "
                f"({_percent(facts.excluded, facts.keyframes + facts.excluded)}) are excluded, "
                f"since something about them is undecided; {_many(facts.left_out, 'clip')} of "
                "the dataset are not in this release."
            ),
            *faces,
            *_agreement(facts.agreement),
            Heading("Software"),
            Text(facts.software),
        ],
    )  # fmt: skip


def _tracking(one: TrackingMethod) -> str:
    weights = f", weights with SHA-256 `{one.sha256}`" if one.sha256 else ""
    threshold = "" if one.threshold is None else f", boxes from a score of {one.threshold:g} on"
    stride = f", on every {one.frame_stride}. frame" if (one.frame_stride or 1) > 1 else ""
    tracker = f" and tracked with {one.tracker}" if one.tracker else ""
    return (
        f"Persons in {_many(one.clips, 'clip')} were detected with {one.detector or 'no model'}"
        f"{weights}{threshold}{stride}{tracker}."
    )


def annotation_sentence(facts: MethodsFacts) -> str:
    """Who annotated how much, and how."""
    clips = sum(facts.clips.values())
    shared = sum(count for annotators, count in facts.clips.items() if annotators > 1)
    seen = facts.answers - facts.blind
    return (
        f"{_many(facts.annotators, 'annotator')} annotated {_many(clips, 'clip')}; "
        f"{shared} ({_percent(shared, clips)}) were annotated by two or more. "
        f"Of {_many(facts.answers, 'set')} of answers, {seen} "
        f"({_percent(seen, facts.answers)}) began with pre-drawn boxes and {facts.blind} "
        f"({_percent(facts.blind, facts.answers)}) were blind."
    )


def consensus_sentence(facts: MethodsFacts) -> str:
    """How boxes and labels were decided."""
    rule = (
        "Where three or more disagreed, votes were weighted by error rates (Dawid and Skene, "
        "1979); else the majority decided."
        if facts.vote_rule == "dawid-skene"
        else "Labels were decided by more than half of the votes."
    )
    rows = sum(facts.rules.values())
    adjudicated = facts.rules.get("adjudicated", 0)
    parts = ", ".join(f"{count} {name}" for name, count in sorted(facts.rules.items()) if count)
    return (
        "Boxes of the annotators were matched one to one and fused by their coordinate-wise "
        f"median. {rule} A reviewer decided the rest: {adjudicated} of {rows} labels "
        f"({_percent(adjudicated, rows)}) were adjudicated."
        + (f" By rule: {parts}." * bool(parts))
    )


def _agreement(figures: DatasetFigures | None) -> list[Block]:
    if figures is None or not figures.clips_compared:
        return [Heading("Agreement"), Text("No clip was annotated by two or more.")]
    of_boxes = vars(figures.boxes) | (vars(figures.box_chance) if figures.box_chance else {})
    boxes = [
        EXPLANATIONS[name].said(of_boxes[name])
        for name in ("f1", "mean_iou", "alpha_giou", "sigma_giou")
        if name in of_boxes
    ]
    groups = [
        f"**{group.name}**: {' '.join(_said(group))} "
        f"({group.rated_by_two} units with two answers or more)"
        for group in figures.groups
    ]
    return [
        Heading("Agreement"),
        Text(
            f"Before adjudication, on {figures.clips_compared} of {figures.clips} clips. "
            + INTERVALS.sentence
        ),
        Items([f"**Boxes**: {' '.join(boxes)}", *groups]),
    ]


def _said(group: GroupFigures) -> Iterator[str]:
    for name in ("alpha", "kappa", "ac1", "percent"):
        yield EXPLANATIONS[name].said(group.coefficients[name])
    if group.segment_alpha:
        yield EXPLANATIONS["segment_alpha"].said(group.segment_alpha)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
