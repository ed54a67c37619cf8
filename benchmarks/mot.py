"""Our tracker and baselines on MOTChallenge sequences: metrics by TrackEval, in one run.

    ./ava bench mot --data DIR --out DIR [--gt]

reads `DIR/<SEQ>/{det.txt,seqinfo.ini}` (and `gt.txt` with `--gt`) and runs every tracker with
one set of parameters, ours with those of a new dataset. Results are `OUT/<tracker>/<SEQ>.txt`;
ours also `OUT/<SEQ>.txt`. Sequences called SIM-* have simulated detections and are reported
apart. A run that was interrupted goes on in the same OUT: results of baselines that are
there are kept, ours are made anew.

"Leave one source out" is ours with the parameters that `mot_search.py` chose without the camera
of each sequence: what to expect of videos that the search did not see. The last line of a table
has the best of all interpolated baselines in each column. How each was tuned is said below.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import django

try:
    from benchmarks.tracking_baselines.baselines import BASELINES, TUNING, interpolated
    from benchmarks.tracking_baselines.mot_search import left_out_parameters
    from benchmarks.tracking_baselines.trackeval import (
        Figures,
        MotSequence,
        evaluate,
        read_sequence,
        sequences_in,
        write_result,
    )
except ModuleNotFoundError as error:
    needed = "trackeval==1.3.0 trackers==2.6.1 tabulate pycocotools"
    sys.exit(f"{error.name} is not installed here: pip install --no-deps {needed}")
django.setup()
from datasets.models import Dataset
from tracking.core.sort import track
from tracking.services.tracking_configs import tracker_parameters

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "mot"
OURS = "ours"
LEFT_OUT = "ours, leave one source out"
MOVING = ("KITTI-", "ETH-", "ADL-Rundle-8")  # sequences of MOT15 whose camera moves
MAX_GAP_FRAMES = 30  # that baselines interpolate: all that their maximum age bridges


def main() -> None:
    options = _options()
    folders = sequences_in(options.data)
    if not folders:
        sys.exit(f"{options.data} has no sequences: expected <SEQ>/seqinfo.ini and det.txt")
    for folder in folders:
        sequence = read_sequence(folder)
        print(f"{sequence.name}: {len(sequence.detections)} frames", file=sys.stderr)
        _run_trackers(sequence, options.out)
    print(f"Results are in {options.out}.")
    if options.gt:
        _print_tables(options.data, options.out, folders)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of sequences")
    parser.add_argument("--out", type=Path, help="where the results are written")
    parser.add_argument("--gt", action="store_true", help="evaluate them with gt.txt")
    options = parser.parse_args()
    if options.data is None:  # ./ava bench
        options.data, options.gt = SHARED, True
    if not options.data.is_dir():
        sys.exit(f"There are no sequences at {options.data}: name their folder with --data")
    options.out = options.out or Path(tempfile.mkdtemp(prefix="mot-"))
    return options


def _run_trackers(sequence: MotSequence, out: Path) -> None:
    def result_of(tracker: str) -> Path:
        return out / _file_name(tracker) / f"{sequence.name}.txt"

    parameters = tracker_parameters(Dataset())  # what a new dataset is tracked with
    tracks = track(sequence.detections, fps=sequence.fps, parameters=parameters)
    write_result(result_of(OURS), tracks)
    write_result(out / f"{sequence.name}.txt", tracks)
    if left_out := left_out_parameters(sequence.name):
        tracks = track(sequence.detections, fps=sequence.fps, parameters=left_out)
        write_result(result_of(LEFT_OUT), tracks)
    for name, baseline in BASELINES.items():
        files = result_of(name), result_of(f"{name} + interp.")
        if not all(path.exists() for path in files):
            tracks = baseline(sequence.detections, sequence.fps)
            write_result(files[0], tracks)
            write_result(files[1], interpolated(tracks, max_gap=MAX_GAP_FRAMES))


def _file_name(tracker: str) -> str:
    return re.sub(r"\W+", "-", tracker.lower()).strip("-")


def _print_tables(data: Path, out: Path, folders: list[Path]) -> None:
    names = [folder.name for folder in folders if (folder / "gt.txt").exists()]
    if without := sorted({folder.name for folder in folders} - set(names)):
        print(f"Not evaluated, without gt.txt: {', '.join(without)}")
    simulated = [name for name in names if name.startswith("SIM-")]
    real = [name for name in names if name not in simulated]
    moving = [name for name in real if name.startswith(MOVING)]
    for title, of_kind in (
        ("real detections", real),
        ("of these from moving cameras", moving),
        ("simulated detections", simulated),
    ):
        if of_kind:
            _print_table(title, data, out, of_kind)
    print(f"\n{TUNING}")


def _print_table(title: str, data: Path, out: Path, names: list[str]) -> None:
    print(f"\n{title}: {len(names)} sequences, combined")
    print(f"{'':46}{'HOTA':>7}{'IDF1':>7}{'MOTA':>7}{'switches':>10}{'keyframe recall':>17}")
    # Sequences that the search did not see have no figures of that kind, nor need them.
    is_known = all((out / _file_name(LEFT_OUT) / f"{name}.txt").exists() for name in names)
    trackers = [
        OURS,
        *[LEFT_OUT] * is_known,
        *(name for baseline in BASELINES for name in (baseline, f"{baseline} + interp.")),
    ]
    peers = []
    for tracker in trackers:
        one = evaluate(data, out / _file_name(tracker), names)
        _print_row(tracker, one)
        if tracker.endswith("+ interp."):
            peers.append(one)
    best = [max(values) for values in zip(*peers, strict=True)]
    best[3] = min(one.switches for one in peers)
    _print_row("best interpolated baseline of each column", Figures(*best))


def _print_row(title: str, one: Figures) -> None:
    print(
        f"{title:46}{one.hota:7.1f}{one.idf1:7.1f}{one.mota:7.1f}{one.switches:10}"
        f"{one.keyframe_recall:17.1f}"
    )


if __name__ == "__main__":
    main()
