"""One small file of every importer about `aisle`: persons 1 and 2 walk and wave.

All say so from second 2 to 13 of the video, or of its one clip, which begins with it.
"""

import json
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.core.formats.ava import dump_for_old_numpy
from tests.annotation.imports.written_files import HEIGHT, WIDTH, ava, box_of, coco

SECONDS = range(2, 14)
PERSONS = (1, 2)
SAID = {"posture": "walk", "doing": "wave"}


def sides(person: int) -> tuple[float, float, float, float]:
    """Left, top, width and height in pixels."""
    x1, y1, x2, y2 = box_of(person)
    return x1, y1, x2 - x1, y2 - y1


def shares(person: int) -> list[float]:
    """x1, y1, x2 and y2 in shares of the frame."""
    return [a / b for a, b in zip(box_of(person), (WIDTH, HEIGHT) * 2, strict=True)]


def release() -> dict[str, bytes]:
    return {
        "manifest.json": b'{"format": "ava-studio-release/1"}',
        "annotations/AVA_dataset.csv": b"".join(
            line + b",train\n" for line in ava().splitlines()
        ),
        "annotations/ava_train.csv": ava(),
        "annotations/ava_action_list.pbtxt": b'label {\n  name: "walk"\n  label_id: 2\n}\n'
        b'label {\n  name: "wave"\n  label_id: 4\n}\n',
    }


def elan() -> dict[str, bytes]:
    tiers = "".join(
        f'<TIER TIER_ID="{tier}"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{tier}" '
        'TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">'
        f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
        for tier, value in SAID.items()
    )
    return {"talk.eaf": (
        '<ANNOTATION_DOCUMENT><HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///a/aisle.mp4"/>'
        '</HEADER><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="1900"/><TIME_SLOT '
        f'TIME_SLOT_ID="b" TIME_VALUE="13100"/></TIME_ORDER>{tiers}</ANNOTATION_DOCUMENT>'
    ).encode()}  # fmt: skip


def cvat_json() -> dict[str, bytes]:
    said = [{"name": name, "value": value} for name, value in SAID.items()]
    tracks = [
        {"label": "person", "frame": 60, "attributes": [], "shapes": [
            {"type": "rectangle", "frame": frame, "outside": outside, "points": box_of(person),
             "attributes": said}
            for frame, outside in ((60, False), (390, False), (391, True))
        ]}
        for person in PERSONS
    ]  # fmt: skip
    backup = json.dumps([{"shapes": [], "tracks": tracks, "tags": []}]).encode()
    return {"task.json": b'{"name": "aisle"}', "annotations.json": backup}


def via() -> dict[str, bytes]:
    attributes = {
        str(place): {"aname": name, "type": 4, "options": {"0": value}}
        for place, (name, value) in enumerate(SAID.items(), start=1)
    } | {"3": {"aname": "person_id", "type": 1, "options": {}}}
    metadata = {
        f"{person}-{second}": {"vid": "1", "z": [second], "xy": [2, *sides(person)],
                               "av": {"1": "0", "2": "0", "3": str(person)}}
        for person in PERSONS for second in SECONDS
    }  # fmt: skip
    return {"via.json": json.dumps({
        "project": {}, "config": {}, "attribute": attributes, "metadata": metadata,
        "file": {"1": {"fid": "1", "fname": "aisle.mp4", "type": 4}},
        "view": {"1": {"fid_list": ["1"]}},
    }).encode()}  # fmt: skip


def coco_video() -> dict[str, bytes]:
    raw = json.loads(coco())
    for one in raw["annotations"]:
        one["attributes"] = SAID
    return {"coco.json": json.dumps(raw).encode()}


def label_studio() -> dict[str, bytes]:
    results = []
    for person in PERSONS:
        x1, y1, x2, y2 = (100 * one for one in shares(person))
        frame = {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1, "rotation": 0}
        results.append({"id": f"r{person}", "type": "videorectangle", "value": {
            "framesCount": 570, "duration": 19.0, "labels": ["Person"], "sequence": [
                frame | {"frame": 61, "enabled": True},
                frame | {"frame": 391, "enabled": False},
            ],
        }})  # fmt: skip
        results += [
            {"id": f"r{person}", "type": "choices", "from_name": name,
             "value": {"choices": [value]}}
            for name, value in SAID.items()
        ]  # fmt: skip
    task = {"data": {"video": "/data/upload/1/aisle.mp4"}, "annotations": [{"result": results}]}
    return {"project-1.json": json.dumps([task]).encode()}


def boris() -> dict[str, bytes]:
    events = [[at, "", value, "", ""] for at in (1.9, 13.1) for value in SAID.values()]
    return {"walk.boris": json.dumps({
        "behaviors_conf": {
            str(place): {"code": value, "type": "State event"}
            for place, value in enumerate(SAID.values())
        },
        "observations": {"first": {"file": {"1": ["/a/aisle.mp4"]}, "events": events}},
    }).encode()}  # fmt: skip


def activitynet() -> dict[str, bytes]:
    segments = [{"segment": [1.9, 13.1], "label": value} for value in SAID.values()]
    database = {"aisle": {"duration": 19.0, "subset": "training", "annotations": segments}}
    return {"activity.json": json.dumps({"database": database}).encode()}


def fiftyone() -> dict[str, bytes]:
    frames = {}
    for second in SECONDS:
        people = []
        for person in PERSONS:
            x1, y1, x2, y2 = shares(person)
            people.append({
                "label": "person", "index": person,
                "bounding_box": {"top_left": {"x": x1, "y": y1},
                                 "bottom_right": {"x": x2, "y": y2}},
                "attrs": {"attrs": [{"name": k, "value": v} for k, v in SAID.items()]},
            })  # fmt: skip
        number = second * 30 + 1
        frames[str(number)] = {"frame_number": number, "objects": {"objects": people}}
    return {
        "manifest.json": b'{"index": {"aisle": "data/aisle.mp4"}}',
        "labels/aisle.json": json.dumps({"frames": frames}).encode(),
    }


def cvat_xml() -> dict[str, bytes]:
    tracks = ""
    for person in PERSONS:
        x1, y1, x2, y2 = box_of(person)
        said = "".join(f'<attribute name="{k}">{v}</attribute>' for k, v in SAID.items())
        boxes = "".join(
            f'<box frame="{frame}" keyframe="1" outside="{outside}" xtl="{x1}" ytl="{y1}" '
            f'xbr="{x2}" ybr="{y2}">{said}</box>'
            for frame, outside in ((60, 0), (390, 0), (391, 1))
        )
        tracks += f'<track id="{person}" label="Customer">{boxes}</track>'
    return {"annotations.xml": (
        "<annotations><version>1.1</version><meta><task><name>one</name><size>570</size>"
        "<start_frame>0</start_frame><source>aisle.mp4</source></task><original_size><width>"
        f"{WIDTH}</width><height>{HEIGHT}</height></original_size></meta>{tracks}</annotations>"
    ).encode()}  # fmt: skip


def tubes() -> dict[str, bytes]:
    tube = [
        np.array([[1 + second * 30, *box_of(person)] for second in SECONDS])
        for person in PERSONS
    ]
    content = {
        "labels": list(SAID.values()), "gttubes": {"aisle": {0: tube, 1: tube}},
        "nframes": {"aisle": 570}, "resolution": {"aisle": (HEIGHT, WIDTH)},
    }  # fmt: skip
    return {"shop-GT.pkl": dump_for_old_numpy(content)}


def mot() -> dict[str, bytes]:
    rows = []
    for second in SECONDS:
        for person in PERSONS:
            left, top, width, height = sides(person)
            rows.append(
                f"{second * 30 + 1},{person},{left + 1},{top + 1},{width},{height},1,1,1"
            )
    about = f"[Sequence]\nname=aisle\nframeRate=30\nseqLength=570\nimWidth={WIDTH}\n"
    return {
        "aisle/gt/gt.txt": "\n".join(rows).encode(),
        "aisle/seqinfo.ini": f"{about}imHeight={HEIGHT}\n".encode(),
    }


def parquet() -> dict[str, bytes]:
    rows = [
        dict(zip(("x1", "y1", "x2", "y2"), shares(person), strict=True))
        | {"video_id": "aisle-c0000", "timestamp": 900 + second, "person_id": person,
           "actions": list(SAID.values())}
        for second in SECONDS for person in PERSONS
    ]  # fmt: skip
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return {"train.parquet": file.getvalue()}


FILES = {
    "release": release, "elan": elan, "cvat-json": cvat_json, "via": via, "coco": coco_video,
    "label-studio": label_studio, "boris": boris, "activitynet": activitynet,
    "fiftyone": fiftyone, "cvat-xml": cvat_xml, "tubes": tubes,
    "ava": lambda: {"ava_train.csv": ava()}, "mot": mot, "parquet": parquet,
}  # fmt: skip
