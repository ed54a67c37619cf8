"""Checks of the further formats: each read on its own, and held value by value against the CSV.

Nothing here knows how the files were written: every reader takes a format as its consumers do
and gives persons as the AVA files have them.
"""

import configparser
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np

from datasets.core.formats import ava
from datasets.core.formats.persons_csv import PERSONS
from qc.core.release.checks import format_readers as readers
from qc.core.release.checks.expectations import ODD_CONTENT, expect
from qc.core.release.checks.format_readers import FormatPerson
from qc.core.release.checks.proposals import persons_at
from qc.core.release.reader import ReleaseReader, ReleaseReadError

FPS = 30
SUBSETS = {"train": "training", "val": "validation", "test": "testing"}
TUBE_TOLERANCE = 0.01  # pixels, of boxes in float32 between keyframes
Faults = Iterator[str]
Key = tuple[str, int, int]  # video_id, timestamp, person
_UNREADABLE = (*ODD_CONTENT, configparser.Error, ElementTree.ParseError)


class CsvPerson(NamedTuple):
    """A person at a keyframe, as the AVA files have it."""

    box: tuple[float, ...]  # shares of the frame
    actions: frozenset[int]


def check_formats(release: ReleaseReader) -> str:
    """Further formats say of every person at every keyframe what the AVA files say."""
    wanted = release.manifest().get("formats", [])
    if release.lacks("formats"):
        return "This download has no formats/: they are not checked."

    without: list[str] = []

    def faults() -> Faults:
        yield from readers.class_faults(release, persons_of_csv(release))
        folder = release.folder / "formats"
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        for name in sorted(there ^ set(wanted)):
            yield f"formats/{name} is {'missing' if name in wanted else 'not in the manifest'}"
        for name in sorted(there & _FORMATS.keys()):
            try:
                yield from _FORMATS[name](release, folder / name)
            except ImportError as error:
                without.append(f"; {name} is not checked, for which {error.name} is missing")
            except ReleaseReadError:
                raise
            except _UNREADABLE as error:
                yield f"formats/{name} cannot be read: {error}"

    found = list(faults())
    agree = f"{len(wanted) - len(without)} further formats agree with the AVA files"
    return expect(found, f"{agree}{''.join(without)}.")


def persons_of_csv(release: ReleaseReader) -> dict[Key, CsvPerson]:
    """Everybody at every keyframe of a release, by video, timestamp and person."""

    def read() -> dict[Key, CsvPerson]:
        return {
            (video, at, person.person_id): CsvPerson(
                tuple(ava.parse_box(person.box).tolist()), frozenset(person.action_ids)
            )
            for split in release.splits
            for (video, at), persons in persons_at(release, split).items()
            for person in persons
        }

    return release.once("persons of the csv", read)


def compare(
    found: Iterable[FormatPerson], release: ReleaseReader, what: str, *,
    tolerance: float = 1e-9, split: str = "", has_actions: bool = True,
) -> Faults:  # fmt: skip
    """What a format says otherwise than the CSV of persons at keyframes.

    Args:
        what: The format, for persons that it lacks.
        tolerance: Of the sides of boxes, in pixels; shares of the frame where those are 1.
        split: The only one that the format is about; empty for all.
    """
    wanted = persons_of_csv(release)
    videos = release.videos()
    names = {action.action_id: action.name for action in release.manifest_actions()}
    seen: set[Key] = set()
    for one in found:
        key = (one.video_id, one.timestamp, one.person_id)
        name = release.name_of(one.video_id, one.person_id)
        who = f"{name} of {one.video_id} at {one.timestamp}"
        if key not in wanted:
            yield f"{one.where} has {who}, which is in no csv"
            continue
        if key in seen:
            yield f"{one.where} has {who} a second time"
        seen.add(key)
        sides = (one.width, one.height) * 2
        apart = [
            abs(a - b) * side
            for a, b, side in zip(one.box, wanted[key].box, sides, strict=True)
        ]
        if not all(gap <= tolerance for gap in apart):  # so is none that is not a number
            its = ", ".join(f"{side:.4f}" for side in one.box)
            csv = ", ".join(f"{side:.4f}" for side in wanted[key].box)
            yield f"{one.where} has {who} in the box {its}, the csv in {csv}"
        its_class = release.class_of(one.video_id, one.person_id)
        if one.label not in (None, its_class):
            yield f"{one.where} says that {who} is a {one.label}, {PERSONS} a {its_class}"
        if has_actions and one.actions != wanted[key].actions:
            said = ", ".join(names.get(i, str(i)) for i in sorted(one.actions)) or "nothing"
            csv = (
                ", ".join(names.get(i, str(i)) for i in sorted(wanted[key].actions))
                or "nothing"
            )
            yield f"{one.where} says that {who} does {said}, the csv says {csv}"
    of_split = {key for key in wanted if not split or videos[key[0]].split == split}
    for video, at, person in sorted(of_split - seen):
        who = release.name_of(video, person)
        yield f"{what} has no {who} of {video} at {at}, the csv has"


def _coco(release: ReleaseReader, folder: Path) -> Faults:
    names = [(action.action_id, action.name) for action in release.manifest_actions()]
    for split in release.splits:
        what = f"formats/coco/{split}.json"
        content = readers.read_object(folder / f"{split}.json")
        if [(one["id"], one["name"]) for one in content["actions"]] != names:
            yield f"{what} has other actions than ava_action_list.pbtxt"
        persons, wrong = readers.coco(release, content, what)
        yield from wrong
        yield from compare(persons, release, what, tolerance=0.001, split=split)
        shown = {(one["file_name"].partition("/")[0], one["timestamp"])
                 for one in content["images"]}  # fmt: skip
        yield from _other_keyframes(release, what, split, shown)


def _other_keyframes(
    release: ReleaseReader, what: str, split: str, shown: set[tuple[str, int]]
) -> Faults:
    videos = release.videos()
    wanted = {key for key in release.keyframes("annotated") if videos[key[0]].split == split}
    for video, at in sorted(wanted ^ shown):
        said = "no keyframe" if (video, at) in wanted else "a keyframe that is not annotated,"
        yield f"{what} has {said} {at} of {video}"


def _parquet(release: ReleaseReader, folder: Path) -> Faults:
    for split in release.splits:
        what = f"formats/parquet/{split}.parquet"
        persons, wrong = readers.parquet(release, folder / f"{split}.parquet", what)
        yield from wrong
        yield from compare(persons, release, what, split=split)


def _cvat(release: ReleaseReader, folder: Path) -> Faults:
    found: list[FormatPerson] = []
    for video in release.videos().values():
        persons, wrong = readers.cvat(release, video, folder / f"{video.video_id}.xml")
        yield from wrong
        found += persons
    yield from compare(found, release, "formats/cvat", tolerance=0.011)


def _mot(release: ReleaseReader, folder: Path) -> Faults:
    found: list[FormatPerson] = []
    for video in release.videos().values():
        persons, wrong = readers.mot(release, video, folder / video.split / video.video_id)
        yield from wrong
        found += persons
    yield from compare(found, release, "formats/mot", tolerance=0.021, has_actions=False)


def _fiftyone(release: ReleaseReader, folder: Path) -> Faults:
    index = readers.read_object(folder / "manifest.json")["index"]
    found: list[FormatPerson] = []
    listed = set()
    for entry in index:
        video_id = Path(entry["labels"]).stem
        listed.add(video_id)
        if entry["data"] != f"../../clips/{video_id}.mp4":
            yield f"formats/fiftyone refers to {entry['data']} for {video_id}"
        elif not release.lacks("clips") and not (folder / entry["data"]).is_file():
            yield f"formats/fiftyone refers to {entry['data']}, which is missing"
        persons, wrong = readers.fiftyone(release, video_id, folder / entry["labels"])
        yield from wrong
        found += persons
    for video_id in sorted(listed ^ release.videos().keys()):
        yield f"formats/fiftyone/manifest.json is wrong about the clip {video_id}"
    yield from compare(found, release, "formats/fiftyone")


def _kinetics(release: ReleaseReader, folder: Path) -> Faults:
    for split in release.splits:
        what = f"formats/kinetics/ava_kinetics_{split}.csv"
        rows = ava.load_evaluation((folder / f"ava_kinetics_{split}.csv").read_bytes())
        wanted = release.evaluation(split)
        for number, (row, its) in enumerate(zip(rows, wanted, strict=False), start=1):
            if row != its:
                yield f"{what} row {number} is {_row(row)}, not {_row(its)}"
        if len(rows) != len(wanted):
            yield f"{what} has {len(rows)} rows, not {len(wanted)}"
    if ava.load_actions((folder / "ava_kinetics_action_list.pbtxt").read_bytes()) != (
        release.actions()
    ):
        yield "formats/kinetics/ava_kinetics_action_list.pbtxt has other actions"


def _row(row: ava.LabelRow | ava.Keyframe) -> str:
    return ",".join(map(str, row))


def _activitynet(release: ReleaseReader, folder: Path) -> Faults:
    what = "formats/activitynet/activity_net.json"
    content = readers.read_object(folder / "activity_net.json")
    database = content["database"]
    names = {action.action_id: action.name for action in release.manifest_actions()}
    nodes = [(one["nodeId"], one["nodeName"]) for one in content["taxonomy"]]
    if nodes != sorted(names.items()):
        yield f"{what} has a taxonomy of other actions"
    seconds: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for (video, at, _), person in persons_of_csv(release).items():
        for action in person.actions:
            seconds[video][names.get(action, str(action))].add(at - 900)
    for video_id in sorted(database.keys() ^ release.videos().keys()):
        yield f"{what} is wrong about the clip {video_id}"
    for video_id in sorted(database.keys() & release.videos().keys()):
        released, its = release.videos()[video_id], database[video_id]
        facts = (its["subset"], its["duration"], its["resolution"])
        wanted = (
            SUBSETS[released.split], round(released.n_frames / FPS, 3),
            f"{released.width}x{released.height}",
        )  # fmt: skip
        if facts != wanted:
            yield f"{what} has {facts} for {video_id}, not {wanted}"
        found = Counter((one["label"], *one["segment"]) for one in its["annotations"])
        right = Counter(
            (name, *segment)
            for name, of_action in seconds[video_id].items()
            for segment in _segments(of_action)
        )
        for name, start, end in sorted((found - right) + (right - found)):
            said = "has" if found[name, start, end] else "lacks"
            yield f"{what} {said} {name} from {start} to {end} s in {video_id}"


def _segments(seconds: set[int]) -> list[tuple[float, float]]:
    """Half a second around each second; adjacent ones are one segment."""
    found: list[tuple[float, float]] = []
    for second in sorted(seconds):
        if found and found[-1][1] == second - 0.5:
            found[-1] = (found[-1][0], second + 0.5)
        else:
            found.append((second - 0.5, second + 0.5))
    return found


def _tubes(release: ReleaseReader, folder: Path) -> Faults:
    what = "formats/tubes/tubes.pkl"
    content = ava.load_arrays((folder / "tubes.pkl").read_bytes())
    if content["labels"] != [action.name for action in release.manifest_actions()]:
        yield f"{what} has other actions"
    videos = release.videos()
    yield from _tube_clips(release, content, what)
    for video_id in sorted(content["gttubes"].keys() & videos.keys()):
        size = readers.frame_size_of(release, videos[video_id])
        wanted = _tubes_of_csv(release, video_id, size)
        for place, tubes in content["gttubes"][video_id].items():
            its = wanted.pop(place, [])
            if len(tubes) != len(its):
                yield (
                    f"{what} has {len(tubes)} tubes of {_name(release, place)} in {video_id}, "
                    f"the csv gives {len(its)}"
                )
                continue
            for number, fault in enumerate(_wrong_tubes(tubes, its), start=1):
                if fault:
                    action = _name(release, place)
                    yield f"{what}: tube {number} of {action} in {video_id} {fault}"
        for place in sorted(wanted):
            yield f"{what} has no tube of {_name(release, place)} in {video_id}"


def _name(release: ReleaseReader, place: int) -> str:
    actions = release.manifest_actions()
    return actions[place].name if 0 <= place < len(actions) else f"action {place + 1}"


def _tube_clips(release: ReleaseReader, content: dict[Any, Any], what: str) -> Faults:
    videos = release.videos()
    for key in ("nframes", "gttubes", "resolution"):
        for video_id in sorted(content[key].keys() ^ videos.keys()):
            yield f"{what} is wrong about the clip {video_id} in {key}"
    for video in videos.values():
        width, height = readers.frame_size_of(release, video)
        if content["nframes"].get(video.video_id) != video.n_frames:
            yield f"{what} has another length of {video.video_id}"
        if tuple(content["resolution"].get(video.video_id, ())) != (height, width):
            yield f"{what} has another resolution of {video.video_id}"
    lists = {"train": "train_videos", "val": "test_videos", "test": "held_out_videos"}
    for split in release.splits:
        its = sorted(name for name, video in videos.items() if video.split == split)
        if sorted(content.get(lists[split], [[]])[0]) != its:
            yield f"{what} has other clips in {lists[split]} than {split}"


def _tubes_of_csv(
    release: ReleaseReader, video_id: str, size: tuple[int, int]
) -> dict[int, list[np.ndarray[Any, Any]]]:
    """Every run of seconds in which a person does an action, by the action's place."""
    runs: dict[tuple[int, int], list[tuple[int, tuple[float, ...]]]] = defaultdict(list)
    found: dict[int, list[np.ndarray[Any, Any]]] = defaultdict(list)
    scale = np.array([size[0], size[1]] * 2, dtype=np.float64)

    def close(key: tuple[int, int]) -> None:
        run = runs.pop(key)
        frames = np.array([FPS * (at - 900) + 1 for at, _ in run])
        boxes = np.array([box for _, box in run]) * scale
        every = np.arange(frames[0], frames[-1] + 1)
        sides = [np.interp(every, frames, boxes[:, side]) for side in range(4)]
        found[key[0]].append(np.column_stack([every, *sides]))

    places = {a.action_id: place for place, a in enumerate(release.manifest_actions())}
    of_video = release.once("csv by video", lambda: _by_video(persons_of_csv(release))).get(
        video_id, []
    )
    for at, person, its in of_video:
        for action in its.actions:
            key = (places[action], person)
            if key in runs and runs[key][-1][0] != at - 1:
                close(key)
            runs[key].append((at, its.box))
    for key in list(runs):
        close(key)
    return found


def _by_video(
    persons: dict[Key, CsvPerson],
) -> dict[str, list[tuple[int, int, CsvPerson]]]:
    found: dict[str, list[tuple[int, int, CsvPerson]]] = defaultdict(list)
    for (video, at, person), its in sorted(persons.items(), key=lambda each: each[0]):
        found[video].append((at, person, its))
    return found


def _wrong_tubes(tubes: list[Any], wanted: list[np.ndarray[Any, Any]]) -> Iterator[str]:
    """For each tube what is wrong with it, empty if nothing is: it is one of the CSV's."""
    left = list(wanted)
    for tube in tubes:
        if getattr(tube, "ndim", 0) != 2 or tube.shape[1] != 5 or not len(tube):
            yield "is not of the shape (n, 5)"
            continue
        begins = [one for one in left if one[0, 0] == tube[0, 0]]
        fits = [
            one for one in begins
            if one.shape == tube.shape and np.abs(one - tube).max() <= TUBE_TOLERANCE
        ]  # fmt: skip
        if fits:
            left = [one for one in left if one is not fits[0]]
            yield ""
        elif not begins:
            yield f"begins at frame {tube[0, 0]:.0f}, where the csv begins none"
        elif begins[0][-1, 0] != tube[-1, 0] or len(begins[0]) != len(tube):
            yield (
                f"has {len(tube)} frames up to {tube[-1, 0]:.0f}, the csv gives "
                f"{len(begins[0])} up to {begins[0][-1, 0]:.0f}"
            )
        else:
            yield "has other boxes than the csv"


_FORMATS: dict[str, Callable[[ReleaseReader, Path], Faults]] = {
    "activitynet": _activitynet,
    "coco": _coco,
    "cvat": _cvat,
    "fiftyone": _fiftyone,
    "kinetics": _kinetics,
    "mot": _mot,
    "parquet": _parquet,
    "tubes": _tubes,
}
