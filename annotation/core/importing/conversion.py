"""A file of another tool as answers: the document of a CVAT task for each clip it shows.

Documents have boxes at AVA keyframes alone, because only these are answered; where a person is
not seen at the next one, the track is outside from the frame after. Boxes that were imported
are kept as they are, those of intervals are the tracker's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.core.importing.clip_places import ClipIndex, Placed, PlacedVideo, place_video
from annotation.core.importing.keyframe_boxes import (
    KeyframeLabels,
    at_keyframes,
    counted_boxes,
    labels_at,
    loose_at_keyframes,
)
from annotation.core.importing.label_mapping import (
    LEFT_OUT,
    ClassMapping,
    answers_of,
    counted,
    is_of_persons,
)
from annotation.core.importing.person_matching import (
    Given,
    ImportedPerson,
    PersonMatching,
)
from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import PERSON, attributes_from, attributes_of
from datasets.core.formats.external.document import (
    ImportedDocument,
    ImportedInterval,
    ImportedVideo,
)

EVERYBODY = "everybody"  # a subject that is the whole frame
MAX_SENTENCES = 200


@dataclass(frozen=True)
class ImportChoices:
    """What somebody chose for an import.

    Attributes:
        mapping: Text of a label -> meaning (`label_mapping`).
        subjects: Subject of intervals -> EVERYBODY, LEFT_OUT, the number of a person, or a
            class that is followed: everybody of it.
        videos: Name of a video in the file -> that of a clip or video here, where it differs.
        fps: Frames a second of the file's numbers; 0 if the file says, or to guess.
        first_timestamp: AVA timestamp of a video's first second; None to guess.
        is_complete: Who has no label of a group of many does none of it; None: as the format.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    subjects: Mapping[str, str] = field(default_factory=dict)
    videos: Mapping[str, str] = field(default_factory=dict)
    fps: float = 0.0
    first_timestamp: int | None = None
    is_complete: bool | None = None


@dataclass
class ClipAnswersFound:
    """What a file says of one clip, as the document of its task."""

    document: Document
    persons: int  # tracked ones
    drawn: int
    keyframes: int  # boxes of persons at keyframes


@dataclass(frozen=True)
class FollowedClasses:
    """What a dataset follows, and what those are who were tracked.

    Attributes:
        names: The classes.
        by_clip: What those are who are no persons: name of a clip -> number -> class.
    """

    names: Sequence[str] = (PERSON,)
    by_clip: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def of(self, clip: str, person: int) -> str:
        """What a tracked one is."""
        return self.by_clip.get(clip, {}).get(person, PERSON)


@dataclass
class ImportOutcome:
    """What an import takes, by clip, and sentences on what it does not."""

    clips: dict[str, ClipAnswersFound] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unplaced: list[str] = field(default_factory=list)  # videos that are none of ours
    untracked: list[str] = field(default_factory=list)  # clips that are not ready yet
    boxes: int = 0  # in the file
    taken: int = 0  # at keyframes
    left_out_counts: dict[str, int] = field(default_factory=dict)  # of boxes, intervals
    class_counts: dict[str, int] = field(default_factory=dict)  # of tracked and drawn ones


def convert(
    document: ImportedDocument,
    index: ClipIndex,
    given: Mapping[str, Given],
    groups: Sequence[ActionGroupSpec],
    choices: ImportChoices,
    classes: FollowedClasses | None = None,
) -> ImportOutcome:
    """The answers that `document` gives.

    Args:
        index: The clips of the dataset.
        given: The tracker's boxes of the clips that can be annotated, by name of the clip.
        groups: The questions.
        choices: What labels, subjects and times mean.
        classes: What is followed; None for persons alone.
    """
    its_classes = classes or FollowedClasses()
    return _Conversion(document, index, given, groups, choices, its_classes).run()


def placed_videos(
    document: ImportedDocument, index: ClipIndex, choices: ImportChoices
) -> list[PlacedVideo]:
    """Where each video of a file is here, in their order."""
    return [
        place_video(
            video,
            index,
            fps=choices.fps,
            first_timestamp=choices.first_timestamp,
            is_release=document.is_release,
            called=choices.videos.get(video.name, ""),
        )
        for video in document.videos
    ]


class _Conversion:
    def __init__(
        self,
        document: ImportedDocument,
        index: ClipIndex,
        given: Mapping[str, Given],
        groups: Sequence[ActionGroupSpec],
        choices: ImportChoices,
        classes: FollowedClasses,
    ) -> None:
        self.document, self.given, self.groups = document, given, groups
        self.choices, self.classes = choices, classes
        self.class_mapping = ClassMapping(document.labels(), choices.mapping, classes.names)
        complete = choices.is_complete
        self.is_complete = document.is_complete if complete is None else complete
        self.placed = placed_videos(document, index, choices)
        self.outcome = ImportOutcome(boxes=document.box_count)
        self.sentences: list[str] = []
        self.left: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def run(self) -> ImportOutcome:
        found: dict[str, list[ImportedPerson]] = defaultdict(list)
        places: dict[str, Placed] = {}
        for video, placed in zip(self.document.videos, self.placed, strict=True):
            self.outcome.notes += placed.notes
            if not placed.places:
                self.outcome.unplaced.append(video.name)
                self._leave(video, "in videos that are not in this dataset")
                continue
            self._count_outside(video, placed.places)
            for place in placed.places:
                if place.clip.name in self.given:
                    places.setdefault(place.clip.name, place)
                    found[place.clip.name] += self._persons(video, place)
                elif self._persons_there(video, place):
                    self.outcome.untracked.append(place.clip.name)
        for name in sorted(found):
            self._add_clip(places[name], found[name])
        self.outcome.untracked = sorted(set(self.outcome.untracked))
        self.outcome.unplaced = sorted(set(self.outcome.unplaced))
        self.outcome.notes += counted(self.sentences)[:MAX_SENTENCES]
        self.outcome.left_out_counts = dict(self.left.most_common())
        if not is_of_persons(self.classes.names):
            self.outcome.class_counts = {name: self.counts[name] for name in self.classes.names}
        return self.outcome

    def _leave(self, video: ImportedVideo, why: str) -> None:
        self.left[f"boxes {why}"] += sum(len(track.boxes) for track in video.tracks)
        self.left[f"intervals {why}"] += len(video.intervals)
        self.left = +self.left

    def _count_outside(self, video: ImportedVideo, places: Sequence[Placed]) -> None:
        outside = sum(len(one.boxes) - counted_boxes(one, places) for one in video.tracks)
        held = {one for place in places for one in _held(video.intervals, place)}
        self.left["boxes at times that are in no clip"] += outside
        self.left["intervals that hold at no keyframe of a clip"] += sum(
            one not in held for one in video.intervals
        )
        self.left = +self.left

    def _persons_there(self, video: ImportedVideo, place: Placed) -> bool:
        return any(at_keyframes(one, place) for one in video.tracks) or any(
            _held(video.intervals, place)
        )

    def _persons(self, video: ImportedVideo, place: Placed) -> list[ImportedPerson]:
        """The people of one clip, with their labels at keyframes."""
        given = self.given[place.clip.name]
        tracks, loose = [], []
        for track in video.tracks:
            if track.key:
                tracks.append(self._kept(at_keyframes(track, place)))
            else:
                loose += self._kept(loose_at_keyframes(track, place))
        matching = PersonMatching(
            given, self.classes.by_clip.get(place.clip.name, {}),
            lambda box: self.class_mapping.class_of(box.labels),
        )  # fmt: skip
        found = [*matching.tracks(tracks), *matching.boxes(loose)]
        self._note_others(found, place.clip.name)
        self.outcome.taken += sum(len(one.keyframes) for one in found)
        return [*found, *self._of_intervals(video, place, found)]

    def _kept(self, boxes: Iterable[KeyframeLabels]) -> list[KeyframeLabels]:
        """The boxes of those who are followed; those of other things are counted."""
        found = list(boxes)
        kept = [box for box in found if self.class_mapping.is_followed(box.labels)]
        if len(kept) < len(found):
            self.left["boxes of labels that were left out"] += len(found) - len(kept)
        return kept

    def _note_others(self, found: Sequence[ImportedPerson], clip: str) -> None:
        """Say which drawn ones lie where somebody of another class was tracked."""
        self.sentences += [
            f"a track of the class {one.label} lies where the class "
            f"{self.classes.of(clip, one.other)} was tracked; it counts as drawn"
            for one in found
            if one.other is not None
        ]

    def _of_intervals(
        self, video: ImportedVideo, place: Placed, boxed: Sequence[ImportedPerson]
    ) -> list[ImportedPerson]:
        """What intervals say of tracked persons, at the tracker's boxes.

        Where the file has boxes as well, only the people in them are meant. Of a clip without
        an interval nothing is said, unless nothing means none.
        """
        if not video.intervals:
            return []
        if not self.is_complete and not any(_held(video.intervals, place)):
            return []
        given, clip = self.given[place.clip.name], place.clip
        boxed_at = {(box.second, one.person_id) for one in boxed for box in one.keyframes}
        wanted = self._subjects(video, {person for _, person in given}, clip.name)
        found: dict[int, list[KeyframeLabels]] = defaultdict(list)
        for second in clip.keyframes:
            here = labels_at(video.intervals, second, place)
            for person in sorted(wanted):
                box = given.get((second, person))
                if box is None or (video.tracks and (second, person) not in boxed_at):
                    continue
                labels = tuple(one.label for one in here if one.subject in wanted[person])
                x1, y1, x2, y2 = box
                found[person].append(KeyframeLabels(second, (x1, y1, x2, y2), labels))
        return [ImportedPerson(person, tuple(its)) for person, its in sorted(found.items())]

    def _subjects(
        self, video: ImportedVideo, persons: set[int], clip: str
    ) -> dict[int, set[str]]:
        """The subjects whose intervals are about each person."""
        found: dict[int, set[str]] = defaultdict(set)
        for subject in {one.subject for one in video.intervals}:
            meaning = self.choices.subjects.get(subject, LEFT_OUT)
            if meaning in (EVERYBODY, *self.classes.names):
                for person in persons:
                    if meaning in (EVERYBODY, self.classes.of(clip, person)):
                        found[person].add(subject)
            elif meaning.isdecimal() and int(meaning) in persons:
                found[int(meaning)].add(subject)
            else:
                count = sum(one.subject == subject for one in video.intervals)
                name = subject or "the whole frame"
                self.left[f"intervals of {name}, who is nobody in the clip"] += count
        return found

    def _add_clip(self, place: Placed, persons: Sequence[ImportedPerson]) -> None:
        clip = place.clip
        merged = _merged(persons)
        answers = [
            {box.second: self._answers(box) for box in person.keyframes} for person in merged
        ]
        self._fill_once(merged, answers)
        tracks = tuple(
            XmlTrack(
                tuple(self._shapes(person, said, place)),
                self._label(person, clip.name),
                "manual" if person.person_id is None else "auto",
            )
            for person, said in zip(merged, answers, strict=True)
        )
        if not tracks:
            return
        self.counts.update(track.label for track in tracks)
        document = Document(
            clip.name, clip.annotation_frames, clip.width, clip.height,
            attributes_of(self.groups), tracks, labels=tuple(self.classes.names),
        )  # fmt: skip
        self.outcome.clips[clip.name] = ClipAnswersFound(
            document,
            sum(person.person_id is not None for person in merged),
            sum(person.person_id is None for person in merged),
            sum(len(person.keyframes) for person in merged),
        )

    def _label(self, person: ImportedPerson, clip: str) -> str:
        """The class of a track: as it was tracked, or as the file says, or the first one."""
        label = person.label or ""
        if person.person_id is not None:
            label = self.classes.of(clip, person.person_id)
        return label if label in self.classes.names else self.classes.names[0]

    def _answers(self, box: KeyframeLabels) -> dict[str, Any]:
        said = answers_of(
            box.labels, self.choices.mapping, self.groups, is_complete=self.is_complete
        )
        self.sentences += said.conflicts
        return said.answers

    def _fill_once(
        self, persons: Sequence[ImportedPerson], answers: list[dict[int, dict[str, Any]]]
    ) -> None:
        """Groups of a person or clip get one answer: the most frequent that was said."""
        for group in self.groups:
            if group.scope == "keyframe":
                continue
            whole = [answers] if group.scope == "clip" else [[one] for one in answers]
            for part in whole:
                said = [a[group.name] for one in part for a in one.values() if group.name in a]
                if not said:
                    continue
                kept = max(said, key=said.count)
                if any(one != kept for one in said):
                    self.sentences.append(
                        f"{group.name} is asked once a {group.scope}, but has several answers; "
                        "the most frequent is kept"
                    )
                for one in part:
                    for here in one.values():
                        here[group.name] = kept

    def _shapes(
        self, person: ImportedPerson, answers: Mapping[int, dict[str, Any]], place: Placed
    ) -> list[Shape]:
        fps, shapes = place.clip.annotation_fps, []
        seconds = [box.second for box in person.keyframes]
        for number, box in enumerate(person.keyframes):
            said = attributes_from(answers[box.second], person.person_id, self.groups)
            shapes.append(Shape(box.second * fps, box.box, False, True, said))
            is_last = number + 1 == len(seconds) or seconds[number + 1] != box.second + 1
            after = box.second * fps + 1
            if is_last and after < place.clip.annotation_frames:
                shapes.append(shapes[-1]._replace(frame=after, outside=True))
        return shapes


def _held(intervals: Sequence[ImportedInterval], place: Placed) -> Iterator[ImportedInterval]:
    """The intervals that hold at keyframes of a clip, each as often as it does."""
    for second in place.clip.keyframes:
        yield from labels_at(intervals, second, place)


def _merged(persons: Sequence[ImportedPerson]) -> list[ImportedPerson]:
    """The persons, each tracked one once: the first box at a keyframe, with all labels."""
    found: dict[int, dict[int, KeyframeLabels]] = {}
    drawn = []
    for person in persons:
        if person.person_id is None:
            drawn.append(person)
            continue
        its = found.setdefault(person.person_id, {})
        for box in person.keyframes:
            first = its.setdefault(box.second, box)
            labels = tuple(dict.fromkeys([*first.labels, *box.labels]))
            its[box.second] = first._replace(labels=labels)
    tracked = [
        ImportedPerson(key, tuple(its[second] for second in sorted(its)))
        for key, its in sorted(found.items())
    ]
    return [*tracked, *drawn]
