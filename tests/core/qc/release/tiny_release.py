"""A tiny release of four clips, whole: what the tests of releases read, break and compare."""

import shutil

import av
import numpy as np

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import export_window
from datasets.core.media.standard_video import read_frames
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.formats import FORMATS, FormatContext
from qc.core.release.images import encode_frame
from qc.core.release.packing import write_manifest
from qc.core.release.provenance import ProvenanceWriter
from qc.core.release.records import (
    ANNOTATED,
    EXCLUDED,
    Origin,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
)
from qc.core.release.writer import AnnotationWriter

SIZE = (64, 36)


FRAMES = 150


ACTIONS = [
    ava.AvaAction(1, "stand", "PERSON_MOVEMENT"),
    ava.AvaAction(2, "walk", "PERSON_MOVEMENT"),
    ava.AvaAction(3, "wave", "OBJECT_MANIPULATION"),
]


GROUPS = [
    ActionGroupSpec("posture", "one", True, ("stand", "walk")),
    ActionGroupSpec("doing", "many", False, ("wave",)),
]


LEFT, RIGHT = "0.1000,0.2000,0.3000,0.9000", "0.6000,0.2000,0.8000,0.9000"


def make_video_file(path, images, *, gop=30):
    """A small clip of RGB frames in the form of a standard video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as video_file:
        stream = video_file.add_stream(
            "libx264", rate=30, options={"preset": "ultrafast", "crf": "20"}
        )
        stream.width, stream.height = images[0].shape[1], images[0].shape[0]
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        stream.codec_context.thread_count = 1
        stream.codec_context.options |= {"sc_threshold": "0", "flags": "+cgop"}
        for image in images:
            video_file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        video_file.mux(stream.encode(None))
    return path


def a_person(at, person_id, box, action_ids):
    """A person whose actions two annotators agree on."""
    origins = (
        Origin("posture", tuple(i for i in action_ids if i < 3), "unanimous", ((1, "x"),)),
        Origin("doing", tuple(i for i in action_ids if i == 3), "unanimous", ((1, "x"),)),
    )
    return ReleasedPerson(at, person_id, box, action_ids, (1, 2), origins)


def a_clip(name, split, *, source, persons, proposals, excluded=()):
    window = export_window(0, FRAMES, video_frame_count=FRAMES)
    keyframes = {at: EXCLUDED if at in excluded else ANNOTATED for at in (902, 903)}
    return ReleaseClip(
        name, split, source, *SIZE, window, keyframes, persons, proposals
    )  # fmt: skip


CLIPS = [
    a_clip(
        "shop-c0000", "train", source="shop",
        persons=[a_person(902, 1, LEFT, (1, 3)), a_person(902, 2, RIGHT, ()),
                 a_person(903, 1, LEFT, (2,))],
        proposals={902: [ReleasedProposal(LEFT, 0.9), ReleasedProposal(RIGHT, 0.4)],
                   903: [ReleasedProposal(LEFT, 0.7)]},
    ),
    a_clip(
        "shop-c0001", "train", source="shop", persons=[],
        proposals={902: [ReleasedProposal(RIGHT, 0.3)]},
    ),
    a_clip(
        "street-c0000", "val", source="street", excluded=[903],
        persons=[a_person(902, 10_000, RIGHT, (2,))],
        proposals={902: [ReleasedProposal(RIGHT, 0.8)]},
    ),
    a_clip("yard-c0000", "val", source="yard", persons=[], proposals={}),
]  # fmt: skip


def write_release(folder, clips=CLIPS, *, formats=()):
    """A whole release folder of these clips, which all show the same clip."""
    folder.mkdir(parents=True, exist_ok=True)
    writers = [ProvenanceWriter(folder)]
    for name in formats:
        place = folder / "formats" / name
        place.mkdir(parents=True)
        context = FormatContext(place, "test release 1", ACTIONS, GROUPS, ["train", "val"])
        writers.append(FORMATS[name].writer(context))
    with AnnotationWriter(folder, splits=["train", "val"]) as writer:
        for clip in clips:
            for each in (writer, *writers):
                each.add(clip)
        evaluation = writer.finish(ACTIONS)
    for each in writers:
        each.finish()
    video_file = make_video_file(folder / "clip.mp4", list(map(scene, range(FRAMES))))
    for clip in clips:
        rawframes = folder / "rawframes" / clip.name
        rawframes.mkdir(parents=True)
        for frame, rgb in read_frames(video_file):
            image = encode_frame(rgb, longest_side=None)
            (rawframes / ava.frame_file(frame)).write_bytes(image)
        (folder / "clips").mkdir(exist_ok=True)
        shutil.copyfile(video_file, folder / "clips" / f"{clip.name}.mp4")
    video_file.unlink()
    write_configs(folder / "configs", ConfigValues("test release 1", 3, evaluation))
    (folder / "README.md").write_text("a card\n")
    (folder / "METHODS.md").write_text("methods\n")
    (folder / "card.html").write_text("<p>a card</p>\n")
    (folder / "CITATION.cff").write_text("cff-version: 1.2.0\n")
    (folder / "settings.json").write_text('{"dataset": {}, "release": {}, "groups": []}\n')
    write_manifest(
        folder,
        {
            "score_threshold": evaluation.threshold,
            "oracle_ap": {s: its.mean() for s, its in writer.oracle_aps.items()},
            "formats": sorted(formats),
            "videos": [
                {"video_id": c.name, "split": c.split, "source_video": c.source_video,
                 "source_start_sec": 0.0, "n_frames": FRAMES, "width": c.width,
                 "height": c.height}
                for c in clips
            ],
            "actions": [
                {"id": action.action_id, "name": action.name, "type": action.label_type}
                for action in ACTIONS
            ],
            "keyframes": [
                {"video_id": c.name, "timestamp": at, "status": status}
                for c in clips for at, status in c.keyframes.items()
            ],
        },
    )  # fmt: skip
    return folder


def scene(frame):
    """A frame in which something moves from frame to frame."""
    image = np.full((SIZE[1], SIZE[0], 3), 60, dtype=np.uint8)
    left = frame % (SIZE[0] - 16)
    image[8:24, left : left + 16] = 220
    return image
