"""Corruptions of the further formats that are text: COCO, FiftyOne, MOT, Kinetics."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets.core.formats import ava
from tests.core.qc.release.corruptions.kinds import (
    fit,
    kind,
)
from tests.core.qc.release.street_release import ACTIONS, HEIGHT, WIDTH


def json_changed(folder: Path, pattern: str, change: Callable[[Any], None]) -> None:
    for path in sorted((folder / "formats").glob(pattern)):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
    fit(folder)


@kind("coco: corners for sizes", check="further formats", sentence="in the box")
def _(folder):
    def change(content):
        for one in content["annotations"]:
            left, top, width, height = one["bbox"]
            one["bbox"] = [left, top, left + width, top + height]
            one["area"] = (left + width) * (top + height)

    json_changed(folder, "coco/*.json", change)


@kind("coco: shifted actions", check="further formats", sentence="the csv says")
def _(folder):
    def change(content):
        for one in content["annotations"]:
            one["action_ids"] = [i % len(ACTIONS) + 1 for i in one["action_ids"]]

    json_changed(folder, "coco/*.json", change)


@kind("coco: shuffled labels", check="further formats", sentence="the csv says")
def _(folder):
    def change(content):
        its = [one["action_ids"] for one in content["annotations"]]
        for one, other in zip(content["annotations"], its[1:] + its[:1], strict=True):
            one["action_ids"] = other

    json_changed(folder, "coco/*.json", change)


@kind("coco: a frame late", check="further formats", sentence="train.json image 1 is")
def _(folder):
    def change(content):
        for one in content["images"]:
            one["frame_id"] += 1
            name, _, _ = one["file_name"].partition("/")
            one["file_name"] = f"{name}/{ava.frame_file(one['frame_id'])}"

    json_changed(folder, "coco/*.json", change)


@kind("fiftyone: pixels for fractions", check="further formats", sentence="in the box")
def _(folder):
    def change(content):
        for frame in content.get("frames", {}).values():
            for one in frame["objects"]["objects"]:
                for corner in one["bounding_box"].values():
                    corner["x"] *= WIDTH
                    corner["y"] *= HEIGHT

    json_changed(folder, "fiftyone/labels/*.json", change)


@kind("fiftyone: a frame late", check="further formats", sentence="at frame 62, which is no")
def _(folder):
    def change(content):
        frames = {}
        for key, frame in content["frames"].items():
            frame["frame_number"] = int(key) + 1
            for one in frame["objects"]["objects"]:
                one["frame_number"] = int(key) + 1
            frames[str(int(key) + 1)] = frame
        content["frames"] = frames

    json_changed(folder, "fiftyone/labels/*.json", change)


@kind("fiftyone: shifted actions", check="further formats", sentence="says action_")
def _(folder):
    names = [action.name for action in ACTIONS]

    def change(content):
        for frame in content["frames"].values():
            for one in frame["objects"]["objects"]:
                for attribute in one["attrs"]["attrs"]:
                    place = names.index(attribute["value"])
                    attribute["value"] = names[(place + 1) % len(names)]

    json_changed(folder, "fiftyone/labels/*.json", change)


def text_changed(folder: Path, pattern: str, change: Callable[[str], str]) -> None:
    for path in sorted((folder / "formats").glob(pattern)):
        path.write_text("".join(f"{change(line)}\n" for line in path.read_text().splitlines()))
    fit(folder)


@kind("mot: corners for sizes", check="further formats", sentence="gt.txt row 1 has person")
def _(folder):
    def change(line):
        frame, who, left, top, width, height, *rest = line.split(",")
        right, bottom = float(left) + float(width), float(top) + float(height)
        return ",".join([frame, who, left, top, f"{right:.2f}", f"{bottom:.2f}", *rest])

    text_changed(folder, "mot/*/*/gt/gt.txt", change)


@kind("mot: pixels from 0", check="further formats", sentence="gt.txt row 1 has person 1")
def _(folder):
    def change(line):
        frame, who, left, top, *rest = line.split(",")
        return ",".join([frame, who, f"{float(left) - 1:.2f}", f"{float(top) - 1:.2f}", *rest])

    text_changed(folder, "mot/*/*/gt/gt.txt", change)


@kind(
    "mot: a frame late", check="further formats", sentence="at frame 62, which is no keyframe"
)
def _(folder):
    text_changed(
        folder, "mot/*/*/gt/gt.txt",
        lambda line: f"{int(line.partition(',')[0]) + 1},{line.partition(',')[2]}",
    )  # fmt: skip


@kind("mot: shuffled identities", check="further formats", sentence="in the box")
def _(folder):
    def change(line):
        frame, who, *rest = line.split(",")
        return ",".join([frame, str(int(who) % 3 + 1), *rest])

    text_changed(folder, "mot/*/*/gt/gt.txt", change)
