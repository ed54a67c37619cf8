"""MOTChallenge text files in, TrackEval's metrics out."""

import configparser
import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import trackeval  # type: ignore[import-not-found]

from tracking.core.association import hungarian
from tracking.core.boxes import Detections, pairwise_iou
from tracking.core.tracks_file import Track

MIN_IOU = 0.5  # of a keyframe box with the truth
QUIET = {"PRINT_CONFIG": False}


class MotSequence(NamedTuple):
    """A sequence and its detections."""

    name: str
    fps: float
    detections: list[Detections]


class Figures(NamedTuple):
    """Percent, but `switches` is a count; recall is of the boxes at one frame a second."""

    hota: float
    idf1: float
    mota: float
    switches: int
    keyframe_recall: float


def sequences_in(data: Path) -> list[Path]:
    """The folders of `data` that hold a sequence, by name."""
    return sorted(path.parent for path in data.glob("*/seqinfo.ini"))


def read_sequence(folder: Path) -> MotSequence:
    """`det.txt` and `seqinfo.ini` in `folder`; without `det.txt` there are no detections.

    Frames without a row have no detections. Rows that are not boxes are dropped, since some
    baselines fail on them; rows without a score have the score 1.
    """
    length, fps = sequence_length(folder)
    rows = read_rows(folder / "det.txt") if (folder / "det.txt").exists() else np.empty((0, 7))
    scores = rows[:, 6] if rows.shape[1] > 6 else np.ones(len(rows))
    good = np.isfinite(rows).all(axis=1) & (rows[:, 4:6] > 0).all(axis=1)
    boxes, scores, numbers = corners_of_rows(rows[good]), scores[good], rows[good, 0]
    frames = [numbers == frame for frame in range(1, length + 1)]
    return MotSequence(
        folder.name, fps, [Detections(boxes[here], scores[here]) for here in frames]
    )


def write_result(path: Path, tracks: Sequence[Track]) -> None:
    """`tracks` as MOT rows, frames from 1, by frame and id."""
    rows = sorted(
        (int(frame) + 1, track.track_id, *box[:2], *(box[2:] - box[:2]))
        for track in tracks
        for frame, box in zip(track.frames, track.boxes, strict=True)
        if (box[2:] > box[:2]).all()
    )
    lines = [
        f"{frame},{number},{x:.2f},{y:.2f},{width:.2f},{height:.2f},1,-1,-1,-1\n"
        for frame, number, x, y, width, height in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text("".join(lines))
    partial.rename(path)  # a file that is there is whole


class SequenceResult(NamedTuple):
    """What TrackEval counts in one sequence, to be combined with others."""

    metrics: dict[str, dict]  # by name of the metric
    keyframe_hits: tuple[int, int]  # people at keyframes with a box of ours, and all


def evaluate(data: Path, results: Path, names: Sequence[str]) -> Figures:
    """The metrics of the files `<name>.txt` in `results` against `data`, combined."""
    return combined(evaluate_each(data, results, names))


def evaluate_each(data: Path, results: Path, names: Sequence[str]) -> dict[str, SequenceResult]:
    """The same by sequence."""
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
        found = _evaluated(data, results, names, Path(work))
    return {
        name: SequenceResult(
            found[name]["pedestrian"],
            _keyframe_hits(data / name, results / f"{name}.txt"),
        )
        for name in names
    }


def combined(results: Mapping[str, SequenceResult]) -> Figures:
    """The figures over all boxes of some sequences."""
    of = {
        metric.get_name(): metric.combine_sequences(
            {name: one.metrics[metric.get_name()] for name, one in results.items()}
        )
        for metric in _metrics()
    }
    seen, all_ = np.sum([one.keyframe_hits for one in results.values()], axis=0)
    return Figures(
        100 * float(of["HOTA"]["HOTA"].mean()),
        100 * float(of["Identity"]["IDF1"]),
        100 * float(of["CLEAR"]["MOTA"]),
        int(of["CLEAR"]["IDSW"]),
        100 * float(seen) / max(int(all_), 1),
    )


def _metrics() -> list:
    return [
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR(QUIET | {"THRESHOLD": 0.5}),
        trackeval.metrics.Identity(QUIET | {"THRESHOLD": 0.5}),
    ]


def _evaluated(data: Path, results: Path, names: Sequence[str], work: Path) -> dict:
    truth, ours = work / "gt" / "MOT17-all", work / "tr" / "MOT17-all" / "it" / "data"
    ours.mkdir(parents=True)
    for name in names:
        (truth / name / "gt").mkdir(parents=True)
        shutil.copy(data / name / "gt.txt", truth / name / "gt")
        shutil.copy(data / name / "seqinfo.ini", truth / name)
        shutil.copy(results / f"{name}.txt", ours)
    dataset = trackeval.datasets.MotChallenge2DBox(
        QUIET
        | {
            "GT_FOLDER": str(work / "gt"), "TRACKERS_FOLDER": str(work / "tr"),
            "BENCHMARK": "MOT17", "SPLIT_TO_EVAL": "all", "TRACKERS_TO_EVAL": ["it"],
            "SEQ_INFO": {name: sequence_length(data / name)[0] for name in names},
        }
    )  # fmt: skip
    evaluator = trackeval.Evaluator(
        QUIET
        | {
            "PRINT_RESULTS": False, "TIME_PROGRESS": False, "OUTPUT_SUMMARY": False,
            "OUTPUT_EMPTY_CLASSES": False, "OUTPUT_DETAILED": False, "PLOT_CURVES": False,
            "BREAK_ON_ERROR": True, "LOG_ON_ERROR": str(work / "errors.txt"),
        }
    )  # fmt: skip
    result, _ = evaluator.evaluate([dataset], _metrics())
    return result["MotChallenge2DBox"]["it"]


def _keyframe_hits(folder: Path, result: Path) -> tuple[int, int]:
    """People at one frame a second who have a box of ours, and all people there."""
    _, fps = sequence_length(folder)
    truth, ours = read_rows(folder / "gt.txt"), read_rows(result)
    step = max(1, round(fps))
    seen = count = 0
    for frame in np.unique(truth[:, 0]):
        if (frame - 1) % step:
            continue
        here = truth[truth[:, 0] == frame]
        counts = (here[:, 6] == 1) & (here[:, 7] == 1)  # others are there to be ignored
        iou = pairwise_iou(corners_of_rows(here), corners_of_rows(ours[ours[:, 0] == frame]))
        count += int(counts.sum())
        seen += int(counts[hungarian(iou, min_gain=MIN_IOU).rows].sum())
    return seen, count


def corners_of_rows(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)


def read_rows(path: Path) -> np.ndarray:
    lines = [line.replace(",", " ").split() for line in path.read_text().splitlines()]
    try:
        table = np.array([[float(value) for value in line] for line in lines if line])
    except ValueError as error:
        sys.exit(f"{path} is not a file of MOT rows: {error}")
    if len(table) and table.shape[1] < 6:
        sys.exit(f"{path} has rows of fewer than the six numbers of a box")
    return table if len(table) else np.empty((0, 10))


def sequence_length(folder: Path) -> tuple[int, float]:
    """Frames, and frames a second."""
    ini = configparser.ConfigParser()
    ini.read(folder / "seqinfo.ini")
    try:
        length, fps = ini.getint("Sequence", "seqLength"), ini.getfloat("Sequence", "frameRate")
    except (configparser.Error, ValueError) as error:
        sys.exit(f"{folder}/seqinfo.ini needs seqLength and frameRate: {error}")
    if length < 1 or fps <= 0:
        sys.exit(f"{folder}/seqinfo.ini says {length} frames at {fps:g} a second")
    return length, fps
