"""Our tracker and its peers on MOTChallenge sequences: quality by TrackEval, in one run.

    python benchmarks/mot.py --data DIR --out DIR [--gt]

reads `DIR/<SEQ>/{det.txt,seqinfo.ini}` (and `gt.txt` with `--gt`), runs every tracker with one
set of parameters, and writes `OUT/<tracker>/<SEQ>.txt`; ours also to `OUT/<SEQ>.txt`. Sequences
called SIM-* have simulated detections and are summed up apart.

How each was tuned is said below the tables.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

try:
    from benchmarks._judge import Film, judge, read_sequence, sequences_in, write_result
    from benchmarks._peers import PEERS, TUNING, interpolated
except ModuleNotFoundError as error:
    needed = "trackeval==1.3.0 trackers==2.6.1 tabulate pycocotools"
    sys.exit(f"{error.name} is not installed here: pip install --no-deps {needed}")
from tracking.core.sort import follow
from tracking.core.trackfile import Track

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "mot"
OURS = "ours"
LONGEST_GAP = 30  # frames that peers interpolate over: all that their memory bridges


def main() -> None:
    options = _options()
    folders = sequences_in(options.data)
    if not folders:
        sys.exit(f"{options.data} has no sequences: expected <SEQ>/seqinfo.ini and det.txt")
    for folder in folders:
        film = read_sequence(folder)
        print(f"{film.name}: {len(film.detections)} frames", file=sys.stderr)
        for tracker, tracks in _all_trackers(film):
            write_result(options.out / _file_name(tracker) / f"{film.name}.txt", tracks)
            if tracker == OURS:
                write_result(options.out / f"{film.name}.txt", tracks)
    print(f"Results are in {options.out}.")
    if options.gt:
        _print_tables(options.data, options.out, folders)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of sequences")
    parser.add_argument("--out", type=Path, help="where the results are written")
    parser.add_argument("--gt", action="store_true", help="judge them by gt.txt")
    options = parser.parse_args()
    if options.data is None:  # ./ava bench
        options.data, options.gt = SHARED, True
    if not options.data.is_dir():
        sys.exit(f"There are no sequences at {options.data}: name their folder with --data")
    options.out = options.out or Path(tempfile.mkdtemp(prefix="mot-"))
    return options


def _all_trackers(film: Film) -> list[tuple[str, list[Track]]]:
    results = [(OURS, follow(film.detections, fps=film.fps))]
    for name, peer in PEERS.items():
        tracks = peer(film.detections, film.fps)
        results.append((name, tracks))
        results.append((f"{name} + interp.", interpolated(tracks, longest=LONGEST_GAP)))
    return results


def _file_name(tracker: str) -> str:
    return re.sub(r"\W+", "-", tracker.lower()).strip("-")


def _print_tables(data: Path, out: Path, folders: list[Path]) -> None:
    names = [folder.name for folder in folders if (folder / "gt.txt").exists()]
    if without := sorted({folder.name for folder in folders} - set(names)):
        print(f"Not judged, for they have no gt.txt: {', '.join(without)}")
    simulated = [name for name in names if name.startswith("SIM-")]
    real = [name for name in names if name not in simulated]
    for title, of_kind in (("real detections", real), ("simulated", simulated)):
        if of_kind:
            _print_table(title, data, out, of_kind)
    print(f"\n{TUNING}")


def _print_table(title: str, data: Path, out: Path, names: list[str]) -> None:
    print(f"\n{title}: {len(names)} sequences, combined")
    print(f"{'':46}{'HOTA':>7}{'IDF1':>7}{'MOTA':>7}{'switches':>10}{'keyframe recall':>17}")
    trackers = [OURS, *(name for peer in PEERS for name in (peer, f"{peer} + interp."))]
    for tracker in trackers:
        one = judge(data, out / _file_name(tracker), names)
        print(
            f"{tracker:46}{one.hota:7.1f}{one.idf1:7.1f}{one.mota:7.1f}{one.switches:10}"
            f"{one.keyframe_recall:17.1f}"
        )


if __name__ == "__main__":
    main()
