"""Other formats of the same consensus, each a folder under `formats/` of a release.

A writer gets every clip once, sorted by name, and then finishes; the same clips give the same
bytes. Nothing is copied: what needs frames or clips points at those of the release.
"""

from collections.abc import Callable
from typing import NamedTuple

from qc.core.release.formats.activitynet import ActivityNetWriter
from qc.core.release.formats.coco import CocoWriter
from qc.core.release.formats.content import FormatContext, FormatWriter
from qc.core.release.formats.cvat import CvatWriter
from qc.core.release.formats.fiftyone import FiftyOneWriter
from qc.core.release.formats.kinetics import KineticsWriter
from qc.core.release.formats.mot import MotWriter
from qc.core.release.formats.parquet import ParquetWriter
from qc.core.release.formats.tubes import TubesWriter

__all__ = ["FORMATS", "Format", "FormatContext", "FormatWriter"]


class Format(NamedTuple):
    title: str
    what: str  # one sentence, for the page and the card
    writer: Callable[[FormatContext], FormatWriter]
    needs_clips: bool = False  # it refers to the files of clips


FORMATS: dict[str, Format] = {
    "coco": Format("COCO-video", "JSON with videos, images and persons.", CocoWriter),
    "cvat": Format("CVAT XML", "The consensus, to open in CVAT.", CvatWriter),
    "parquet": Format("Parquet", "A row per person and keyframe, with votes.", ParquetWriter),
    "fiftyone": Format("FiftyOne", "A folder that FiftyOne imports.", FiftyOneWriter, True),
    "mot": Format("MOT", "Boxes and identities as text, with seqinfo.ini.", MotWriter),
    "tubes": Format(
        "UCF101-24", "Action tubes in a pickle, also used by MultiSports.", TubesWriter
    ),
    "kinetics": Format("AVA-Kinetics", "Rows that include empty keyframes.", KineticsWriter),
    "activitynet": Format("ActivityNet", "Temporal segments of actions.", ActivityNetWriter),
}
