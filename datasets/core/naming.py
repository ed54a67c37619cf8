"""Names of videos, clips and frames: ASCII `[a-z0-9-]`, safe as file names and as AVA ids.

AVA's readers split names at commas, spaces, dots and (some) underscores, so names of videos and
clips contain none of them. The original file name is stored in the database.
"""

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

MAX_LENGTH = 40
DEFAULT_NAME = "video"


def safe_name(original: str, *, taken: Collection[str]) -> str:
    """A name for the video file `original`: at most 40 characters, none of `taken`.

    Accents are removed, other characters become hyphens, a trailing number makes it unique.
    The same arguments give the same name.

    >>> safe_name("Vidéo n°1 - копия (最終版).mp4", taken=())
    'video-n-1'
    >>> safe_name("最終版.mp4", taken={"video"})
    'video-2'
    """
    stem = PurePosixPath(original.replace("\\", "/")).stem
    ascii_only = unicodedata.normalize("NFKD", stem.replace("°", " ")).encode("ascii", "ignore")
    plain = _hyphenated(ascii_only.decode()) or DEFAULT_NAME
    name, number = plain[:MAX_LENGTH].strip("-"), 1
    while name in taken:
        number += 1
        ending = f"-{number}"
        name = plain[: MAX_LENGTH - len(ending)].strip("-") + ending
    return name


def clip_name(video: str, index: int) -> str:
    """Name of clip `index` (0-based) of `video`; it is the AVA `video_id`.

    >>> clip_name("aisle", 7)
    'aisle-c0007'
    """
    return f"{video}-c{index:04d}"


def frame_name(clip: str, index: int) -> str:
    """File name of annotation frame `index` (0-based, as in the CVAT task) of `clip`.

    >>> frame_name("aisle-c0007", 12)
    'aisle-c0007_frame_0012.jpg'
    """
    return f"{clip}_frame_{index:04d}.jpg"


def _hyphenated(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
