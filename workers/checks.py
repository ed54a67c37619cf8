"""Does everything answer that this installation is configured with? In sentences."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import redis
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from annotation.models import CvatServer
from avaproject.base.work import Stage
from avaproject.celery import app
from datasets.core.confined import standing_walls
from datasets.models import Dataset
from tracking.detectors.door import weights_path
from workers.pipeline import QUEUES

LITTLE_SPACE = 10 << 30  # bytes; a minute of 720p with its frames takes about 0.1 GB
SECONDS_TO_ANSWER = 3
SECONDS_FOR_TORCH = 120
ASK_TORCH = (
    "import torch; cuda = torch.cuda.is_available(); "
    "print(torch.__version__, torch.cuda.get_device_name() if cuda else '', sep='|')"
)


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Finding(NamedTuple):
    """What was found about one subject, and what to do unless it is ok."""

    subject: str
    state: State
    sentence: str
    way_out: str = ""


Check = Callable[[], Finding]


def check_database() -> Finding:
    """Does the database answer, and does it have the tables of this version?"""
    subject = "database"
    config = connection.settings_dict
    name = f"{connection.vendor} {config['NAME']}"
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        way_out = "Start it, or correct AVA_DATABASE_URL."
        return Finding(subject, State.WRONG, f"{name} does not answer: {error}", way_out)
    if missing:
        sentence = f"{name} answers; {len(missing)} migrations are missing."
        return Finding(subject, State.WRONG, sentence, "Run ./ava manage migrate")
    return Finding(subject, State.OK, f"{name} answers and is up to date.")


def check_account() -> Finding:
    """Can anybody log in?"""
    try:
        count = User.objects.filter(is_active=True).count()
    except DatabaseError:
        return Finding("accounts", State.NOTE, "Not known: the database does not answer.")
    if not count:
        way_out = "./ava up makes the first one, or run ./ava manage createsuperuser"
        return Finding("accounts", State.NOTE, "Nobody has an account yet.", way_out)
    return Finding("accounts", State.OK, f"{count} can log in.")


def check_broker() -> Finding:
    """Does Redis answer, if there is to be one?"""
    subject = "broker"
    if not settings.REDIS_URL:
        sentence = "None configured; ./ava up and run_pipeline work without one."
        return Finding(subject, State.OK, sentence)
    address = urlsplit(settings.REDIS_URL)
    place = f"Redis at {address.hostname}:{address.port or 6379}"
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=SECONDS_TO_ANSWER)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        way_out = "Start it, or correct AVA_REDIS_URL. Nothing is lost: the database knows."
        return Finding(subject, State.WRONG, f"{place} does not answer: {error}", way_out)
    finally:
        client.close()
    return Finding(subject, State.OK, f"{place} answers.")


def check_workers() -> Finding:
    """Does a Celery worker listen to each queue, if there is a broker?"""
    subject = "workers"
    if check_broker().state is not State.OK or not settings.REDIS_URL:
        return Finding(subject, State.OK, "Without a broker, ./ava up runs them itself.")
    # inspect() would forget one of two workers that were started under the same name.
    answers = (
        app.control.broadcast("active_queues", reply=True, timeout=SECONDS_TO_ANSWER) or []
    )
    served = {q["name"] for answer in answers for queues in answer.values() for q in queues}
    idle = [queue for queue in QUEUES if queue not in served]
    if idle:
        way_out = " and ".join(
            f"celery -A avaproject worker -Q {queue} -n {queue}@%h" for queue in idle
        )
        return Finding(
            subject,
            State.WRONG,
            f"Nobody works on queue {', '.join(idle)}.",
            f"Start {way_out}",
        )
    return Finding(subject, State.OK, f"{len(answers)} answer; every queue is served.")


def check_storage() -> Finding:
    """Can files be written, read and removed, and is there room?"""
    subject = "files"
    place = f"bucket {settings.S3_BUCKET}" if settings.S3_BUCKET else str(settings.MEDIA_ROOT)
    try:
        name = default_storage.save(f"doctor/{os.getpid()}", ContentFile(b"well"))
        with default_storage.open(name) as file:
            is_same = file.read() == b"well"
        default_storage.delete(name)
    except (OSError, BotoCoreError, ClientError) as error:
        way_out = "Correct AVA_S3_*." if settings.S3_BUCKET else "Correct AVA_DATA_DIR."
        return Finding(subject, State.WRONG, f"Cannot write to {place}: {error}", way_out)
    if not is_same:
        return Finding(
            subject, State.WRONG, f"{place} gives back other bytes than were written."
        )
    free = shutil.disk_usage(settings.DATA_DIR).free
    room = f"{free / 1e9:.0f} GB free in {settings.DATA_DIR}"
    if free < LITTLE_SPACE:
        way_out = "Make room, or choose another disk with AVA_DATA_DIR."
        return Finding(subject, State.NOTE, f"{place} works; only {room}.", way_out)
    return Finding(subject, State.OK, f"{place} works; {room}.")


def check_decoder() -> Finding:
    """What keeps a video made to harm from this machine, beside limits on memory and time?"""
    subject = "decoder"
    walls = standing_walls()
    missing = [
        what
        for what, stands in (("other files", walls.files), ("the network", walls.network))
        if not stands
    ]
    if missing:
        way_out = "Linux 6.7 or later with Landlock keeps them away: docs/production.md."
        sentence = f"A process that decodes videos could reach {' and '.join(missing)}."
        return Finding(subject, State.NOTE, sentence, way_out)
    return Finding(subject, State.OK, "Videos are decoded without other files or network.")


def check_detector() -> Finding:
    """Is torch there, and does it see a GPU? Asked in a process of its own: it is heavy."""
    subject = "detector"
    try:
        answer = subprocess.run(  # noqa: S603  the command is our own
            [sys.executable, "-c", ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=SECONDS_FOR_TORCH,
            check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding(subject, State.NOTE, f"torch took over {SECONDS_FOR_TORCH} s to load.")
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        way_out = "Run ./ava up --torch cpu (or cuda) to install it."
        return Finding(subject, State.WRONG, f"torch does not load: {reason[0]}", way_out)
    version, _, gpu = answer.stdout.strip().partition("|")
    if gpu:
        return Finding(subject, State.OK, f"torch {version} on {gpu}.")
    if settings.DEVICE == "cuda":
        way_out = "Install the driver and the CUDA build (--torch cuda), or set AVA_DEVICE=cpu."
        return Finding(
            subject, State.WRONG, f"torch {version} sees no GPU, AVA_DEVICE is cuda.", way_out
        )
    way_out = "Slow for long videos: see 'GPU' in README.md, or look at every n-th frame only."
    return Finding(subject, State.NOTE, f"torch {version} on the CPU.", way_out)


def check_weights() -> Finding:
    """Are the weights there that the datasets name?"""
    subject = "weights"
    try:
        named = set(Dataset.objects.exclude(weights="").values_list("weights", flat=True))
    except DatabaseError:
        return Finding(subject, State.NOTE, "Not known: the database does not answer.")
    missing = sorted(name for name in named if not (weights_path(name) or Path()).exists())
    if missing:
        way_out = f"Put them into {settings.WEIGHTS_DIR}, or correct the datasets' settings."
        return Finding(subject, State.WRONG, f"Not found: {', '.join(missing)}.", way_out)
    return Finding(subject, State.OK, f"All {len(named)} files named by datasets are there.")


def check_cvat() -> Finding:
    """Did every CVAT server answer when it was tested last?"""
    subject = "CVAT"
    try:
        servers = list(CvatServer.objects.all())
    except DatabaseError:
        return Finding(subject, State.NOTE, "Not known: the database does not answer.")
    for server in servers:
        if server.stage == Stage.FAILED:
            way_out = "See the page CVAT servers, then test the connection again."
            return Finding(subject, State.WRONG, f"{server}: {server.error}", way_out)
    for server in servers:
        for found in server.findings:
            if not found["is_ok"]:
                return Finding(
                    subject, State.NOTE, f"{server}: {found['sentence']}", found["way_out"]
                )
    untested = [str(server) for server in servers if server.stage != Stage.DONE]
    if untested:
        way_out = "A worker tests it: see the page CVAT servers."
        return Finding(subject, State.NOTE, f"Not tested yet: {', '.join(untested)}.", way_out)
    named = ", ".join(map(str, servers))
    sentence = f"Answered when tested last: {named}." if servers else "None; packages by hand."
    return Finding(subject, State.OK, sentence)


CHECKS: tuple[Check, ...] = (
    check_database,
    check_account,
    check_storage,
    check_decoder,
    check_broker,
    check_workers,
    check_detector,
    check_weights,
    check_cvat,
)
