"""Runs the recipes of docs/train.md in clean environments, and writes them into the page.

    python -m benchmarks.training._recipes --work DIR [--only NAME] [--write]

Each script of `examples/recipes/` gets a virtual environment of its own in DIR, trains for a
few steps on a small rendered release, and is removed. What it printed stays in DIR/NAME.log.
With `uv` on the path, that installs in place of pip. `GIT_CONFIG_*` can name mirrors.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import NamedTuple

from benchmarks.training._world import make_world

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs/train.md"
VIDEOS = 4  # of the small release: three train, one val
PACKAGES = ("torch", "torchvision", "numpy", "mmengine", "mmcv-lite", "mmdet")
WIDTH = 110  # characters of a line of output


class Recipe(NamedTuple):
    """How a script is tried on a CPU.

    Attributes:
        small: What is put in place of a text of the script, to finish in minutes.
        shown: Of the output, the last line with each of these texts is shown.
    """

    small: tuple[str, str]
    shown: tuple[str, ...]


RECIPES = {
    "mmaction2": Recipe(
        (
            'slowfast_r50.py"',
            'slowfast_r50.py" --work-dir work --cfg-options model.init_cfg=None '
            "train_cfg.max_epochs=1 train_dataloader.batch_size=3 "
            "train_dataloader.num_workers=0 train_dataloader.persistent_workers=False "
            "val_dataloader.num_workers=0 val_dataloader.persistent_workers=False "
            "train_dataloader.dataset.indices=6 default_hooks.logger.interval=1 "
            "train_dataloader.dataset.pipeline.2.scale_range='(128,160)' "
            "train_dataloader.dataset.pipeline.3.size=128 "
            "val_dataloader.dataset.pipeline.2.scale='(-1,128)'",
        ),
        ("Epoch(train)", "mAP/overall"),
    ),
    "slowfast": Recipe(
        (
            "NUM_GPUS 1 TRAIN.BATCH_SIZE 8 TRAIN.CHECKPOINT_FILE_PATH SLOWFAST_8x8_R50.pkl",
            "NUM_GPUS 0 TRAIN.BATCH_SIZE 3 TEST.BATCH_SIZE 3 SOLVER.MAX_EPOCH 1 LOG_PERIOD 1 "
            "DATA.NUM_FRAMES 8 DATA.TRAIN_CROP_SIZE 128 DATA.TEST_CROP_SIZE 128 "
            "DATA.TRAIN_JITTER_SCALES '[128,160]' LOG_MODEL_INFO False "
            "DATA_LOADER.NUM_WORKERS 0 DATA_LOADER.PIN_MEMORY False",
        ),
        ('"train_iter"', "mAP@0.5IOU"),
    ),
    "pytorchvideo": Recipe(('"$RELEASE"', '"$RELEASE" 6 128 7'), ("step 5", "val:")),
    "activitynet": Recipe(("", ""), ("mAP@0.5IOU",)),
}


def run(name: str, work: Path, environment: dict[str, str]) -> dict[str, str]:
    """Install and run one recipe; what its output shows, or that it stopped."""
    recipe, folder, log = RECIPES[name], work / name, work / f"{name}.log"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder / "venv", with_pip=True)
    lines = (EXAMPLES / f"recipes/{name}.sh").read_text()
    assert recipe.small[0] in lines, f"{name}.sh has no {recipe.small[0]}"
    lines = lines.replace(*recipe.small) if recipe.small[0] else lines
    pip = 'pip() { uv pip "$@"; }' if shutil.which("uv") else ""
    script = f"set -exo pipefail\ncd {folder}\n. venv/bin/activate\n{pip}\n{lines}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("w") as out:
        done = subprocess.run(["bash", "-c", script], env=environment, stdout=out, stderr=out)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {"result": "ran" if done.returncode == 0 else "stopped"}
    printed = log.read_text(errors="replace").splitlines()
    for wanted in recipe.shown:
        its = [line.strip() for line in printed if wanted in line and line[0] != "+"]
        if its:
            found[wanted] = its[-1]
        elif done.returncode == 0:
            found["result"] = f"printed no {wanted}"
    found["cpu_seconds"] = f"{after.ru_utime + after.ru_stime - before.ru_utime:.0f}"
    found["versions"] = _versions(folder / "venv/bin/python")
    shutil.rmtree(folder)
    return found


def _versions(python: Path) -> str:
    program = (
        "import importlib.metadata as m, json, platform, sys\nfound = {}\n"
        "for name in sys.argv[1:]:\n    try:\n        found[name] = m.version(name)\n"
        "    except m.PackageNotFoundError:\n        pass\n"
        "print(', '.join([f'Python {platform.python_version()}', "
        "*(f'{n} {v}' for n, v in found.items())]))"
    )
    done = subprocess.run(
        [str(python), "-c", program, *PACKAGES], capture_output=True, text=True
    )
    return done.stdout.strip()


def section(name: str, found: dict[str, str]) -> str:
    """The text of a recipe, and what came of it."""
    lines = (EXAMPLES / f"recipes/{name}.sh").read_text()
    text = f"```bash\n{lines}```\n\n"
    output = "\n".join(
        _plain(found[wanted])[:WIDTH] for wanted in RECIPES[name].shown if wanted in found
    )
    steps = ", a few small steps" if RECIPES[name].small[0] else ""
    text += f"Run with {found['versions']}{steps}, on a CPU: it {found['result']}.\n"
    return text + (f"\n```text\n{output}\n```\n" if output else "")


def _plain(line: str) -> str:
    """A line of a log without time and module."""
    return re.sub(r"^\[[^]]*\]\[[^]]*\]\s*\S*:\s*\d*:?\s*|^.* - INFO - ", "", line)


def write_page(results: dict[str, dict[str, str]]) -> None:
    """Put each recipe that was run between its marks in docs/train.md; the others stay."""
    text = PAGE.read_text()
    for name, found in results.items():
        begin, end = f"<!-- recipe {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{section(name, found)}{end}{after}"
    PAGE.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for environments, logs"
    )
    parser.add_argument("--only", choices=RECIPES, action="append")
    parser.add_argument("--results", type=Path, help="results file for the evaluator")
    parser.add_argument("--release", type=Path, help="its release; default: a small one")
    parser.add_argument("--write", action="store_true", help="write into docs/train.md")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    release = (options.release or make_world(options.work / "release", videos=VIDEOS)).resolve()
    kept = options.work / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name in options.only or RECIPES:
        environment = os.environ | {
            "RELEASE": str(release), "EXAMPLES": str(EXAMPLES), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        if name == "activitynet":
            if options.results is None:
                continue
            environment["RESULTS"] = str(options.results.resolve())
        results[name] = run(name, options.work.resolve(), environment)
        kept.write_text(json.dumps(results, indent=1))
        print(name, json.dumps(results[name], indent=1), flush=True)
    if options.write:
        write_page(results)
    failed = [name for name, found in results.items() if found["result"] != "ran"]
    sys.exit(f"Stopped: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
