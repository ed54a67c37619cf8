"""Readers of the further formats, each as a consumer of the format reads it.

Each gives persons at keyframes with boxes as shares of the frame, and sentences about what
does not fit the release besides. Frames of videos count from 0, timestamps from 900.
"""

import configparser
import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.core.formats import ava
from datasets.core.formats.persons_csv import PERSONS
from qc.core.release.checks.vocabulary import vocabulary
from qc.core.release.reader import ReleasedVideo, ReleaseReader
from qc.core.release.records import PERSON
from tracking.core.tracks_file import person_in_sentence

FPS = 30
MOT_COLUMNS = 9
PARQUET_COLUMNS = (
    "video_id", "source_video", "timestamp", "frame", "width", "height", "person_id", "x1",
    "y1", "x2", "y2", "action_ids", "actions",
)  # fmt: skip


class FormatPerson(NamedTuple):
    """A person at a keyframe, as a format has it."""

    where: str  # file and row
    video_id: str
    timestamp: int
    person_id: int
    box: tuple[float, ...]  # shares of the frame
    actions: frozenset[int]
    width: int = 1  # of the frame, if boxes were in pixels
    height: int = 1
    label: str | None = None  # its class; None: the format does not say


Found = tuple[list[FormatPerson], list[str]]


def frame_size_of(release: ReleaseReader, video: ReleasedVideo) -> tuple[int, int]:
    """Width and height of the frames of a clip in pixels."""
    longest = max(video.width, video.height)
    side = release.images().longest_side if release.images().included else None
    scale = min(1.0, (side or longest) / longest)
    return max(1, round(video.width * scale)), max(1, round(video.height * scale))


def class_faults(
    release: ReleaseReader, persons: Iterable[tuple[str, int, int]]
) -> Iterable[str]:
    """What `persons.csv` says otherwise than the CSV of `persons`: video, timestamp, number."""
    classes, videos = release.classes(), release.videos()
    if not classes:
        return
    there = {(videos[video].source_video, number) for video, _, number in persons}
    for video, number in sorted(there ^ classes.keys()):
        where = "lacks" if (video, number) in there else "has, but no csv,"
        who = person_in_sentence(number, classes.get((video, number), PERSON))
        yield f"{PERSONS} {where} {who} of {video}"


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file. Raises ValueError if it is another value."""
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} is not an object of JSON")
    return content


def timestamp_of(frame: int) -> int | None:
    """The timestamp of a frame, from 0; None if it is not that of a whole second.

    >>> timestamp_of(60), timestamp_of(61)
    (902, None)
    """
    return None if frame % FPS else 900 + frame // FPS


def _shares(box: Iterable[float], width: float, height: float) -> tuple[float, ...]:
    return tuple(side / by for side, by in zip(box, (width, height) * 2, strict=True))


def coco(release: ReleaseReader, content: dict[str, Any], what: str) -> Found:
    """COCO-video: `bbox` is left, top, width and height in pixels of the image."""
    found, wrong = [], []
    images = {image["id"]: image for image in content["images"]}
    videos = {video["id"]: video["name"] for video in content["videos"]}
    categories = {one["id"]: one["name"] for one in content["categories"]}
    for number, image in enumerate(content["images"], start=1):
        name = videos.get(image["video_id"], "")
        video = release.videos().get(name)
        if video is None:
            wrong.append(f"{what} image {number} is of no clip")
            continue
        frame = FPS * (image["timestamp"] - 900)
        its = (image["file_name"], image["frame_id"], image["width"], image["height"])
        wanted = (f"{name}/{ava.frame_file(frame)}", frame, *frame_size_of(release, video))
        if its != wanted:
            wrong.append(f"{what} image {number} is {its}, not {wanted}")
    for number, one in enumerate(content["annotations"], start=1):
        image = images.get(one["image_id"])
        if image is None:
            wrong.append(f"{what} annotation {number} is in no image")
            continue
        left, top, width, height = one["bbox"]
        size = (image["width"], image["height"])
        found.append(
            FormatPerson(
                f"{what} annotation {number}", videos.get(image["video_id"], ""),
                image["timestamp"], one["instance_id"],
                _shares((left, top, left + width, top + height), *size),
                frozenset(one["action_ids"]), *size, categories.get(one["category_id"], ""),
            )
        )  # fmt: skip
        if abs(one["area"] - width * height) > 1:
            wrong.append(f"{what} annotation {number} has an area that is not its box's")
    return found, wrong


def parquet(release: ReleaseReader, path: Path, what: str) -> Found:
    """Parquet: a row per person and keyframe, corners as shares of the frame."""
    found, wrong = [], []
    names = {action.action_id: action.name for action in release.manifest_actions()}
    try:
        more = {"class"} & set(pq.read_schema(path).names)
        rows = pq.read_table(path, columns=[*PARQUET_COLUMNS, *more]).to_pylist()
    except pa.ArrowException as error:
        raise ValueError(f"{path.name} is not Parquet: {error}") from error
    for number, row in enumerate(rows, start=1):
        where = f"{what} row {number}"
        video = release.videos().get(row["video_id"])
        if video is None:
            wrong.append(f"{where} is of no clip")
            continue
        frame = f"rawframes/{video.video_id}/{ava.frame_file(FPS * (row['timestamp'] - 900))}"
        its = (row["frame"], row["source_video"], row["width"], row["height"])
        wanted = (frame, video.source_video, *frame_size_of(release, video))
        if its != wanted:
            wrong.append(f"{where} says {its}, not {wanted}")
        if row["actions"] != [names.get(action) for action in row["action_ids"]]:
            wrong.append(f"{where} names other actions than its ids")
        found.append(
            FormatPerson(
                where, video.video_id, row["timestamp"], row["person_id"],
                tuple(row[side] for side in ("x1", "y1", "x2", "y2")),
                frozenset(row["action_ids"]), label=row.get("class", PERSON),
            )
        )  # fmt: skip
    return found, wrong


def mot(release: ReleaseReader, video: ReleasedVideo, folder: Path) -> Found:
    """MOTChallenge: left and top count from 1, widths and heights are in pixels."""
    found, wrong = [], []
    where = f"formats/mot/{video.split}/{video.video_id}"
    size = frame_size_of(release, video)
    said = configparser.ConfigParser()
    said.read_string((folder / "seqinfo.ini").read_text(encoding="ascii"))
    facts = {
        "name": video.video_id, "frameRate": str(FPS), "seqLength": str(video.n_frames),
        "imWidth": str(size[0]), "imHeight": str(size[1]),
        "imDir": f"../../../../rawframes/{video.video_id}", "imExt": ".jpg",
    }  # fmt: skip
    for key, value in facts.items():
        if (its := said.get("Sequence", key, fallback=None)) != value:
            wrong.append(f"{where}/seqinfo.ini has {key}={its}, not {value}")
    named = folder / "gt" / "labels.txt"
    names = named.read_text(encoding="utf-8").splitlines() if named.is_file() else [PERSON]
    with (folder / "gt" / "gt.txt").open(encoding="ascii", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            place = f"{where}/gt/gt.txt row {number}"
            if len(row) != MOT_COLUMNS:
                wrong.append(f"{place} has {len(row)} columns, not {MOT_COLUMNS}")
                continue
            at = timestamp_of(int(row[0]) - 1)
            if at is None:
                wrong.append(f"{place} is at frame {row[0]}, which is no keyframe")
                continue
            left, top, width, height = map(float, row[2:6])
            box = (left - 1, top - 1, left - 1 + width, top - 1 + height)
            found.append(
                FormatPerson(
                    place, video.video_id, at, int(row[1]), _shares(box, *size), frozenset(),
                    *size, dict(enumerate(names, start=1)).get(int(row[7]), ""),
                )
            )  # fmt: skip
    return found, wrong


def fiftyone(release: ReleaseReader, video_id: str, path: Path) -> Found:
    """FiftyOne: corners as shares, frames from 1, an attribute `action_<id>` for an action."""
    found: list[FormatPerson] = []
    wrong: list[str] = []
    what = f"formats/fiftyone/labels/{path.name}"
    content = read_object(path)
    video = release.videos().get(video_id)
    split = [one["value"] for one in content["attrs"]["attrs"] if one["name"] == "split"]
    if video is not None and split != [video.split]:
        wrong.append(f"{what} is in the split {split}, not {video.split}")
    shown = set()
    for key, frame in content["frames"].items():
        at = timestamp_of(int(key) - 1)
        if at is None or frame["frame_number"] != int(key):
            wrong.append(f"{what} has people at frame {key}, which is no keyframe")
            continue
        shown.add(at)
        for number, one in enumerate(frame["objects"]["objects"], start=1):
            where = f"{what} frame {key} object {number}"
            first, last = one["bounding_box"]["top_left"], one["bounding_box"]["bottom_right"]
            box = (first["x"], first["y"], last["x"], last["y"])
            actions, odd = _fiftyone_actions(release, one["attrs"]["attrs"])
            wrong += [f"{where} {fault}" for fault in odd]
            if one["frame_number"] != int(key):
                wrong.append(f"{where} says that it is at frame {one['frame_number']}")
            found.append(
                FormatPerson(
                    where, video_id, at, one["index"], box, actions, label=one["label"]
                )
            )
    wanted = {at for name, at in release.keyframes("annotated") if name == video_id}
    wrong += [f"{what} is wrong about the keyframe {at}" for at in sorted(wanted ^ shown)]
    return found, wrong


def _fiftyone_actions(
    release: ReleaseReader, attributes: list[dict[str, Any]]
) -> tuple[frozenset[int], list[str]]:
    names = {f"action_{action.action_id}": action for action in release.manifest_actions()}
    actions, wrong = set(), []
    for attribute in attributes:
        action = names.get(attribute["name"])
        if action is None or action.name != attribute["value"]:
            wrong.append(
                f"says {attribute['name']} is {attribute['value']}, not "
                f"{action.name if action else 'an action'}"
            )
        else:
            actions.add(action.action_id)
    return frozenset(actions), wrong


def cvat(release: ReleaseReader, video: ReleasedVideo, path: Path) -> Found:
    """CVAT for video 1.1: shapes at frames from 0, corners in pixels of the clip.

    A value that a shape leaves out is that of the shape before it, and `as before` means the
    last other value.
    """
    found, wrong = [], []
    what = f"formats/cvat/{path.name}"
    root = ElementTree.parse(path).getroot()  # noqa: S314  # of this release
    sides = [root.findtext(f".//original_size/{side}") for side in ("width", "height")]
    frames = root.findtext(".//task/size")
    if [frames, *sides] != [str(one) for one in (video.n_frames, video.width, video.height)]:
        wrong.append(
            f"{what} is of {frames} frames of {sides[0]}x{sides[1]}, not of {video.n_frames} "
            f"of {video.width}x{video.height}"
        )
    for track in root.iter("track"):
        said: dict[str, str] = {}
        held: dict[str, str] = {}
        for shape in track.iter("box"):
            frame = int(shape.get("frame", "-1"))
            where = f"{what} track {track.get('id')} frame {frame}"
            said |= {one.get("name", ""): one.text or "" for one in shape.iter("attribute")}
            held |= {name: text for name, text in said.items() if text != "as before"}
            at = timestamp_of(frame)
            if shape.get("outside") == "1":
                continue
            if at is None:
                wrong.append(f"{where} is no keyframe")
                continue
            corners = [float(shape.get(side, "nan")) for side in ("xtl", "ytl", "xbr", "ybr")]
            actions, odd = _cvat_actions(release, held)
            wrong += [f"{where} {fault}" for fault in odd]
            found.append(
                FormatPerson(
                    where, video.video_id, at, int(held.get("person_id") or 0),
                    _shares(corners, video.width, video.height), actions,
                    video.width, video.height, track.get("label"),
                )
            )  # fmt: skip
    return found, wrong


def _cvat_actions(
    release: ReleaseReader, held: dict[str, str]
) -> tuple[frozenset[int], list[str]]:
    """The actions that the attributes of a shape name, and what is wrong with them."""
    actions: set[int] = set()
    wrong = []
    for group in vocabulary(release):
        # one select for each action that may be chosen: "doing", "doing 2", ...
        selects = [group.name, *(f"{group.name} {n}" for n in range(2, group.most + 1))]
        chosen = {held[name] for name in selects if held.get(name)}
        if not chosen:
            wrong.append(f"leaves {group.name} unset")
        actions |= {action for action, name in group.actions.items() if name in chosen}
        if odd := chosen - {*group.actions.values(), "unknown", "none"}:
            wrong.append(f"says {min(odd)}, which is not of {group.name}")
    return frozenset(actions), wrong
