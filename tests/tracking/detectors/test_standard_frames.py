"""Imported boxes of files that count other frames or pixels than the standard video has."""

import json

import pytest

from tracking.detectors.registry import ClipFrames, DetectorError, open_detector

SIZE = (640, 360)
CLIP = ClipFrames("shop-c0000", "shop", "shop.mp4", 0, 90, 90, SIZE)


def found(folder, clip=CLIP):
    frames = open_detector("imported", weights=str(folder), threshold=0.1).of_clip(clip)
    return [(n, one.boxes[0].tolist()) for n, one in enumerate(frames) if len(one.boxes)]


def write(folder, text, name="shop.txt", info=""):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if info:
        (path.parent.parent / "seqinfo.ini").write_text(f"[Sequence]\n{info}\n")


def mot(frames, box=(10, 20, 30, 40)):
    return "".join(f"{frame},1,{','.join(map(str, box))},0.9\n" for frame in frames)


@pytest.mark.parametrize(
    "text",
    [
        mot([1, 4]),
        b"\xef\xbb\xbf" + mot([1, 4]).replace("\n", "\r\n").encode(),
        mot([1, 4]).replace(",", ";"),
        mot([1, 4]).replace(",", "\t"),
        "frame,id,bb_left,bb_top,bb_width,bb_height,conf\n" + mot([1, 4]),
        mot([1, 4]).replace("\n", ",-1,-1,-1" + ",0.25" * 128 + "\n"),
        mot([0, 3]),
    ],
    ids=["plain", "byte order mark", "semicolons", "tabs", "header", "features", "from 0"],
)
def test_mot_of_other_programs_is_read_alike(tmp_path, text):
    write(tmp_path, text)
    assert found(tmp_path) == [(0, [10, 20, 40, 60]), (3, [10, 20, 40, 60])]


@pytest.mark.parametrize("fps", [25, 10, 60, "29.97"])
def test_frames_of_a_sequence_are_those_that_the_standard_video_shows(tmp_path, fps):
    """Frame `k` of 30 a second shows the last source frame that begins before `k + 1/2`."""
    count = int(3 * float(fps))
    rows = "".join(f"{n + 1},1,{n},20,30,40,0.9\n" for n in range(count))
    write(tmp_path, rows, "shop/gt/gt.txt", f"frameRate={fps}")
    shown = [
        max(n for n in range(count) if int(n * 30 / float(fps) + 0.5) <= k) for k in range(89)
    ]
    assert [box[0] for _, box in found(tmp_path)][:89] == shown


def test_boxes_are_scaled_from_the_size_that_a_file_names(tmp_path):
    write(tmp_path, mot([1], (100, 200, 60, 80)), "shop/det/det.txt",
          "imWidth=1280\nimHeight=720")  # fmt: skip
    assert found(tmp_path) == [(0, [50, 100, 80, 140])]
    content = {
        "images": [{"id": 1, "file_name": "000001.jpg", "width": 1280, "height": 720}],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [100, 200, 60, 80]}],
    }
    write(tmp_path, json.dumps(content), "shop.json")
    assert found(tmp_path) == [(0, [50, 100, 80, 140])]
    content["images"][0] |= {"width": 720, "height": 1280}
    write(tmp_path, json.dumps(content), "shop.json")
    with pytest.raises(DetectorError, match=r"shop\.json is about frames of 720x1280 pixels"):
        found(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (mot([1, 180]), r"boxes in frame 179, counted from 0, but there are only 90: count"),
        (mot([1, 2], (800, 20, 30, 40)), r"has 2 of 2 boxes outside of the frame: bring them"),
        (mot([1, 2], (0.1, 0.2, 0.3, 0.4)), "are shares of the frame: bring them in pixels"),
        ("1,1,2\n", "not a file of detections: row 1 is not frame,id,left"),
    ],
    ids=["of 60 a second", "of 1920x1080", "shares", "short"],
)
def test_boxes_that_cannot_be_of_the_standard_video_are_refused(tmp_path, text, said):
    write(tmp_path, text)
    with pytest.raises(DetectorError, match=said):
        found(tmp_path)


def test_the_length_of_a_video_in_the_making_is_not_known(tmp_path):
    write(tmp_path, mot([1, 1800]))
    assert len(found(tmp_path, CLIP._replace(video_frames=0))) == 1


def test_a_few_boxes_outside_or_after_the_end_are_no_reason_to_refuse(tmp_path):
    write(tmp_path, mot(range(1, 92)) + mot([5], (700, 20, 30, 40)))
    assert len(found(tmp_path)) == 90
