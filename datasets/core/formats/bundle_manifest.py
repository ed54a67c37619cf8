"""`manifest.json` of a bundle, reader and writer: videos, clips, persons and file hashes.

Frame indices are 0-based at 30 per second; `start_frame` of a clip is an index in its video.
Names are those of the exported dataset.
"""

import json
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.untrusted import UntrustedDataError, read_json, shown

FILE = "manifest.json"
CLIPS, FRAMES, TRACKS = "clips.zip", "frames.zip", "tracking_jsons.zip"
DENSE, MMACTION2 = "dense_proposals.pkl", "dense_proposals_mmaction2.pkl"
FILES = (FILE, CLIPS, FRAMES, TRACKS, DENSE, MMACTION2)
TRACK_FILES = (FILE, TRACKS, DENSE)  # that the import of tracks reads
PROTOTYPE_KEY = "files of the prototype"  # the config key of a prototype's tracks
FORMAT = "ava-studio-bundle/2"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")
CONFIG_KEY = re.compile(r"[ -~]{1,120}")
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+")  # storable as database text
MAX_NUMBER = 2**31 - 1
MAX_FILE_BYTES = 2**63 - 1  # bytes
MAX_BYTES = 64 << 20  # of a manifest; thousands of clips in a crowd take less than half


class ManifestError(UntrustedDataError):
    """The bytes are no valid manifest of a bundle."""


@dataclass(frozen=True)
class ClipEntry:
    name: str
    index: int  # in its video, from 0
    start_frame: int
    frame_count: int
    persons: dict[int, int] = field(default_factory=dict)  # person id of each track id
    detections: int | None = None  # of the detector, in tracks or not
    first_number: int = 0  # of a prototype's first frame, as its proposals count


@dataclass(frozen=True)
class VideoEntry:
    name: str
    original_name: str
    sha256: str  # of the raw file
    width: int
    height: int
    frame_count: int
    clips: tuple[ClipEntry, ...] = ()
    frame_rate: int = FRAME_RATE  # lower for still images without a video


@dataclass(frozen=True)
class FileEntry:
    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class Manifest:
    dataset: str
    config_key: str
    annotation_fps: int
    videos: tuple[VideoEntry, ...] = ()
    files: dict[str, FileEntry] = field(default_factory=dict)
    is_prototype: bool = False  # its tracks are in a prototype's files


def is_bundle(names: Collection[str]) -> bool:
    """Whether files of these names are a bundle of AVA Studio or of a prototype.

    >>> is_bundle({"frames.zip", "dense_proposals.pkl"}), is_bundle({"frames.zip", "a.mp4"})
    (True, False)
    """
    return FRAMES in names and (FILE in names or DENSE in names)


def dump(manifest: Manifest) -> bytes:
    """The JSON of `manifest`; the same manifest gives the same bytes.

    >>> b'"format": "ava-studio-bundle/2"' in dump(Manifest("shop", "test", 5))
    True
    """
    content = {"format": FORMAT} | asdict(manifest)
    return f"{json.dumps(content, indent=1, sort_keys=True)}\n".encode()


def load(content: bytes) -> Manifest:
    """Parse a manifest. Raises ManifestError if it is invalid or inconsistent.

    >>> load(dump(Manifest("shop", "test", 5))).annotation_fps
    5
    """
    try:
        raw = read_json(content, max_bytes=MAX_BYTES)
        if raw["format"] != FORMAT:
            raise ManifestError(f"it is of format {shown(raw['format'])}, not {FORMAT!r}")
        return Manifest(
            _text(raw["dataset"], NAME),
            _text(raw["config_key"], CONFIG_KEY),
            _rate(raw["annotation_fps"]),
            _without_duplicates([_video(one) for one in raw["videos"]]),
            {_text(name, FILE_NAME): _file(one) for name, one in raw["files"].items()},
            raw.get("is_prototype") is True,
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError,
            RecursionError) as error:  # fmt: skip
        if isinstance(error, ManifestError):
            raise
        raise ManifestError(f"not the manifest of a bundle: {error!r}") from error


def _without_duplicates(videos: list[VideoEntry]) -> tuple[VideoEntry, ...]:
    for what, values in (
        ("videos are called", [video.name for video in videos]),
        ("videos are of the same file", [video.sha256 for video in videos]),
        ("clips are called", [clip.name for video in videos for clip in video.clips]),
    ):
        if repeated := [value for value, count in Counter(values).items() if count > 1]:
            raise ManifestError(f"two {what} {repeated[0]}")
    return tuple(videos)


def _video(raw: dict[str, Any]) -> VideoEntry:
    video = VideoEntry(
        _text(raw["name"], NAME),
        _text(raw["original_name"], PRINTABLE),
        _text(raw["sha256"], SHA256),
        _count(raw["width"], minimum=1),
        _count(raw["height"], minimum=1),
        _count(raw["frame_count"], minimum=1),
        tuple(_clip(one) for one in raw["clips"]),
        _rate(raw.get("frame_rate", FRAME_RATE)),
    )
    end = 0
    for index, clip in enumerate(video.clips):
        if clip.index != index:
            raise ManifestError(f"the clips of {video.name} are not numbered from 0 in order")
        if clip.start_frame < end:
            raise ManifestError(f"{clip.name} begins before the clip before it ends")
        end = clip.start_frame + clip.frame_count
        if end > video.frame_count:
            raise ManifestError(f"{clip.name} ends after its video {video.name}")
    if not video.clips:
        raise ManifestError(f"the video {video.name} has no clips")
    return video


def _clip(raw: dict[str, Any]) -> ClipEntry:
    persons = {
        _count(int(track), minimum=1): _count(person, minimum=1)
        for track, person in raw["persons"].items()
    }
    if len(set(persons.values())) < len(persons):
        raise ManifestError(f"two tracks of {raw['name']} are the same person")
    return ClipEntry(
        _text(raw["name"], NAME),
        _count(raw["index"]),
        _count(raw["start_frame"]),
        _count(raw["frame_count"], minimum=1),
        persons,
        None if raw.get("detections") is None else _count(raw["detections"]),
        _count(raw.get("first_number", 0)),
    )


def _file(raw: dict[str, Any]) -> FileEntry:
    return FileEntry(_count(raw["size"], maximum=MAX_FILE_BYTES), _text(raw["sha256"], SHA256))


def _text(value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ManifestError(f"{value!r} is not a valid name")
    return value


def _count(value: object, *, minimum: int = 0, maximum: int = MAX_NUMBER) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ManifestError(f"{value!r} is not a whole number from {minimum} on")
    if value > maximum:
        raise ManifestError(f"{value} is too large")
    return value


def _rate(value: object) -> int:
    rate = _count(value, minimum=1)
    if FRAME_RATE % rate:
        raise ManifestError(f"{rate} frames per second do not divide {FRAME_RATE}")
    return rate
