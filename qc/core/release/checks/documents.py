"""Checks of the documents, the provenance and the further formats of a release.

Nothing here knows how the files were written.
"""

import configparser
import csv
import json
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.core.formats import ava
from qc.core.release.checks.expectations import expect
from qc.core.release.reader import ReleaseReader, ReleaseReadError

PROVENANCE = "provenance.parquet"
ROWS_AT_ONCE = 10_000
Faults = Iterator[str]
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, configparser.Error,
    ElementTree.ParseError, struct.error,
)  # fmt: skip


def check_documents(release: ReleaseReader) -> str:
    """Card, methods, citation and settings are there and can be read."""

    def faults() -> Faults:
        for name in ("README.md", "card.html", "METHODS.md"):
            if not release.words(name).strip():
                yield f"{name} is empty"
        if "cff-version" not in release.yaml("CITATION.cff"):
            yield "CITATION.cff is not a citation"
        try:
            settings = json.loads(release.words("settings.json"))
        except ValueError as error:
            yield f"settings.json cannot be read: {error}"
            return
        if not isinstance(settings, dict) or not {"dataset", "release"} <= settings.keys():
            yield "settings.json has no settings of the dataset and the release"

    return expect(faults(), "Card, citation and settings are valid.")


def check_provenance(release: ReleaseReader) -> str:
    """Every label says where it came from, in the order of `AVA_dataset.csv`."""
    names = ["video_id", "timestamp", "person_id", "action_id", "split", "rule"]
    table = _parquet(release.folder / PROVENANCE, names)
    rows = chain.from_iterable(
        zip(*(column.to_pylist() for column in some.columns), strict=True)
        for some in table.to_batches(max_chunksize=ROWS_AT_ONCE)
    )
    labels = release.together()

    def faults() -> Faults:
        if table.num_rows != len(labels):
            yield f"{PROVENANCE} has {table.num_rows} rows for {len(labels)} labels"
            return
        for number, (row, (label, split)) in enumerate(zip(rows, labels, strict=True), start=1):
            its = (label.video_id, label.timestamp, label.person_id, label.action_id, split)
            if row[:-1] != its:
                yield f"{PROVENANCE} row {number} is not that of AVA_dataset.csv"
            elif not row[-1]:
                yield f"{PROVENANCE} row {number} does not say who decided"

    return expect(faults(), f"All {len(labels)} labels say where they came from.")


def _parquet(path: Path, names: list[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=names)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ReleaseReadError(f"{path.name} cannot be read: {error}.") from error


def check_formats(release: ReleaseReader) -> str:
    """Further formats can be read, and hold as many persons or labels as the AVA files."""
    wanted = release.manifest().get("formats", [])

    def faults() -> Faults:
        folder = release.folder / "formats"
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        for name in sorted(there ^ set(wanted)):
            yield f"formats/{name} is {'missing' if name in wanted else 'not in the manifest'}"
        for name in sorted(there & _FORMATS.keys()):
            try:
                yield from _FORMATS[name](release, folder / name)
            except _UNREADABLE as error:
                yield f"formats/{name} cannot be read: {error}"

    return expect(faults(), f"{len(wanted)} further formats agree with the AVA files.")


def _persons(release: ReleaseReader) -> Counter[str]:
    """Persons at keyframes of each split, with and without actions."""
    persons: set[tuple[str, str, int, int]] = set()
    for split in release.splits:
        persons |= {(split, *label[:2], label.person_id) for label in release.labels(split)}
    for row in release.unlabelled():
        persons.add((release.videos()[row.video_id].split, *row[:2], row.person_id))
    return Counter(split for split, *_ in persons)


def _differs(what: str, found: int, wanted: int) -> Faults:
    if found != wanted:
        yield f"{what} has {found} persons at keyframes, not {wanted}"


def _coco(release: ReleaseReader, folder: Path) -> Faults:
    for split in release.splits:
        content = json.loads((folder / f"{split}.json").read_bytes())
        images = {image["id"] for image in content["images"]}
        if {each["image_id"] for each in content["annotations"]} - images:
            yield f"formats/coco/{split}.json has persons in no image"
        found, wanted = len(content["annotations"]), _persons(release)[split]
        yield from _differs(f"formats/coco/{split}.json", found, wanted)


def _parquets(release: ReleaseReader, folder: Path) -> Faults:
    for split in release.splits:
        table = _parquet(folder / f"{split}.parquet", ["video_id", "action_ids"])
        wanted = _persons(release)[split]
        yield from _differs(f"formats/parquet/{split}.parquet", table.num_rows, wanted)


def _cvat(release: ReleaseReader, folder: Path) -> Faults:
    found = 0
    for video_id in release.videos():
        tree = ElementTree.parse(folder / f"{video_id}.xml")  # noqa: S314  # of this release
        found += sum(box.get("outside") == "0" for box in tree.iter("box"))
    yield from _differs("formats/cvat", found, _persons(release).total())


def _mot(release: ReleaseReader, folder: Path) -> Faults:
    found = 0
    for video in release.videos().values():
        place = folder / video.split / video.video_id
        said = configparser.ConfigParser()
        said.read_string((place / "seqinfo.ini").read_text())
        if said.getint("Sequence", "seqLength") != video.n_frames:
            yield f"formats/mot: seqinfo.ini of {video.video_id} has another length"
        with (place / "gt" / "gt.txt").open(newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 9 and int(row[0]) >= 1]
        found += len(rows)
    yield from _differs("formats/mot", found, _persons(release).total())


def _fiftyone(release: ReleaseReader, folder: Path) -> Faults:
    found = 0
    for entry in json.loads((folder / "manifest.json").read_bytes())["index"]:
        if not (folder / entry["data"]).is_file():
            yield f"formats/fiftyone refers to {entry['data']}, which is missing"
        frames = json.loads((folder / entry["labels"]).read_bytes())["frames"]
        found += sum(len(frame["objects"]["objects"]) for frame in frames.values())
    yield from _differs("formats/fiftyone", found, _persons(release).total())


def _kinetics(release: ReleaseReader, folder: Path) -> Faults:
    for split in release.splits:
        content = (folder / f"ava_kinetics_{split}.csv").read_bytes()
        if ava.load_evaluation(content) != release.evaluation(split):
            yield f"formats/kinetics/ava_kinetics_{split}.csv has other rows than AVA's"
    if ava.load_actions((folder / "ava_kinetics_action_list.pbtxt").read_bytes()) != (
        release.actions()
    ):
        yield "formats/kinetics has other actions"


def _activitynet(release: ReleaseReader, folder: Path) -> Faults:
    database = json.loads((folder / "activity_net.json").read_bytes())["database"]
    names = {action.action_id: action.name for action in release.actions()}
    labels = {
        (label.video_id, names[label.action_id])
        for split in release.splits
        for label in release.labels(split)
    }
    found = {
        (video, each["label"]) for video, its in database.items() for each in its["annotations"]
    }
    if database.keys() != release.videos().keys() or found != labels:
        yield "formats/activitynet has other clips or actions"


def _tubes(release: ReleaseReader, folder: Path) -> Faults:
    content = ava.load_arrays((folder / "tubes.pkl").read_bytes())
    if content["labels"] != [action.name for action in release.actions()]:
        yield "formats/tubes/tubes.pkl has other actions"
    frames = {video.video_id: video.n_frames for video in release.videos().values()}
    if content["nframes"] != frames or content["gttubes"].keys() != frames.keys():
        yield "formats/tubes/tubes.pkl has other clips"
    counts = Counter(
        (label.video_id, label.action_id - 1)
        for split in release.splits
        for label in release.labels(split)
    )
    for video, of_video in content["gttubes"].items():
        for action, tubes in of_video.items():
            keyframes = sum(int(((tube[:, 0] - 1) % 30 == 0).sum()) for tube in tubes)
            if keyframes != counts.pop((video, action), 0):
                yield f"formats/tubes/tubes.pkl has other labels of {video}"
    if counts:
        yield f"formats/tubes/tubes.pkl has no tube of {min(counts)[0]}"


_FORMATS: dict[str, Callable[[ReleaseReader, Path], Faults]] = {
    "activitynet": _activitynet,
    "coco": _coco,
    "cvat": _cvat,
    "fiftyone": _fiftyone,
    "kinetics": _kinetics,
    "mot": _mot,
    "parquet": _parquets,
    "tubes": _tubes,
}
