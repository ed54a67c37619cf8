"""Tracks out of "CVAT for images 1.1", where each image has its own boxes.

Boxes with the same `person_id` are one person, and every box without one is another person in
that frame only. Images are matched to frames by their names.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from datasets.core.formats.cvat_document import Shape, XmlTrack
from datasets.core.formats.cvat_labels import PERSON_ID, held_values
from datasets.core.untrusted import UntrustedDataError


class ImageTrackKey(NamedTuple):
    """What the boxes of one track have in common."""

    label: str
    who: str
    nth: int  # box of that person in one image


class ImageError(UntrustedDataError):
    """An image that is not a frame of the task."""


class ImageTracks:
    """Takes the boxes image by image."""

    def __init__(self, frame_names: Sequence[str]) -> None:
        """`frame_names`: of the task's frames in order; empty if they are not known."""
        self._frames = {name: frame for frame, name in enumerate(frame_names)}
        self._seen: set[str] = set()
        self._here: Counter[str] = Counter()
        self._shapes: dict[ImageTrackKey, list[Shape]] = {}
        self._sources: dict[ImageTrackKey, str] = {}

    def begin(self, name: str) -> int | None:
        """Begin the image called `name`; its frame, or None if frames have no names.

        Raises ImageError for a second image of that frame, and for one of another clip.
        """
        name = PurePosixPath(name.strip().replace("\\", "/")).name
        self._here.clear()
        if not self._frames or not name:
            return None
        if name in self._seen:
            raise ImageError(f"it has two images called {name}")
        self._seen.add(name)
        if name not in self._frames:
            first, last = next(iter(self._frames)), next(reversed(self._frames))
            raise ImageError(
                f"it has an image called {name}, but the frames of this clip are {first} to "
                f"{last}: is it the export of another clip?"
            )
        return self._frames[name]

    def add(self, label: str, source: str, shape: Shape) -> None:
        who = shape.attributes.get(PERSON_ID, "") or f"box {len(self._shapes)}"
        self._here[who] += 1  # two boxes of one person in an image are two tracks
        key = ImageTrackKey(label, who, self._here[who])
        self._shapes.setdefault(key, []).append(shape)
        self._sources.setdefault(key, source)

    def tracks(self) -> list[XmlTrack]:
        return [self._track(key, shapes) for key, shapes in self._shapes.items()]

    def _track(self, key: ImageTrackKey, shapes: list[Shape]) -> XmlTrack:
        """A track of boxes drawn image by image: outside where there is no box."""
        ends = (shape._replace(frame=shape.frame + 1, outside=True) for shape in shapes)
        both = {shape.frame: shape for shape in ends} | {one.frame: one for one in shapes}
        held: dict[str, str] = {}
        found = []
        for frame in sorted(both):
            held = held_values(held, both[frame].attributes.items())
            found.append(both[frame]._replace(attributes=held))
        return XmlTrack(tuple(found), key.label, self._sources[key])
