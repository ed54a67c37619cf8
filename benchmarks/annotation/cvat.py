"""CVAT: sending in parallel, 200 clips sent and fetched, rows per second.

    ./ava bench cvat

Against the tests' double in a process of its own, on the database of `AVA_DATABASE_URL` (a test
database is made and removed). The peers: sending one after the other, and the same rows written
by plain SQL.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CLIPS, PERSONS, FEW = 200, 8, 20
TOKEN = "a-personal-token"  # noqa: S105  of the double
AS_MEASURED = {"call_seconds": 0.05, "making_seconds": 1.0}  # a CVAT with two import workers


@contextmanager
def double(**options: float) -> Iterator[str]:
    """The address of a double that runs in another process."""
    script = (
        "import sys, json\nfrom tests.cvat_double.server import CvatDouble\n"
        f"with CvatDouble(**{options!r}) as cvat:\n"
        "    cvat.add_user('ann')\n    print(cvat.url, flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
        text=True,
    )  # fmt: skip
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.kill()
        process.wait()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def side_by_side(url: str, name: str, at_a_time: int) -> float:
    from django.conf import settings

    from tests.cvat_double.steps import send_all

    settings.CVAT_CONCURRENCY = at_a_time
    dataset = world(url, name, clips=FEW, persons=2)
    return timed(lambda: send_all(dataset))


def world(url: str, name: str, *, clips: int, persons: int) -> object:
    """A dataset whose project is set up in the double."""
    from annotation.models import CvatServer
    from annotation.services.cvat.connection import save_server
    from annotation.services.cvat.projects import connect_dataset
    from tests.cvat_double.steps import set_up
    from tests.make import make_annotator, make_dataset, make_task
    from tests.stored_files import make_ready_video

    server = CvatServer.objects.filter(url=url).first() or save_server(
        CvatServer(name=name, url=url, organisation="avalab"), token=TOKEN
    )
    dataset = make_dataset(name)
    ann = make_annotator(dataset, "ann")
    video = make_ready_video(dataset, name=name, persons=persons, frame_count=450 * clips)
    for clip in video.clips.all():
        make_task(clip.tracking_runs.get(), ann)
    connect_dataset(dataset, server)
    set_up(dataset)
    return dataset


def there_and_back(url: str) -> None:
    """200 clips with 8 persons: sent, finished, fetched, read."""
    import psutil

    from annotation.models import Annotation, CvatJob, StoredBox
    from annotation.services.cvat.deferral import client_for
    from tests.cvat_double.steps import project_of, read_all, reconciled, send_all

    memory = psutil.Process().memory_info
    dataset = world(url, "all", clips=CLIPS, persons=PERSONS)
    before = memory().rss
    seconds = timed(lambda: send_all(dataset))
    after_sending = memory().rss
    assert CvatJob.objects.filter(project__dataset=dataset).sent().count() == CLIPS
    print(f"  sent      {seconds:6.1f} s, {CLIPS / seconds:5.1f} clips/s")
    client = client_for(project_of(dataset).server)
    for job in CvatJob.objects.filter(project__dataset=dataset):
        client.change_job(job.job_id, state="completed")
    seconds = timed(lambda: reconciled(dataset))
    print(f"  fetched   {seconds:6.1f} s, {CLIPS / seconds:5.1f} clips/s")
    seconds = timed(read_all)
    boxes = StoredBox.objects.filter(task__clip__video__dataset=dataset)
    read = Annotation.objects.filter(version__task__clip__video__dataset=dataset).count()
    rows = read + boxes.count()
    print(f"  read      {seconds:6.1f} s, {rows / seconds:5.0f} rows/s of {rows}")
    rows_per_second(boxes)
    grown = (memory().rss - before) / 2**20
    print(
        f"  memory    {(after_sending - before) / 2**20:+.0f} MB by sending, {grown:+.0f} MB "
        f"in all: {grown * 1024 / CLIPS:.0f} kB a clip"
    )


def rows_per_second(boxes: Any) -> None:
    """The stored boxes written again, by `bulk_create` and by plain SQL."""
    from annotation.models import StoredBox
    from annotation.services.answers import BATCH_SIZE

    rows = [
        StoredBox(**values)
        for values in boxes.values(
            "version_id", "task_id", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr",
            "outside", "attributes", "annotator",
        )
    ]  # fmt: skip
    boxes.delete()
    ours = timed(lambda: StoredBox.objects.bulk_create(rows, batch_size=BATCH_SIZE))
    bare = timed(lambda: plain_sql(rows))
    print(
        f"  written   {len(rows) / ours:6.0f} rows/s of {len(rows)}; as plain SQL "
        f"{len(rows) / bare:.0f} rows/s, {ours / bare:.1f} times as fast"
    )


def plain_sql(boxes: list[Any]) -> None:
    """The same rows into a table with the same columns and keys."""
    from django.db import connection

    columns = (
        "version_id", "task_id", "job", "track", "frame", "xtl", "ytl", "xbr", "ybr", "outside",
        "attributes", "annotator",
    )  # fmt: skip
    rows = [
        [json.dumps(value) if name == "attributes" else value for name, value in
         ((name, getattr(box, name)) for name in columns)]
        for box in boxes
    ]  # fmt: skip
    one = "(" + ", ".join(["%s"] * len(columns)) + ")"
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE plain (version_id int, task_id int, job int, track int, "
            "frame int, xtl float, ytl float, xbr float, ybr float, outside boolean, "
            "attributes text, annotator text, UNIQUE (version_id, track, frame))"
        )
        cursor.execute("CREATE INDEX plain_task ON plain (task_id)")
        for start in range(0, len(rows), 500):
            part = rows[start : start + 500]
            places = ", ".join([one] * len(part))
            flat = [value for row in part for value in row]
            cursor.execute(
                f"INSERT INTO plain ({', '.join(columns)}) VALUES {places}",  # noqa: S608
                flat,
            )
        cursor.execute("DROP TABLE plain")


def main() -> None:
    import django

    django.setup()
    bridge()


def bridge() -> None:
    """Sending, fetching and reading, on a test database."""
    from django.conf import settings
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    import annotation.cvat.client as client

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings.DATA_DIR = Path(folder)
            settings.MEDIA_ROOT = Path(folder) / "media"
            print(f"{FEW} clips, 50 ms a call, 1 s to make a task, two at a time in CVAT")
            with double(**AS_MEASURED) as url:
                alone = side_by_side(url, "alone", 1)
                together = side_by_side(url, "together", 8)
            print(f"  one at a time {alone:.1f} s, in parallel {together:.1f} s")
            print(f"  {alone / together:.1f} times as fast")
            assert alone / together >= 1.7
            print(f"{CLIPS} clips with {PERSONS} persons on {connection.vendor}, no delays")
            with double() as url:
                there_and_back(url)
            client.close_clients()
    finally:
        teardown_databases(databases, verbosity=0)


if __name__ == "__main__":
    main()
