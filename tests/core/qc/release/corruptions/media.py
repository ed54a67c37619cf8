"""Corruptions of frames, clips and configurations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from datasets.core.formats import ava
from datasets.core.media.standard_video import read_frames
from qc.core.release.images import encode_frame
from tests.core.qc.release.corruptions.kinds import (
    clips_and_footage,
    fit,
    kind,
)
from tests.core.qc.release.tiny_release import write_media


def footage_changed(folder: Path, change: Callable[[str, list[Any]], list[Any]]) -> None:
    """Clips and frames that show something else, and agree with each other."""
    _, footage_of = clips_and_footage()
    for name, footage in footage_of.items():
        write_media(folder, name, [np.ascontiguousarray(one) for one in change(name, footage)])
    fit(folder)


def without_looks(folder: Path) -> None:
    """A manifest whose looks are those of the frames that are there now."""
    manifest = json.loads((folder / "manifest.json").read_text())
    fit(folder, videos=[{k: v for k, v in one.items() if k != "looks"}
                        for one in manifest["videos"]])  # fmt: skip


@kind("frozen video", check="motion", sentence="boxes move where no pixel does")
def _(folder):
    footage_changed(folder, lambda name, footage: [footage[60]] * len(footage))


@kind("one frozen video of many", check="motion", sentence="clips/lane-c0001.mp4 does not show")
def _(folder):
    footage_changed(
        folder,
        lambda name, footage: [footage[60]] * len(footage) if name == "lane-c0001" else footage,
    )


def foreign(name: str, footage: list[Any]) -> list[Any]:
    _, footage_of = clips_and_footage()
    names = sorted(footage_of)
    return [frame[::-1] for frame in footage_of[names[(names.index(name) + 1) % len(names)]]]


@kind("foreign video", check="looks", sentence="is not the frame that was annotated")
def _(folder):
    footage_changed(folder, foreign)


@kind("turned video", check="looks", sentence="it is turned by half")
def _(folder):
    footage_changed(folder, lambda name, footage: [one[::-1, ::-1] for one in footage])


@kind("turned video everywhere", check="motion", sentence="boxes move where no pixel does")
def _(folder):
    footage_changed(folder, lambda name, footage: [one[::-1, ::-1] for one in footage])
    without_looks(folder)


def frames_changed(folder: Path, change: Callable[[Any], Any]) -> None:
    """Images that show something else than the clips."""
    for path in sorted((folder / "clips").glob("*.mp4")):
        for number, rgb in read_frames(path):
            image = encode_frame(np.ascontiguousarray(change(rgb)), longest_side=None)
            (folder / "rawframes" / path.stem / ava.frame_file(number)).write_bytes(image)
    fit(folder)


def without_colour(rgb: Any) -> Any:
    return np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


@kind("grey frames", check="frame content", sentence="something else than the clip")
def _(folder):
    frames_changed(folder, without_colour)


@kind("grey frames and clips", check="looks", sentence="it is without its colours")
def _(folder):
    footage_changed(folder, lambda name, footage: [without_colour(one) for one in footage])


def edited(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text, (name, old)
    path.write_text(text.replace(old, new))
    fit(folder)


@kind(
    "unknown key of SlowFast", check="training configurations",
    sentence="slowfast_ava.yaml has the key SOLVER.BASE_LEARNING_RATE",
)  # fmt: skip
def _(folder):
    edited(folder, "configs/slowfast_ava.yaml", "BASE_LR:", "BASE_LEARNING_RATE:")


@kind(
    "unknown key of MMAction2", check="training configurations",
    sentence="has the key train_dataloader.dataset.person_score",
)  # fmt: skip
def _(folder):
    edited(
        folder, "configs/mmaction2_ava.py", "timestamp_start=900))",
        "timestamp_start=900, person_score=0.9))",
    )  # fmt: skip


@kind(
    "a base that is missing", check="training configurations",
    sentence="has the _base_ ['mmaction::missing.py'], which no release has",
)  # fmt: skip
def _(folder):
    edited(
        folder, "configs/mmaction2_slowfast_r50.py", "root = ",
        "_base_ = ['mmaction::missing.py']\n\nroot = ",
    )  # fmt: skip


@kind(
    "faces not blurred as said", check="blurring", sentence="shows heads that are not blurred"
)
def _(folder):
    fit(folder, faces={"blurred": "heads"})
