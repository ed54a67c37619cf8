"""A tiny release of four clips, whole: what the tests of releases read, break and compare."""

import json
import shutil

import av
import numpy as np

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import export_window
from datasets.core.media.standard_video import read_frames
from qc.core.release.checker.bundle import write_checker
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.formats import FORMATS, FormatContext
from qc.core.release.images import encode_frame
from qc.core.release.looks import dump_look, look_of
from qc.core.release.options import ReleaseOptions
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


NAMES = {action.action_id: action.name for action in ACTIONS}


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
    posture = tuple(i for i in action_ids if i < 3)
    doing = tuple(i for i in action_ids if i == 3)
    chosen = NAMES[posture[0]] if posture else "unknown"
    done = [NAMES[i] for i in doing]
    origins = (
        Origin("posture", posture, "unanimous", ((1, chosen), (2, chosen))),
        Origin("doing", doing, "unanimous", ((1, done), (2, done))),
    )
    drawn = tuple(float(side) * by for side, by in zip(box.split(","), SIZE * 2, strict=True))
    return ReleasedPerson(at, person_id, box, action_ids, (1, 2), origins, (drawn, drawn))


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


def write_release(
    folder, clips=CLIPS, *, formats=(), footage_of=None, actions=ACTIONS, groups=GROUPS,
    options=None,
):  # fmt: skip
    """A whole release folder of these clips.

    Args:
        footage_of: The frames of each clip by its name; without, each shows a scene of its own.
        options: Of the frames and clips; all of them in full size if left out.
    """
    options = options or ReleaseOptions()
    folder.mkdir(parents=True, exist_ok=True)
    facts = write_rows(
        folder, clips, formats=formats, actions=actions, groups=groups,
        longest_side=options.longest_side,
    )  # fmt: skip
    looks = {}
    for number, clip in enumerate(clips):
        footage = (
            footage_of[clip.name] if footage_of else [scene(n, number) for n in range(FRAMES)]
        )
        if options.with_clips:
            write_media(folder, clip.name, footage, longest_side=options.longest_side)
        looks[clip.name] = {
            str(at): dump_look(look_of(footage[30 * (at - 900)]))
            for at in (clip.annotated[:1] + clip.annotated[-1:])
        }
    write_checker(folder)
    if options.with_clips and not options.with_frames:
        shutil.rmtree(folder / "rawframes")
    (folder / "METHODS.md").write_text("methods\n")
    (folder / "card.html").write_text("<p>a card</p>\n")
    (folder / "CITATION.cff").write_text("cff-version: 1.2.0\n")
    settings = {"dataset": {}, "release": {}, "groups": [_group(g, actions) for g in groups]}
    (folder / "settings.json").write_text(json.dumps(settings) + "\n")
    videos = [
        {"video_id": c.name, "split": c.split, "source_video": c.source_video,
         "source_start_sec": 0.0, "n_frames": c.window.frame_count, "width": c.width,
         "height": c.height, "looks": looks[c.name], "pad_seconds": 0,
         "clip_frames": c.window.frame_count}
        for c in clips
    ]  # fmt: skip
    said = [
        {"id": action.action_id, "name": action.name, "type": action.label_type}
        for action in actions
    ]
    content = facts | {"formats": sorted(formats), "videos": videos, "actions": said}
    content["frames"] = {
        "included": options.with_frames, "longest_side": options.longest_side,
        "clips": options.with_clips,
    }  # fmt: skip
    write_manifest(folder, content | {"keyframes": keyframes_of(clips)})
    return folder


def keyframes_of(clips):
    """The keyframes of clips, as a manifest lists them."""
    return [
        {"video_id": clip.name, "timestamp": at, "status": status}
        for clip in clips
        for at, status in clip.keyframes.items()
    ]


def write_media(folder, name, footage, *, longest_side=None):
    """The clip of these frames, and its images."""
    path = make_video_file(folder / "clips" / f"{name}.mp4", footage)
    rawframes = folder / "rawframes" / name
    rawframes.mkdir(parents=True, exist_ok=True)
    for frame, rgb in read_frames(path):
        image = encode_frame(rgb, longest_side=longest_side)
        (rawframes / ava.frame_file(frame)).write_bytes(image)


def write_rows(
    folder, clips, *, formats=(), actions=ACTIONS, groups=GROUPS, with_provenance=True,
    longest_side=None,
):  # fmt: skip
    """The annotation files, configurations and formats; what a manifest says of them."""
    names = {action.action_id: action.name for action in actions}
    writers = [ProvenanceWriter(folder, names=names)] if with_provenance else []
    for name in formats:
        place = folder / "formats" / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        context = FormatContext(
            place, "test release 1", actions, groups, ["train", "val"], longest_side
        )
        writers.append(FORMATS[name].writer(context))
    with AnnotationWriter(folder, splits=["train", "val"]) as writer:
        for clip in clips:
            for each in (writer, *writers):
                each.add(clip)
        evaluation = writer.finish(actions)
    for each in writers:
        each.finish()
    write_configs(folder / "configs", ConfigValues("test release 1", len(actions), evaluation))
    counts = {
        split: its.totals() | {"actions": {str(a): n for a, n in sorted(its.labels.items())}}
        for split, its in writer.counts.items()
    }
    head = ["clips", "keyframes", "boxes", "labels"]
    table = [["", *head], ["---"] * 5]
    table += [[split, *(str(its[name]) for name in head)] for split, its in counts.items()]
    lines = [f"| {' | '.join(row)} |" for row in table]
    (folder / "README.md").write_text("\n".join(["a card", "", *lines, ""]))
    return {
        "score_threshold": evaluation.threshold,
        "oracle_ap": {s: its.mean() for s, its in writer.oracle_aps.items()},
        "counts": counts,
        "origins": 2,
    }


def _group(group, actions):
    ids = {action.name: action.action_id for action in actions}
    return {
        "name": group.name, "choice": group.choice, "required": group.required,
        "max_per_person": group.max_per_person,
        "actions": [{"id": ids[name], "name": name} for name in group.actions],
    }  # fmt: skip


def scene(frame, number=0):
    """A frame in which something moves from frame to frame, in a place of its own."""
    image = np.full((SIZE[1], SIZE[0], 3), 60 + 12 * number, dtype=np.uint8)
    left = frame % (SIZE[0] - 16)
    image[8:24, left : left + 16] = 220
    return image
