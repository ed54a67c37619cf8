"""What one may choose for a release, kept with it for ever."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from datasets.core.untrusted import UntrustedDataError
from qc.core.release.formats import FORMATS
from qc.core.release.splits import SPLITS

LICENCES = {  # SPDX identifier -> what it means in a few words
    "CC0-1.0": "no rights reserved",
    "CC-BY-4.0": "name the authors",
    "CC-BY-SA-4.0": "name the authors, share alike",
    "CC-BY-NC-4.0": "name the authors, not for money",
    "CC-BY-NC-SA-4.0": "name the authors, not for money, share alike",
}
MIN_SIDE = 64


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
        licence: SPDX identifier; empty if nothing was said.
        authors: Names, in their order.
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

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.formats) - FORMATS.keys()):
            raise OptionsError(
                f"there is no format {unknown[0]}; there are {', '.join(FORMATS)}"
            )
        if self.with_frames and not self.with_clips:
            raise OptionsError("a release with frames has its clips, too")
        if self.licence and self.licence not in LICENCES:
            raise OptionsError(
                f"{self.licence} is not a licence known here; there are {', '.join(LICENCES)}"
            )
        if self.longest_side is not None and self.longest_side < MIN_SIDE:
            raise OptionsError(
                f"frames of {self.longest_side} pixels are too small: {MIN_SIDE} or more"
            )

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
        for key in ("formats", "authors"):
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
