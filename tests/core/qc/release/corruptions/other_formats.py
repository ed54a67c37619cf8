"""Corruptions of tubes, CVAT, Parquet, AVA-Kinetics and ActivityNet."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.core.formats import ava
from datasets.core.formats.ava.array_pickle import dump_for_old_numpy
from tests.core.qc.release.corruptions.kinds import (
    fit,
    kind,
)
from tests.core.qc.release.corruptions.text_formats import json_changed, text_changed
from tests.core.qc.release.street_release import ACTIONS, HEIGHT, NAMES, WIDTH


def tubes_changed(folder: Path, change: Callable[[Any], None]) -> None:
    path = folder / "formats/tubes/tubes.pkl"
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(dump_for_old_numpy(content))
    fit(folder)


@kind("tubes: halved", check="further formats", sentence="tubes.pkl: tube 1 of")
def _(folder):
    def change(content):
        for of_video in content["gttubes"].values():
            for action, tubes in of_video.items():
                of_video[action] = [tube[: max(1, len(tube) // 2)] for tube in tubes]

    tubes_changed(folder, change)


@kind("tubes: cut in two", check="further formats", sentence="the csv gives")
def _(folder):
    def change(content):
        for of_video in content["gttubes"].values():
            for action, tubes in of_video.items():
                of_video[action] = [
                    half for tube in tubes
                    for half in ([tube[:31], tube[31:]] if len(tube) > 31 else [tube])
                ]  # fmt: skip

    tubes_changed(folder, change)


@kind("tubes: shifted actions", check="further formats", sentence="in dock-c0000")
def _(folder):
    def change(content):
        for video, of_video in content["gttubes"].items():
            content["gttubes"][video] = {
                (action + 1) % len(ACTIONS): tubes for action, tubes in of_video.items()
            }

    tubes_changed(folder, change)


@kind("tubes: a frame late", check="further formats", sentence="begins at frame 62")
def _(folder):
    def change(content):
        for of_video in content["gttubes"].values():
            for tubes in of_video.values():
                for tube in tubes:
                    tube[:, 0] += 1

    tubes_changed(folder, change)


def xml_changed(folder: Path, change: Callable[[str], str]) -> None:
    for path in sorted((folder / "formats/cvat").glob("*.xml")):
        path.write_text(change(path.read_text()))
    fit(folder)


@kind("cvat: all attributes unset", check="further formats", sentence="leaves posture unset")
def _(folder):
    xml_changed(folder, lambda text: re.sub(
        r'(<attribute name="(?!person_id)[^"]*">)[^<]*<', r"\1as before<", text))  # fmt: skip


@kind("cvat: corners for sizes", check="further formats", sentence="in the box")
def _(folder):
    def sizes(match):
        left, top, right, bottom = map(float, match.groups())
        return (f'xtl="{left}" ytl="{top}" xbr="{right - left:.2f}" '
                f'ybr="{bottom - top:.2f}"')  # fmt: skip

    xml_changed(folder, lambda text: re.sub(
        r'xtl="([\d.]+)" ytl="([\d.]+)" xbr="([\d.]+)" ybr="([\d.]+)"', sizes, text
    ))  # fmt: skip


@kind("cvat: a frame late", check="further formats", sentence="frame 61 is no keyframe")
def _(folder):
    xml_changed(folder, lambda text: re.sub(
        r'frame="(\d+)"', lambda m: f'frame="{int(m[1]) + 1}"', text))  # fmt: skip


@kind("cvat: shifted actions", check="further formats", sentence="the csv says")
def _(folder):
    turns = {"stand": "walk", "walk": "stand", "wave": "carry", "carry": "wave"}
    xml_changed(folder, lambda text: re.sub(
        r'(<attribute name="[^"]*">)(stand|walk|wave|carry)<',
        lambda m: f"{m[1]}{turns[m[2]]}<", text))  # fmt: skip


def rows_changed(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    for path in sorted((folder / "formats/parquet").glob("*.parquet")):
        table = pq.read_table(path)
        rows = table.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    fit(folder)


@kind("parquet: pixels for fractions", check="further formats", sentence="train.parquet row 1")
def _(folder):
    def change(rows):
        for row in rows:
            row |= {"x1": row["x1"] * WIDTH, "x2": row["x2"] * WIDTH,
                    "y1": row["y1"] * HEIGHT, "y2": row["y2"] * HEIGHT}  # fmt: skip

    rows_changed(folder, change)


@kind("parquet: shuffled labels", check="further formats", sentence="the csv says")
def _(folder):
    def change(rows):
        its = [(row["action_ids"], row["actions"]) for row in rows]
        for row, (ids, names) in zip(rows, its[1:] + its[:1], strict=True):
            row["action_ids"], row["actions"] = ids, names

    rows_changed(folder, change)


@kind("parquet: shifted actions", check="further formats", sentence="names other actions")
def _(folder):
    def change(rows):
        for row in rows:
            row["actions"] = [NAMES[i % len(NAMES) + 1] for i in row["action_ids"]]

    rows_changed(folder, change)


@kind("parquet: a frame late", check="further formats", sentence="img_00062.jpg")
def _(folder):
    def change(rows):
        for row in rows:
            number = 30 * (row["timestamp"] - 900) + 1
            row["frame"] = f"rawframes/{row['video_id']}/{ava.frame_file(number)}"

    rows_changed(folder, change)


@kind("kinetics: shifted actions", check="further formats", sentence="row 1 is")
def _(folder):
    def change(line):
        cells = line.split(",")
        if len(cells) == 8:
            cells[6] = str(int(cells[6]) % len(ACTIONS) + 1)
        return ",".join(cells)

    text_changed(folder, "kinetics/*.csv", change)


@kind("kinetics: a second late", check="further formats", sentence="row 1 is")
def _(folder):
    def change(line):
        cells = line.split(",")
        return ",".join([cells[0], f"{int(cells[1]) + 1:04d}", *cells[2:]])

    text_changed(folder, "kinetics/*.csv", change)


@kind("activitynet: a second late", check="further formats", sentence="activity_net.json")
def _(folder):
    def change(content):
        for its in content["database"].values():
            for one in its["annotations"]:
                one["segment"] = [side + 1 for side in one["segment"]]

    json_changed(folder, "activitynet/*.json", change)


@kind("activitynet: shifted actions", check="further formats", sentence="activity_net.json")
def _(folder):
    names = [action.name for action in ACTIONS]

    def change(content):
        for its in content["database"].values():
            for one in its["annotations"]:
                one["label"] = names[(names.index(one["label"]) + 1) % len(names)]

    json_changed(folder, "activitynet/*.json", change)
