"""A model learns from a release: `./ava bench train`.

Renders 60 videos, writes them as a release, and trains a small model on it by the commands of
`examples/train/`, three seeds each: on the true labels, and on labels that are shuffled, boxes
that are mirrored, swapped or late. Fails if the true ones are not told apart from every fault
by more than two standard errors, or if evaluators differ.

    python -m benchmarks.training.train --keep DIR --activitynet DIR --write

keeps the world and finished runs in a folder, also asks ActivityNet's evaluator, and writes the
figures into docs/train.md.
"""

import argparse
import hashlib
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

from benchmarks.training._faults import FAULTS, with_fault
from benchmarks.training._world import SECONDS, VAL_VIDEOS, VIDEOS, make_world
from qc.core.release.evaluation import evaluate
from qc.core.release.reader import ReleaseReader

ROOT = Path(__file__).resolve().parents[2]
TRAIN = ROOT / "examples/train/train.py"
PAGE = ROOT / "docs/train.md"
BEGIN, END = "<!-- figures of ./ava bench train -->", "<!-- end of figures -->"
SETTINGS = (
    "--backbone flat --width 16 --view person --size 80 --frames 5 --step 5 "
    "--epochs 1000 --rate 0.004 --keep"
)
MINUTES = 2.8  # CPU minutes of one training; at most 3
SEEDS = (1, 2, 3)
TRUE = "true"
STANDARD_ERRORS = 2.0  # by which true labels must be told apart from faults
GOAL = 0.6  # of the way from shuffled labels to the best possible
MAX_MINUTES = 25.0  # on two cores
SAME = 1e-4  # difference of two evaluators, which order equal scores differently


class Run(NamedTuple):
    """One training: its fault, or TRUE, and its seed."""

    fault: str
    seed: int


class Outcome(NamedTuple):
    ours: float
    per_action: dict[str, float]
    of_example: float
    of_activitynet: float | None
    cpu_seconds: float


def run(
    world: Path, out: Path, one: Run, *, minutes: float, activitynet: Path | None
) -> Outcome:
    """Train on the release, `out/FAULT`, and evaluate; a finished run is evaluated again."""
    folder = out / f"{one.fault}-{one.seed}"
    release = world if one.fault == TRUE else out / one.fault
    if not (folder / "metrics.json").exists():
        command = [
            sys.executable, str(TRAIN), str(release), "--out", str(folder), *SETTINGS.split(),
            "--cpu-minutes", str(minutes), "--seed", str(one.seed),
        ]  # fmt: skip
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    metrics = json.loads((folder / "metrics.json").read_text())
    with (folder / "results.csv").open() as lines:
        ours = evaluate(ReleaseReader(world), lines, split="val").mean_ap
    per_action = metrics["per action"]
    theirs = ask_activitynet(activitynet, world, folder) if activitynet else None
    return Outcome(ours, per_action, metrics["mAP"], theirs, metrics["cpu_seconds"])


def ask_activitynet(evaluator: Path, world: Path, folder: Path) -> float:
    """The mAP of ActivityNet's evaluator of 2021, with the names that numpy has removed."""
    program = (
        "import runpy, sys, numpy as np; np.float = float; np.int = int; np.bool = bool; "
        "np.object = object; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    code = evaluator / "Evaluation"
    names = ("ava_action_list_for_activitynet.pbtxt", "ava_val_activitynet.csv")
    actions, truth = (str(world / "annotations" / name) for name in names)
    launch = f"import sys; sys.argv = sys.argv[1:]; {program}"
    command = [
        sys.executable, "-O", "-c", launch, str(code / "get_ava_performance.py"),
        "-l", actions, "-g", truth, "-d", str(folder / "results.csv"),
    ]  # fmt: skip
    paths = os.pathsep.join([str(code), str(code / "ava")])
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
    )
    found = re.search(
        r"PascalBoxes_Precision/mAP@0\.5IOU'?\s*:\s*(?:np\.float64\()?([\d.e-]+)", done.stdout
    )
    if found is None:
        sys.exit(f"ActivityNet's evaluator says no mAP:\n{done.stdout}{done.stderr}")
    return float(found[1])


def standard_error(a: list[float], b: list[float]) -> float:
    """Of the difference of two means; independent runs."""
    return math.sqrt(stdev(a) ** 2 / len(a) + stdev(b) ** 2 / len(b))


def report(
    outcomes: dict[Run, Outcome], ceiling: float, world: Path, minutes: float
) -> tuple[str, list[str]]:
    """The figures as Markdown, and which limits they break."""
    maps = {
        fault: [outcomes[Run(fault, seed)].ours for seed in SEEDS]
        for fault in dict.fromkeys(one.fault for one in outcomes)
    }
    reader = ReleaseReader(world)
    keyframes = {
        split: len({(row.video_id, row.timestamp) for row in reader.labels(split)})
        for split in ("train", "val")
    }
    lines = [
        f"{VIDEOS} videos of {SECONDS} s ({VIDEOS - VAL_VIDEOS} train, {VAL_VIDEOS} val), "
        f"{keyframes['train']} and {keyframes['val']} keyframes with labels; "
        f"{minutes:g} CPU minutes a training (`--minutes`, {MINUTES:g} if left out).",
        "",
        "| labels of train | val mAP, seed by seed | mean | less than true by |",
        "|---|---|---|---|",
    ]
    broken = []
    for fault, values in maps.items():
        apart = ""
        if fault != TRUE:
            difference = mean(maps[TRUE]) - mean(values)
            errors = difference / standard_error(maps[TRUE], values)
            apart = f"{difference:.3f}, {errors:.1f} standard errors"
            if errors <= STANDARD_ERRORS:
                broken.append(f"true labels are not told apart from {fault} ones: {apart}")
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {fault} | {each} | {mean(values):.3f} | {apart} |")
    share = (mean(maps[TRUE]) - mean(maps["shuffled"])) / (ceiling - mean(maps["shuffled"]))
    lines += [
        f"| best possible | | {ceiling:.3f} | |",
        "",
        f"From shuffled labels to the best possible on these boxes: {share:.0%} of the way "
        f"(goal {GOAL:.0%}).",
        "",
    ]
    actions = outcomes[Run(TRUE, SEEDS[0])].per_action
    each = (
        f"{action} {mean(outcomes[Run(TRUE, seed)].per_action[action] for seed in SEEDS):.2f}"
        for action in actions
    )
    lines += [f"By action, with true labels: {', '.join(each)}.", ""]
    both = [abs(one.ours - one.of_example) for one in outcomes.values()]
    theirs = [
        abs(one.ours - one.of_activitynet)
        for one in outcomes.values()
        if one.of_activitynet is not None
    ]
    lines.append(
        f"The mAP of `examples/train/` and of `record_evaluation` differ by at most "
        f"{max(both):.0e}"
        + (f", that of ActivityNet's evaluator by {max(theirs):.0e}." if theirs else ".")
    )
    if missing := [fault for fault in FAULTS if fault not in maps]:
        lines += ["", f"Not run: {', '.join(missing)}."]
    if max([*both, *theirs]) > SAME:
        broken.append("evaluators differ")
    return "\n".join(lines), broken


def write_page(figures: str) -> None:
    """Put the figures between their marks in docs/train.md."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{figures}\n{END}{after}")


def runs_folder(base: Path, minutes: float) -> Path:
    """Where finished runs are kept: another one for other settings or another program."""
    program = [path.read_bytes() for path in sorted(TRAIN.parent.glob("*.py"))]
    made_by = hashlib.sha256(b"".join([SETTINGS.encode(), *program])).hexdigest()
    return base / f"runs-{minutes:g}-{made_by[:8]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", type=Path, help="folder for the world and finished runs")
    parser.add_argument("--activitynet", type=Path, help="folder of ActivityNet's repository")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="CPU time of a training")
    parser.add_argument("--write", action="store_true", help="write into docs/train.md")
    parser.add_argument(
        "--only", choices=FAULTS, nargs="+", default=list(FAULTS), help="compare with these"
    )
    options = parser.parse_args()
    faults = list(dict.fromkeys([TRUE, "shuffled", *options.only]))
    with tempfile.TemporaryDirectory(prefix="bench-train-") as name:
        base = options.keep or Path(name)
        start = time.perf_counter()
        world = make_world(base / "world")
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        rendering = usage.ru_utime + usage.ru_stime
        out = runs_folder(base, options.minutes)
        for fault in faults[1:]:
            with_fault(world, out / fault, fault)
        runs = [Run(fault, seed) for fault in faults for seed in SEEDS]
        with ThreadPoolExecutor(2) as pool:
            found = pool.map(
                partial(
                    run, world, out, minutes=options.minutes, activitynet=options.activitynet
                ),
                runs,
            )  # fmt: skip
            outcomes = dict(zip(runs, found, strict=True))
        ceiling = ReleaseReader(world).manifest()["oracle_ap"]["val"]
        figures, broken = report(outcomes, ceiling, world, options.minutes)
    spent = sum(one.cpu_seconds for one in outcomes.values()) + rendering
    print(figures)
    print(f"\n{spent / 60:.1f} CPU minutes in all ({rendering / 60:.1f} to render), "
          f"{(time.perf_counter() - start) / 60:.1f} minutes.")  # fmt: skip
    if spent / 60 / 2 > MAX_MINUTES:
        broken.append(f"more than {MAX_MINUTES:g} minutes on two cores")
    if options.write:
        write_page(figures)
    sys.exit("\n".join(f"FAILED: {one}" for one in broken) if broken else 0)


if __name__ == "__main__":
    main()
