"""Checks of the manifest, the action lists, the frame lists and the official names.

Nothing here knows how the files were written.
"""

from collections import Counter
from collections.abc import Iterator

from datasets.core.formats import ava
from qc.core.release.checks.expectations import expect
from qc.core.release.checks.training_configs import slowfast_threshold
from qc.core.release.packing import FORMAT_FACTS
from qc.core.release.reader import ReleaseReader
from qc.core.release.records import ANNOTATED, EXCLUDED
from qc.core.release.splits import SPLITS
from qc.core.release.writer import OFFICIAL_NAMES

LABEL_TYPES = ("PERSON_MOVEMENT", "OBJECT_MANIPULATION", "PERSON_INTERACTION")


def check_manifest(release: ReleaseReader) -> str:
    said = release.manifest()
    videos = release.videos().values()

    def faults() -> Iterator[str]:
        for name, value in FORMAT_FACTS.items():
            if said.get(name) != value:
                yield f"manifest.json says {name} {said.get(name)!r}, not {value!r}"
        for video in videos:
            if video.split not in SPLITS:
                yield f"manifest.json puts {video.video_id} into {video.split!r}"
        for (video_id, at), statuses in release.statuses().items():
            if statuses not in ([ANNOTATED], [EXCLUDED]):
                yield f"manifest.json has the keyframe {at} of {video_id} as {statuses}"

    return expect(faults(), f"The manifest lists {len(videos)} clips in the expected format.")


def check_actions(release: ReleaseReader) -> str:
    """The ids ascend from 1 on, and every file that names actions names the same."""
    actions = release.actions()
    ids = [action.action_id for action in actions]

    def faults() -> Iterator[str]:
        if ids != sorted(set(ids)) or not all(ids):
            yield f"the ids of ava_action_list.pbtxt are {ids}, which do not ascend from 1 on"
        for action in actions:
            if action.label_type not in LABEL_TYPES:
                yield f"the action {action.name} has the type {action.label_type!r}"
        named = [action[:2] for action in actions]
        for name, wanted, found in (
            (
                "ava_action_list_for_activitynet.pbtxt",
                [action[:2] for action in _evaluated(release)],
                [action[:2] for action in release.evaluated_actions()],
            ),
            ("label_map.txt", named, release.label_map()),
            ("manifest.json", actions, ava.in_ascii(release.manifest_actions())),
        ):
            if found != wanted:
                yield f"{name} has other actions than ava_action_list.pbtxt"
        yield from _strange_actions(release, ids)

    return expect(faults(), f"All labels are among the {len(ids)} actions of the list.")


def _evaluated(release: ReleaseReader) -> list[ava.AvaAction]:
    """The actions with enough labels in val to be measured; all, if none has enough."""
    least = release.manifest().get("min_instances", 0)
    labels = Counter(label.action_id for label in release.labels("val"))
    enough = [one for one in release.actions() if labels[one.action_id] >= least]
    return enough or release.actions()


def _strange_actions(release: ReleaseReader, ids: list[int]) -> Iterator[str]:
    for split in release.splits:
        for row, label in enumerate(release.labels(split), start=1):
            if label.action_id not in ids:
                yield f"ava_{split}.csv row {row} has the action {label.action_id}"


def check_frame_lists(release: ReleaseReader) -> str:
    def faults() -> Iterator[str]:
        for split in release.splits:
            survivors = _listed_clips(release, split)
            yield from _list_faults(release, split, survivors, "SlowFast would stop")
            if split != "train":
                known = {row.video_id for row in release.labels(split)}
                known |= {row.video_id for row in release.predicted(split)}
                yield from _list_faults(
                    release, f"{split}_all", known, "pytorchvideo would stop"
                )

    return expect(faults(), "The frame lists have every frame of the clips with boxes.")


def _list_faults(
    release: ReleaseReader, name: str, wanted: set[str], else_: str
) -> Iterator[str]:
    listed = release.frames(name)
    for video in sorted(listed.keys() ^ wanted):
        state = "listed without a box" if video in listed else "not listed"
        yield f"frame_lists/{name}.csv: {video} is {state}; {else_}"
    for video in sorted(listed.keys() & wanted & release.videos().keys()):
        count = release.videos()[video].n_frames
        if listed[video] != count:
            yield f"frame_lists/{name}.csv: {video} has {listed[video]} frames, not {count}"


def _listed_clips(release: ReleaseReader, split: str) -> set[str]:
    """The clips that SlowFast finds boxes of, with the threshold of the configuration."""
    if split == "train":
        return {label.video_id for label in release.labels(split)}
    threshold = slowfast_threshold(release)
    return {row.video_id for row in release.predicted(split) if row.score >= threshold}


def check_official_names(release: ReleaseReader) -> str:
    """Files under AVA's own names are the files that they stand for."""
    folder = release.folder / "annotations"
    if not release.manifest().get("official_names"):
        there = [name for name in OFFICIAL_NAMES.values() if (folder / name).exists()]
        return expect(
            (
                f"annotations/{name} exists, but AVA's own names were not requested"
                for name in there
            ),
            "AVA's own names were not requested.",
        )

    def faults() -> Iterator[str]:
        for name, official in OFFICIAL_NAMES.items():
            if missing := [each for each in (name, official) if not (folder / each).is_file()]:
                yield f"annotations/{missing[0]} is missing"
            elif (folder / official).read_bytes() != (folder / name).read_bytes():
                yield f"annotations/{official} is not {name}"

    return expect(faults(), "Files under AVA's own names are the same files.")
