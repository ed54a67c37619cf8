"""Reads of guidelines: the text, the actions with definitions and examples, frames to pick."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from annotation.core.guidelines import image_numbers, with_addresses
from annotation.models import Annotation, Guideline, GuidelineImage
from datasets.models import Action, ActionGroup, Clip, Dataset
from tracking.core.tracks_file import PERSON, person_label
from tracking.models import Proposal, TrackingRun
from tracking.person_classes import classes_by_video, classes_in

CLIPS_SUGGESTED = 12
CLIPS_LISTED = 500
ANSWERS_SEARCHED = 2000


@dataclass
class ActionGuide:
    """An action with its definition and its examples."""

    action: Action
    definition: str = ""
    yes: list[GuidelineImage] = field(default_factory=list)
    no: list[GuidelineImage] = field(default_factory=list)

    @property
    def is_explained(self) -> bool:
        return bool(self.definition or self.yes or self.no)


class GroupGuide(NamedTuple):
    """A group with its actions, in the order that annotators see."""

    group: ActionGroup
    actions: list[ActionGuide]


class Guidelines(NamedTuple):
    """All that annotators of a dataset read."""

    text: str
    images: list[GuidelineImage]  # uploaded for the text
    groups: list[GroupGuide]


def guidelines_of(dataset: Dataset) -> Guidelines:
    """The guidelines of `dataset`, in four queries."""
    rows = Guideline.objects.filter(dataset=dataset)
    texts = {row.action_id: row.text for row in rows}
    images: dict[int | None, list[GuidelineImage]] = {}
    for image in GuidelineImage.objects.of(dataset).select_related("guideline"):
        images.setdefault(image.guideline.action_id, []).append(image)
    groups = []
    for group in dataset.groups.prefetch_related("actions"):
        actions = []
        for action in group.shown_actions():
            guide = ActionGuide(action, texts.get(action.pk, ""))
            for image in images.get(action.pk, []):
                kind = image.Kind(image.kind)
                (guide.yes if kind == image.Kind.YES else guide.no).append(image)
            actions.append(guide)
        groups.append(GroupGuide(group, actions))
    return Guidelines(texts.get(None, ""), images.get(None, []), groups)


def guidelines_markdown(dataset: Dataset, address: Callable[[int], str]) -> str:
    """The text and the explained actions as Markdown, each image at `address(number)`."""
    found = guidelines_of(dataset)
    parts = [found.text.strip()]
    explained = [one for group in found.groups for one in group.actions if one.is_explained]
    if explained:
        parts.append("## Actions")
    for one in explained:
        parts.append(f"**{one.action.name}**: {one.definition.strip()}".rstrip(": "))
        parts += [_examples(what, rows) for what, rows in (("Yes", one.yes), ("No", one.no))]
    return with_addresses("\n\n".join(part for part in parts if part), address)


def _examples(what: str, images: list[GuidelineImage]) -> str:
    shown = " ".join(f"![{_caption(one)}]({one})" for one in images)
    return f"{what}: {shown}" if shown else ""


def _caption(image: GuidelineImage) -> str:
    return image.caption.replace("[", "(").replace("]", ")")


def shown_images(dataset: Dataset) -> list[GuidelineImage]:
    """The images that the guidelines show, in their order."""
    images = {one.pk: one for one in GuidelineImage.objects.of(dataset)}
    text = guidelines_markdown(dataset, lambda number: f"image-{number}.jpg")
    return [images[pk] for pk in image_numbers(text) if pk in images]


class Frame(NamedTuple):
    """A keyframe to pick an example from, with the persons in it."""

    clip: Clip
    second: int
    seconds: list[int]  # all keyframes of the clip
    persons: list[Proposal]
    classes: dict[int, str]  # of those who are no persons, by number

    @property
    def boxes(self) -> list[dict[str, float | str]]:
        """The persons as the page draws them, in pixels of the video."""
        return [
            {
                "number": one.person_id, "label": self.classes.get(one.person_id, PERSON),
                "x": round(one.x1), "y": round(one.y1),
                "width": round(one.x2 - one.x1), "height": round(one.y2 - one.y1),
            }
            for one in self.persons
        ]  # fmt: skip


def example_images(action: Action) -> list[GuidelineImage]:
    """The examples of `action`; `called` names what is outlined, if it is no person."""
    rows = GuidelineImage.objects.filter(guideline__action=action).select_related("clip")
    classes = classes_by_video({one.clip.video_id for one in rows if one.clip})
    for one in rows:
        its, number = classes.get(one.clip.video_id, {}) if one.clip else {}, one.person_id
        one.called = person_label(number, its) if number in its else ""  # type: ignore[attr-defined]
    return list(rows)


def clip_names(dataset: Dataset) -> list[str]:
    """The first clips that frames can be picked from."""
    clips = Clip.objects.of(dataset).done().order_by("name")
    return list(clips.values_list("name", flat=True)[:CLIPS_LISTED])


def frame_of(dataset: Dataset, clip: str, second: int | None) -> Frame | None:
    """The keyframe `second` of a clip, or its first; None if there is no such clip."""
    found = Clip.objects.of(dataset).done().filter(name=clip).select_related("video").first()
    seconds = found.keyframes() if found else []
    if found is None or not seconds:
        return None
    at = second if second in seconds else seconds[0]
    run = TrackingRun.objects.in_use().done().filter(clip=found).first()
    persons = list(run.proposals.filter(second=at)) if run else []
    return Frame(found, at, list(seconds), persons, classes_in(found.video_id))


class Suggestion(NamedTuple):
    """A keyframe at which annotators chose the action."""

    clip: str
    second: int


def suggested_frames(action: Action) -> list[Suggestion]:
    """Keyframes of the newest answers at which annotators chose `action`, one a clip."""
    rows = Annotation.objects.filter(
        version__task__clip__video__dataset=action.dataset, person_id__isnull=False
    ).order_by("-pk")
    newest = rows.values_list("answers", "version__task__clip__name", "second")
    found: dict[str, int] = {}
    for answers, clip, second in newest[:ANSWERS_SEARCHED]:
        given = answers.get(action.group.name)
        if given == action.name or (isinstance(given, list) and action.name in given):
            found.setdefault(clip, second)
    return [Suggestion(*one) for one in list(found.items())[:CLIPS_SUGGESTED]]
