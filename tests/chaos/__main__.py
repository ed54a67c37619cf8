"""The whole pipeline under faults: `./ava chaos [--minutes 10] [--faults 110] [--seed 1]`.

PostgreSQL, Redis, an S3 server and the CVAT double are started in a temporary folder, with the
web server, beat and Celery workers of the product as separate processes. Datasets are taken
from a zip to a release, one after another: the first undisturbed, the others under faults.
Their releases must be the same, and no row or file lost, doubled or left over. Otherwise it
exits with code 1.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

LEASE = 15  # seconds
EXTRA_SECONDS = 60  # seconds that a row may wait without a cause, beside the lease
MOST_SHOWN = 40  # faults
STAGE_SHARE = 1.5  # of the minutes of faults that one stage may take


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ava chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults happen")
    parser.add_argument("--faults", type=int, default=110, help="how many, at least")
    parser.add_argument("--seed", type=int, default=1, help="chooses the faults and moments")
    parser.add_argument("--keep", action="store_true", help="keep the folder with its logs")
    options = parser.parse_args()
    from tests.chaos.services import installation

    with _kept() if options.keep else tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another user
        with installation(folder, lease=LEASE) as made:
            os.environ.update(made.environment)
            import django

            django.setup()
            from django.core.management import call_command

            call_command("bootstrap", verbosity=0)
            return run(made, folder, options)


class _kept:  # noqa: N801  like tempfile's
    def __enter__(self) -> str:
        name = tempfile.mkdtemp(prefix="chaos-")
        print(f"Everything stays in {name}.")
        return name

    def __exit__(self, *error: object) -> None:
        pass


def run(made, folder: Path, options: argparse.Namespace) -> int:  # type: ignore[no-untyped-def]
    from datasets.models import Dataset
    from datasets.services.delete import delete
    from tests.chaos.faults import Faults
    from tests.chaos.users import Users, files_below, make_videos, tried
    from tests.chaos.verdict import (
        Watch,
        file_faults,
        release_content,
        row_counts,
        temporary_faults,
    )

    make_videos(folder)
    made.start_programs()
    if not made.clock:
        print("libfaketime is not here (apt-get install faketime): the clock is not stepped.")
    faults = Faults(made, random.Random(options.seed), LEASE)
    limit = max(60 * options.minutes * STAGE_SHARE, 600.0)
    users = Users(made, folder / "videos.zip", folder / "detections", limit)
    wrong: list[str] = []
    began = time.monotonic()
    print("Undisturbed: ", end="", flush=True)
    expected = release_content(users.walk("walk-00"))
    undisturbed = Dataset.objects.get(name="walk-00")
    counts = row_counts(undisturbed)
    print(f"{time.monotonic() - began:.0f} s, {len(expected)} files in the release.")

    watch = Watch(made, faults.kinds, LEASE + EXTRA_SECONDS)
    end = time.monotonic() + 60 * options.minutes
    injector = threading.Thread(target=inject, args=(faults, end, options.faults), daemon=True)
    began, walks = time.monotonic(), 0
    injector.start()
    while injector.is_alive():
        walks += 1
        name, started = f"walk-{walks:02d}", time.monotonic()
        release = users.walk(name)
        print(f"{name}: released after {time.monotonic() - started:.0f} s", flush=True)
        found = tried(lambda release=release: release_content(release))
        wrong += [f"{name}: {fault}" for fault in differences(expected, found)]
        dataset = tried(lambda name=name: Dataset.objects.get(name=name))
        its = tried(lambda dataset=dataset: row_counts(dataset))
        wrong += [
            f"{name}: {its[model]} rows of {model}, not {counts[model]}"
            for model in sorted(its.keys() | counts.keys())
            if its[model] != counts[model]
        ]
        users.delete_video(dataset)
        if walks > 1:
            last = f"walk-{walks - 1:02d}"
            tried(lambda last=last: delete(Dataset.objects.get(name=last)))
    injector.join()
    faults.end()
    took = time.monotonic() - began
    left_open = finish_all(folder / "data")
    wrong += left_open
    for dataset in Dataset.objects.all():
        wrong += list(file_faults(dataset))
    names = set(Dataset.objects.values_list("name", flat=True))
    wrong += [
        f"orphaned: {name}"
        for name in sorted(files_below(""))
        if name.partition("/")[0] not in names and name != "probe"
    ]
    wrong += list(temporary_faults(folder / "data"))
    watch.stop()
    wrong += watch.faults
    if not users.web_answers():
        wrong.append("the web server does not answer at the end")
    return report(faults.kinds, walks, took, watch.longest, wrong)


def inject(faults, end: float, count: int) -> None:  # type: ignore[no-untyped-def]
    """Do `count` faults until `end`; one that found nothing to do is tried again."""
    from django.db import connection

    from avaproject.base.database_faults import FAULTS

    schedule = faults.schedule(count)
    while schedule:
        pause = (end - time.monotonic()) / len(schedule)
        time.sleep(max(pause, 0.5) * random.uniform(0.5, 1.5))
        kind = schedule.pop(0)
        try:
            is_done = kind.inject()
        except (*FAULTS, OSError, RuntimeError):
            is_done = False
        finally:
            connection.close()
        if is_done:
            kind.count += 1
            kind.moments.append(time.monotonic())
        else:
            schedule.insert(random.randint(0, min(3, len(schedule))), kind)


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """The files of a release that are not those of the undisturbed one."""
    wrong = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    wrong += [f"{name} is new" for name in sorted(found.keys() - expected.keys())]
    both = sorted(expected.keys() & found.keys())
    return wrong + [f"{name} differs" for name in both if expected[name] != found[name]]


def finish_all(data: Path) -> list[str]:
    """Wait until nothing is left to do; what is open or failed after that."""
    from datasets.models import PendingDeletion
    from tests.chaos.verdict import temporary_faults
    from workers.pipeline import STEPS

    end = time.monotonic() + 600
    while time.monotonic() < end:
        is_open = any(step.rows.open().exists() for step in STEPS)
        has_files = next(temporary_faults(data), None)
        if not is_open and not has_files and not PendingDeletion.objects.exists():
            break
        time.sleep(2)
    return [
        f"{step.name} {row} is {row.stage}: {row.error}"
        for step in STEPS
        for row in step.rows.exclude(stage="done")
    ] + [f"not removed: {row.name}" for row in PendingDeletion.objects.all()]


def report(kinds, walks: int, took: float, longest: float, wrong: list[str]) -> int:  # type: ignore[no-untyped-def]
    """Print the table of faults and the figures; 1 if something is wrong."""
    print(f"\n{'fault':42} {'times':>5}  seconds to the next finished row: median, most")
    for kind in kinds:
        times = kind.recovered
        middle, most = (statistics.median(times), max(times)) if times else (0.0, 0.0)
        print(f"{kind.name:42} {kind.count:5}  {middle:6.1f} {most:6.1f}")
    total = sum(kind.count for kind in kinds)
    print(f"{'all':42} {total:5}")
    print(
        f"\n{walks} releases under {total} faults in {took / 60:.1f} minutes. The longest wait "
        f"of a row without a cause: {longest:.0f} s of {LEASE + EXTRA_SECONDS} allowed."
    )
    if total < 100:
        wrong.append(f"only {total} faults, not 100")
    for fault in wrong[:MOST_SHOWN]:
        print(f"WRONG {fault}")
    if len(wrong) > MOST_SHOWN:
        print(f"WRONG and {len(wrong) - MOST_SHOWN} more")
    print("Failed." if wrong else "Releases, rows and files are those of an undisturbed run.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
