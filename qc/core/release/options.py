"""What one may choose for a release, kept with it for ever."""

import csv
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from datasets.core.untrusted import UntrustedDataError
from qc.core.release.blurring import HEADS
from qc.core.release.formats import FORMATS
from qc.core.release.packing import NO_LICENCE
from qc.core.release.splits import SPLITS

LICENCES = {  # SPDX identifier -> what it means in a few words
    "CC0-1.0": "no rights reserved",
    "CC-BY-4.0": "name the authors",
    "CC-BY-SA-4.0": "name the authors, share alike",
    "CC-BY-NC-4.0": "name the authors, not for money",
    "CC-BY-NC-SA-4.0": "name the authors, not for money, share alike",
}
MIN_SIDE = 64
MIN_INSTANCES = 25  # as in AVA's own evaluation list
DOI = re.compile(r"10\.\d{4,9}/\S+", re.ASCII)
FACE_FILE = re.compile(r"[^/\\\x00-\x1f]{1,200}\.onnx", re.IGNORECASE)
NEW = ("is_public", "doi", "keywords", "min_instances", "blur_faces")  # kept only if chosen


class OptionsError(UntrustedDataError):
    """A choice that cannot be carried out; the text says which and why."""


@dataclass(frozen=True)
class ReleaseOptions:
    """Choices for one release; the defaults make what every consumer reads.

    Attributes:
        formats: Names of further formats, sorted.
        with_frames: Whether `rawframes/` is in it.
        with_clips: Whether `clips/` is in it; without clips there are no frames either.
        longest_side: Of the frames in pixels; None leaves them as large as the clips.
        official_names: Whether annotation files also get the names of AVA v2.2.
        seed: Of the splits of videos that have none yet.
        split_of: Source video -> split, as somebody listed them.
        licence: SPDX identifier, or `NO_LICENCE`; empty if nobody was asked, as for releases of
            the demo and of earlier versions.
        authors: Names, in their order.
        is_public: Whether it is for everybody: then it has a licence and a datasheet.
        doi: Such as 10.5281/zenodo.1234; empty if it has none.
        keywords: For the citation, beside those of every release.
        min_instances: Labels in val below which an action is left out of the evaluation list.
        blur_faces: Empty for faces as they are; `heads` for the upper part of each person's
            box; else the file of a face detector in the weights folder.
    """

    formats: tuple[str, ...] = ()
    with_frames: bool = True
    with_clips: bool = True
    longest_side: int | None = None
    official_names: bool = False
    seed: int = 0
    split_of: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    authors: tuple[str, ...] = ()
    is_public: bool = False
    doi: str = ""
    keywords: tuple[str, ...] = ()
    min_instances: int = MIN_INSTANCES
    blur_faces: str = ""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.formats) - FORMATS.keys()):
            raise OptionsError(
                f"there is no format {unknown[0]}; there are {', '.join(FORMATS)}"
            )
        if self.licence not in ("", NO_LICENCE, *LICENCES):
            raise OptionsError(
                f"{self.licence} is not a licence known here; there are {', '.join(LICENCES)}, "
                f"and {NO_LICENCE} for a release that nobody may pass on"
            )
        if self.is_public and not self.spdx:
            raise OptionsError("a public release needs a licence: choose one")
        if self.doi and not DOI.fullmatch(self.doi):
            raise OptionsError(f"{self.doi} is not a DOI, such as 10.5281/zenodo.1234")
        self._check_media()

    def _check_media(self) -> None:
        """Raises OptionsError for frames, clips and formats that do not go together."""
        if self.with_frames and not self.with_clips:
            raise OptionsError("a release with frames has its clips, too")
        for name in self.formats:
            if FORMATS[name].needs_clips and not self.with_clips:
                raise OptionsError(
                    f"{FORMATS[name].title} refers to the files of clips, which a release of "
                    "annotations only does not have: add the clips, or leave that format out"
                )
        if self.longest_side is not None and self.longest_side < MIN_SIDE:
            raise OptionsError(
                f"frames of {self.longest_side} pixels are too small: {MIN_SIDE} or more"
            )
        if self.blur_faces and not self.with_clips:
            raise OptionsError(
                "a release of annotations only has no frames and no clips whose faces could be "
                "blurred (its card shows some keyframes as they are): add the clips, or do not "
                "blur"
            )
        if self.blur_faces not in ("", HEADS) and not FACE_FILE.fullmatch(self.blur_faces):
            raise OptionsError(
                f"{self.blur_faces} is neither {HEADS} nor the name of an ONNX file: faces are "
                "blurred by persons' boxes or with a face detector in the weights folder"
            )

    @property
    def spdx(self) -> str:
        """The SPDX identifier of the licence; empty if there is none."""
        return "" if self.licence == NO_LICENCE else self.licence

    @classmethod
    def chosen(cls, frames: str, **others: Any) -> Self:
        """Options with `frames` as one word: full, none, annotations or a number of pixels."""
        return cls(
            with_frames=frames not in ("none", "annotations"),
            with_clips=frames != "annotations",
            longest_side=int(frames) if frames.isdecimal() else None,
            **others,
        )

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """The options that `as_json` gave; what is not in there keeps its default."""
        values = {key: said[key] for key in cls.__dataclass_fields__ if key in said}
        for key in ("formats", "authors", "keywords"):
            if key in values:
                values[key] = tuple(values[key])
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """These options as plain values, for the database and the release."""
        said = asdict(self) | {
            "formats": sorted(self.formats),
            "authors": list(self.authors),
            "split_of": dict(sorted(self.split_of.items())),
        }
        said["keywords"] = list(self.keywords)
        defaults = type(self)()
        for key in NEW:
            if getattr(self, key) == getattr(defaults, key):
                del said[key]
        if self.with_clips:  # releases made before there was a choice stay the same bytes
            del said["with_clips"]
        return said


def read_split_list(text: str, *, known: Collection[str]) -> dict[str, str]:
    """A list of `video,split`, one a line; empty lines and lines after `#` are left out.

    Args:
        known: Names of all source videos there are.

    Raises:
        OptionsError: naming the line that cannot be meant.

    >>> read_split_list("shop,val\\nyard train\\n", known=["shop", "yard"])
    {'shop': 'val', 'yard': 'train'}
    """
    split_of: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            words = [word.strip() for row in csv.reader([line]) for word in row]
        except csv.Error as error:
            raise OptionsError(f"line {number} of the split list: {error}") from error
        words = words if len(words) > 1 else line.split()
        if not any(words) or line.lstrip().startswith("#"):
            continue
        split_of |= _entry(words, number, split_of, known)
    return split_of


def _entry(
    words: list[str], number: int, before: Mapping[str, str], known: Collection[str]
) -> dict[str, str]:
    if len(words) != 2 or words[1] not in SPLITS:
        raise OptionsError(f"line {number} of the split list is not `video,train|val|test`")
    video, split = words
    if video not in known:
        raise OptionsError(f"line {number} of the split list names {video}, which is no video")
    if before.get(video, split) != split:
        raise OptionsError(f"line {number} of the split list puts {video} into a second split")
    return {video: split}
