"""A release of 60 rendered videos to train on, with the rendered truth as labels.

The people of `demo/world` change what they do every few seconds. Everyone at least half
visible is labelled with what was rendered; the tracker's boxes are simulated: jittered, some
missed, some false. The product's writer makes the files that models read, and no others.
"""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.demo_detector.training_scenes import (
    STYLES,
    random_appearance,
    random_prop,
)
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import (
    FRAME_RATE,
    export_window,
    keyframe_seconds,
    timestamp,
)
from datasets.core.media.standard_video import read_frames
from demo.world.motion import ACTION_NAMES, Activity, Actor, MotionSegment, Point
from demo.world.renderer import TruthBox, draw_frames, truth_at
from demo.world.video_spec import VideoSpec
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.images import encode_frame
from qc.core.release.packing import MANIFEST, write_manifest
from qc.core.release.records import (
    ANNOTATED,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
)
from qc.core.release.writer import AnnotationWriter

VIDEOS, VAL_VIDEOS, SECONDS = 60, 15, 12
WIDTH, HEIGHT = 320, 192
MIN_VISIBLE = 0.5  # from which annotators draw a person
FIRST_SEED = 2_000_000  # training_scenes.py uses those below
MOVEMENTS = ("stand", "walk", "run", "sit")
ACTIONS = [
    ava.AvaAction(number, name, kind)
    for number, (name, kind) in enumerate(
        (
            (ACTION_NAMES["run"], "PERSON_MOVEMENT"),
            (ACTION_NAMES["sit"], "PERSON_MOVEMENT"),
            (ACTION_NAMES["stand"], "PERSON_MOVEMENT"),
            (ACTION_NAMES["walk"], "PERSON_MOVEMENT"),
            (ACTION_NAMES["carry"], "OBJECT_MANIPULATION"),
            (ACTION_NAMES["wave"], "PERSON_INTERACTION"),
            (ACTION_NAMES["talk"], "PERSON_INTERACTION"),
        ),
        start=1,
    )
]
IDS = {action.name: action.action_id for action in ACTIONS}


def video_spec(number: int) -> VideoSpec:
    """Video `number` of the world; the same number gives the same video."""
    rng = np.random.default_rng(FIRST_SEED + number)
    horizon, ratio = rng.uniform(0.28, 0.36), rng.uniform(0.8, 1.05)
    count = int(rng.integers(3, 6))
    return VideoSpec(
        name=f"world-{number:03d}-c0000", width=WIDTH, height=HEIGHT, fps=Fraction(FRAME_RATE),
        seconds=SECONDS, codec="libx264", extension=".mp4", style=STYLES[rng.integers(3)],
        horizon=horizon, ratio=ratio, seed=FIRST_SEED + number,
        people=tuple(_person(n + 1, horizon, rng) for n in range(count)),
        props=tuple(random_prop(horizon, rng) for _ in range(rng.integers(0, 3))),
    )  # fmt: skip


def _place(horizon: float, rng: np.random.Generator) -> Point:
    return Point(rng.uniform(0.06, 0.94), rng.uniform(horizon + 0.3, 1.0))


def _person(person_id: int, horizon: float, rng: np.random.Generator) -> Actor:
    return Actor(
        person_id,
        random_appearance(rng),
        _place(horizon, rng),
        tuple(_segment(horizon, rng) for _ in range(30)),
    )


def _segment(horizon: float, rng: np.random.Generator) -> MotionSegment:
    movement = MOVEMENTS[rng.choice(4, p=[0.17, 0.28, 0.42, 0.13])]
    activities: tuple[Activity, ...] = ()
    if movement != "run" and rng.random() < 0.6:
        kinds: tuple[tuple[Activity, ...], ...] = (
            ("carry",), ("wave",), ("talk",), ("carry", "talk"),
        )  # fmt: skip
        activities = kinds[rng.integers(4)]
    if movement in ("walk", "run"):
        return MotionSegment(movement, to=_place(horizon, rng), activities=activities)  # type: ignore[arg-type]
    return MotionSegment(
        movement, rng.uniform(2.5, 5.5), activities=activities,  # type: ignore[arg-type]
        yaw=rng.uniform(-np.pi, np.pi),
    )  # fmt: skip


def make_world(folder: Path, *, videos: int = VIDEOS, processes: int = 2) -> Path:
    """Render the world and write it as a release into `folder`; a finished one is kept."""
    if (folder / MANIFEST).exists():
        return folder
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        clips = list(pool.map(partial(_released, folder, videos), range(videos)))
    with AnnotationWriter(folder, splits=["train", "val"]) as writer:
        for clip in clips:
            writer.add(clip)
        evaluation = writer.finish(ACTIONS)
    write_configs(folder / "configs", ConfigValues("rendered world", len(ACTIONS), evaluation))
    write_manifest(
        folder,
        {
            "score_threshold": evaluation.threshold,
            "oracle_ap": {split: its.mean() for split, its in writer.oracle_aps.items()},
            "videos": [
                {"video_id": clip.name, "split": clip.split, "source_video": clip.source_video,
                 "source_start_sec": 0.0, "n_frames": clip.window.frame_count,
                 "width": clip.width, "height": clip.height}
                for clip in clips
            ],
            "actions": [
                {"id": one.action_id, "name": one.name, "type": one.label_type}
                for one in ACTIONS
            ],
            "keyframes": [
                {"video_id": clip.name, "timestamp": at, "status": status}
                for clip in clips for at, status in clip.keyframes.items()
            ],
        },
    )  # fmt: skip
    return folder


def _released(folder: Path, videos: int, number: int) -> ReleaseClip:
    """Render one video, write its clip and frames, and return what is annotated in it."""
    cv2.setNumThreads(1)
    spec = video_spec(number)
    frames = folder / "rawframes" / spec.name
    if not frames.exists():
        part = frames.with_name(f".{spec.name}.part")
        part.mkdir(parents=True, exist_ok=True)
        clip = _clip(spec, folder / "clips" / spec.file_name)
        for index, rgb in read_frames(clip, threads=1):
            (part / ava.frame_file(index)).write_bytes(encode_frame(rgb, longest_side=None))
        part.rename(frames)
    count = SECONDS * FRAME_RATE
    rng = np.random.default_rng([FIRST_SEED, number])
    people: list[ReleasedPerson] = []
    proposals: dict[int, list[ReleasedProposal]] = {}
    seconds = keyframe_seconds(0, count, video_frame_count=count)
    for second in seconds:
        at, truth = timestamp(second, pad_seconds=0), truth_at(spec, FRAME_RATE * second)
        people += [_annotated(at, one) for one in truth if one.visible >= MIN_VISIBLE]
        proposals[at] = sorted(_proposed(truth, rng), key=lambda one: -one.score)
    split = "val" if number >= videos - VAL_VIDEOS * videos // VIDEOS else "train"
    return ReleaseClip(
        spec.name, split, spec.name.removesuffix("-c0000"), WIDTH, HEIGHT,
        export_window(0, count, video_frame_count=count),
        {timestamp(second, pad_seconds=0): ANNOTATED for second in seconds},
        people, proposals,
    )  # fmt: skip


def _clip(spec: VideoSpec, path: Path) -> Path:
    """The video as a clip of a release: a key frame every second, nothing else."""
    part = path.with_suffix(".part")
    options = {"preset": "ultrafast", "crf": "20", "sc_threshold": "0", "flags": "+cgop"}
    with av.open(part, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        stream.gop_size, stream.codec_context.thread_count = FRAME_RATE, 1
        for image in draw_frames(spec):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return part.rename(path)


def _text(box: tuple[float, float, float, float]) -> str:
    x1, y1, x2, y2 = box
    sides = [x1 * WIDTH, y1 * HEIGHT, x2 * WIDTH, y2 * HEIGHT]
    return ava.format_box(sides, width=WIDTH, height=HEIGHT)


def _annotated(at: int, one: TruthBox) -> ReleasedPerson:
    ids = tuple(sorted(IDS[name] for name in one.actions))
    return ReleasedPerson(at, one.person_id, _text(one.box), ids)


def _proposed(truth: list[TruthBox], rng: np.random.Generator) -> Iterator[ReleasedProposal]:
    """A box for nearly everyone who is visible, and now and then one for nobody."""
    for one in truth:
        if one.visible < 0.25 or rng.random() < 0.04:
            continue
        x1, y1, x2, y2 = one.box
        errors = rng.normal(0, 0.03, 4) * [x2 - x1, y2 - y1, x2 - x1, y2 - y1]
        moved = np.clip(np.array(one.box) + errors, 0, 1)
        if moved[0] + 0.01 < moved[2] and moved[1] + 0.01 < moved[3]:
            score = float(np.clip(0.55 + 0.4 * one.visible + rng.normal(0, 0.05), 0.05, 0.99))
            yield ReleasedProposal(_text(tuple(moved.tolist())), score, one.person_id)
    if rng.random() < 0.15:
        x, y = rng.uniform(0, 0.85), rng.uniform(0.2, 0.6)
        box = (x, y, x + 0.08, y + 0.35)
        yield ReleasedProposal(_text(box), float(rng.uniform(0.3, 0.75)))
