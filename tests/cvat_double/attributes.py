"""Attributes as CVAT 2.73 keeps and shows them, and edits as its own client makes them.

Stored is what was sent. On reading every shape of a track gets every mutable attribute: the
value of the CVAT keyframe before it, else the default; a track that of every immutable
one. The client changes the shape of the shown frame alone, and saves the whole track as read.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def filled(annotations: Row, labels: Mapping[int, Row]) -> Row:
    """The annotations of a task as CVAT returns them."""
    shown = copy.deepcopy(annotations)
    for kind in ("shapes", "tracks"):
        for row in shown[kind]:
            known = labels[row["label_id"]]["attributes"]
            mutable = {one["id"]: one["default_value"] for one in known if one["mutable"]}
            immutable = {one["id"]: one["default_value"] for one in known if not one["mutable"]}
            if kind == "shapes":
                row["attributes"] = _values(mutable | immutable, row)
                continue
            row["attributes"] = _values(immutable, row)
            before = mutable
            for shape in sorted(row["shapes"], key=lambda one: one["frame"]):
                shape["attributes"] = _values(before, shape)
                before = {one["spec_id"]: one["value"] for one in shape["attributes"]}
    return shown


def edit(track: Row, frame: int, answers: Mapping[str, str], label: Row) -> None:
    """Change attributes of a read `track` at one frame, as CVAT's client does."""
    specs = {one["name"]: one for one in label["attributes"]}
    changes: dict[bool, list[Row]] = {True: [], False: []}
    for name, value in answers.items():
        row = {"spec_id": specs[name]["id"], "value": value}
        changes[specs[name]["mutable"]].append(row)
    shapes = track["shapes"]
    shape = next((one for one in shapes if one["frame"] == frame), None)
    if shape is None:
        before = max(
            (one for one in shapes if one["frame"] < frame), key=lambda one: one["frame"]
        )
        after = min(
            (one for one in shapes if one["frame"] > frame),
            key=lambda one: one["frame"],
            default=before,
        )
        shape = copy.deepcopy(before) | {
            "frame": frame,
            "points": _between(before, after, frame),
        }
        shape.pop("id", None)
        shapes.append(shape)
        shapes.sort(key=lambda one: one["frame"])
    for row, changed in ((shape, changes[True]), (track, changes[False])):
        before = {one["spec_id"]: one["value"] for one in row["attributes"]}
        row["attributes"] = _values(before, {"attributes": changed})


def _values(before: dict[int, str], row: Row) -> list[Row]:
    said = {one["spec_id"]: one["value"] for one in row.get("attributes", [])}
    return [{"spec_id": spec, "value": value} for spec, value in (before | said).items()]


def _between(before: Row, after: Row, frame: int) -> Sequence[float]:
    if before is after:
        return list(before["points"])
    share = (frame - before["frame"]) / (after["frame"] - before["frame"])
    pairs = zip(before["points"], after["points"], strict=True)
    return [a + share * (b - a) for a, b in pairs]
