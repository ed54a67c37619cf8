"""CVAT for video 1.1: `<video_id>.xml`, the consensus as tracks over `clips/<video_id>.mp4`.

Make a CVAT task of the clip and import the file. Shapes stand at keyframes; where a person is
not seen at the next one, the track is outside from the frame after.
"""

from typing import Any

from datasets.core.action_groups import UNKNOWN, ActionGroupSpec
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_labels import attributes_from, attributes_of
from datasets.core.formats.cvat_xml import dump
from qc.core.release.formats.content import FormatContext, by_person, frame_of, pixels, runs
from qc.core.release.records import ReleaseClip, ReleasedPerson


class CvatWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context
        self._attributes = attributes_of(context.groups)

    def add(self, clip: ReleaseClip) -> None:
        tracks = tuple(
            XmlTrack(tuple(self._shapes(persons, clip)), persons[0].label)
            for persons in by_person(clip).values()
        )
        document = Document(
            clip.name,
            clip.window.frame_count,
            clip.width,
            clip.height,
            self._attributes,
            tracks,
            labels=tuple(self._context.labels),
        )
        (self._context.folder / f"{clip.name}.xml").write_bytes(dump(document))

    def finish(self) -> None:
        """Nothing is left to write."""

    def _shapes(self, persons: list[ReleasedPerson], clip: ReleaseClip) -> list[Shape]:
        shapes = []
        for run in runs(persons):
            for person in run:
                box = pixels(person.box, width=clip.width, height=clip.height)
                said = attributes_from(
                    self._answers(person), person.person_id, self._context.groups
                )
                shapes.append(Shape(frame_of(person.timestamp), box, False, True, said))
            after = shapes[-1].frame + 1
            if after < clip.window.frame_count:
                shapes.append(shapes[-1]._replace(frame=after, outside=True))
        return shapes

    def _answers(self, person: ReleasedPerson) -> dict[str, Any]:
        names = {origin.group: origin.action_ids for origin in person.origins}
        return {
            group.name: _answer(group, [self._context.names[i] for i in names[group.name]])
            if group.name in names
            else UNKNOWN  # undecided here: in CVAT the answer before would hold
            for group in self._context.groups
        }


def _answer(group: ActionGroupSpec, chosen: list[str]) -> str | list[str]:
    if group.choice == "many":
        return chosen
    return chosen[0] if chosen else UNKNOWN
