"""A tiny release of four clips, whole: what the tests of releases read, break and compare."""

import shutil

import av
import cv2
import numpy as np

from datasets.core import ava
from datasets.core.clipping import export_window
from qc.core.configs import ConfigValues, write_configs
from qc.core.packing import write_manifest
from qc.core.release_files import (
    AnnotationWriter,
)
from qc.core.released import ANNOTATED, EXCLUDED, PersonAt, ProposedBox, ReleaseClip

SIZE = (64, 36)


FRAMES = 150


ACTIONS = [
    ava.Action(1, "stand", "PERSON_MOVEMENT"),
    ava.Action(2, "walk", "PERSON_MOVEMENT"),
    ava.Action(3, "wave", "OBJECT_MANIPULATION"),
]


LEFT, RIGHT = "0.1000,0.2000,0.3000,0.9000", "0.6000,0.2000,0.8000,0.9000"


def make_film(path, pictures, *, gop=30):
    """A small film of RGB pictures in the form of a standard video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(
            "libx264", rate=30, options={"preset": "ultrafast", "crf": "20"}
        )
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        stream.codec_context.thread_count = 1
        stream.codec_context.options |= {"sc_threshold": "0", "flags": "+cgop"}
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode(None))
    return path


def a_clip(name, split, *, source, persons, proposals, excluded=()):
    window = export_window(0, FRAMES, video_frame_count=FRAMES)
    keyframes = {at: EXCLUDED if at in excluded else ANNOTATED for at in (902, 903)}
    return ReleaseClip(
        name, split, source, *SIZE, window, keyframes, persons, proposals
    )  # fmt: skip


CLIPS = [
    a_clip(
        "shop-c0000", "train", source="shop",
        persons=[PersonAt(902, 1, LEFT, (1, 3)), PersonAt(902, 2, RIGHT, ()),
                 PersonAt(903, 1, LEFT, (2,))],
        proposals={902: [ProposedBox(LEFT, 0.9), ProposedBox(RIGHT, 0.4)],
                   903: [ProposedBox(LEFT, 0.7)]},
    ),
    a_clip(
        "shop-c0001", "train", source="shop", persons=[],
        proposals={902: [ProposedBox(RIGHT, 0.3)]},
    ),
    a_clip(
        "street-c0000", "val", source="street", excluded=[903],
        persons=[PersonAt(902, 10_000, RIGHT, (2,))],
        proposals={902: [ProposedBox(RIGHT, 0.8)]},
    ),
    a_clip("yard-c0000", "val", source="yard", persons=[], proposals={}),
]  # fmt: skip


def write_release(folder, clips=CLIPS):
    with AnnotationWriter(folder, splits=["train", "val"]) as writer:
        for clip in clips:
            writer.add(clip)
        threshold = writer.finish(ACTIONS)
    pictures = [np.full((SIZE[1], SIZE[0], 3), n % 200, dtype=np.uint8) for n in range(FRAMES)]
    film = make_film(folder / "film.mp4", pictures)
    for clip in clips:
        rawframes = folder / "rawframes" / clip.name
        rawframes.mkdir(parents=True)
        for frame, picture in enumerate(pictures):
            cv2.imwrite(str(rawframes / ava.frame_file(frame)), picture)
        (folder / "clips").mkdir(exist_ok=True)
        shutil.copyfile(film, folder / "clips" / f"{clip.name}.mp4")
    film.unlink()
    write_configs(folder / "configs", ConfigValues("test release 1", 3, threshold))
    (folder / "README.md").write_text("a card\n")
    write_manifest(
        folder,
        {
            "videos": [
                {"video_id": c.name, "split": c.split, "source_video": c.source_video,
                 "n_frames": FRAMES, "width": c.width, "height": c.height}
                for c in clips
            ],
            "keyframes": [
                {"video_id": c.name, "timestamp": at, "status": status}
                for c in clips for at, status in c.keyframes.items()
            ],
        },
    )  # fmt: skip
    return folder
