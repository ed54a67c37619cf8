"""Health checks of an installation (`./ava doctor`): each returns one `CheckResult`."""

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
from datasets.core.media.sandboxed_decoder import active_restrictions
from datasets.core.sizes import size_text
from datasets.models import Dataset
from tracking.detectors.registry import weights_path
from workers.pipeline import QUEUES
from workers.planning import current_faults

LOW_DISK_BYTES = 10 << 30  # a minute of 720p with its frames takes about 0.1 GB
TIMEOUT_SECONDS = 3
TORCH_TIMEOUT_SECONDS = 120
TORCH_PROBE = (
    "import torch; cuda = torch.cuda.is_available(); "
    "print(torch.__version__, torch.cuda.get_device_name() if cuda else '', sep='|')"
)


class Status(StrEnum):
    OK = "ok"
    WARNING = "warn"
    ERROR = "error"


class CheckResult(NamedTuple):
    """The result of one check; `hint` says what to do unless it is ok."""

    subject: str
    status: Status
    message: str
    hint: str = ""


Check = Callable[[], CheckResult]


def check_database() -> CheckResult:
    """The database answers and its migrations are applied."""
    subject = "database"
    config = connection.settings_dict
    name = f"{connection.vendor} {config['NAME']}"
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        hint = "Start it, or correct AVA_DATABASE_URL."
        return CheckResult(subject, Status.ERROR, f"{name} does not answer: {error}", hint)
    if missing:
        message = f"{name} answers, but {len(missing)} migrations are not applied."
        return CheckResult(subject, Status.ERROR, message, "Run ./ava manage bootstrap")
    return CheckResult(subject, Status.OK, f"{name} answers and is up to date.")


def check_account() -> CheckResult:
    """At least one account can log in."""
    try:
        count = User.objects.filter(is_active=True).count()
    except DatabaseError:
        return CheckResult(
            "accounts", Status.WARNING, "Unknown, because the database does not answer."
        )
    if not count:
        hint = "Run ./ava up or ./ava manage bootstrap, which create the first one."
        return CheckResult("accounts", Status.WARNING, "There is no account yet.", hint)
    return CheckResult("accounts", Status.OK, f"{count} can log in.")


def check_broker() -> CheckResult:
    """Redis answers, if one is configured."""
    subject = "broker"
    if not settings.REDIS_URL:
        message = "Not configured. ./ava up and run_pipeline do not need one."
        return CheckResult(subject, Status.OK, message)
    address = urlsplit(settings.REDIS_URL)
    place = f"Redis at {address.hostname}:{address.port or 6379}"
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        hint = "Start it, or correct AVA_REDIS_URL. No work is lost: it is in the database."
        return CheckResult(subject, Status.ERROR, f"{place} does not answer: {error}", hint)
    finally:
        client.close()
    return CheckResult(subject, Status.OK, f"{place} answers.")


def check_workers() -> CheckResult:
    """Each queue has a Celery worker, if there is a broker."""
    subject = "workers"
    if check_broker().status is not Status.OK or not settings.REDIS_URL:
        return CheckResult(
            subject, Status.OK, "Not needed: without a broker ./ava up runs the workers."
        )
    # inspect() merges two workers that were started under the same name.
    answers = app.control.broadcast("active_queues", reply=True, timeout=TIMEOUT_SECONDS) or []
    served = {q["name"] for answer in answers for queues in answer.values() for q in queues}
    idle = [queue for queue in QUEUES if queue not in served]
    if idle:
        hint = " and ".join(
            f"celery -A avaproject worker -Q {queue} -n {queue}@%h" for queue in idle
        )
        return CheckResult(
            subject,
            Status.ERROR,
            f"No worker for queue {', '.join(idle)}.",
            f"Start {hint}",
        )
    return CheckResult(subject, Status.OK, f"{len(answers)} answer; every queue has a worker.")


def check_storage() -> CheckResult:
    """Files can be written, read and deleted, and the disk has space left."""
    subject = "storage"
    place = f"bucket {settings.S3_BUCKET}" if settings.S3_BUCKET else str(settings.MEDIA_ROOT)
    try:
        name = default_storage.save(f"doctor/{os.getpid()}", ContentFile(b"well"))
        with default_storage.open(name) as file:
            is_same = file.read() == b"well"
        default_storage.delete(name)
    except (OSError, BotoCoreError, ClientError) as error:
        hint = "Correct AVA_S3_*." if settings.S3_BUCKET else "Correct AVA_DATA_DIR."
        return CheckResult(subject, Status.ERROR, f"Cannot write to {place}: {error}", hint)
    if not is_same:
        return CheckResult(
            subject, Status.ERROR, f"{place} returns other bytes than were written."
        )
    free = shutil.disk_usage(settings.DATA_DIR).free
    space = f"{size_text(free)} free in {settings.DATA_DIR}"
    if free < LOW_DISK_BYTES:
        hint = "Free disk space, or choose another disk with AVA_DATA_DIR."
        return CheckResult(subject, Status.WARNING, f"{place} works, but only {space}.", hint)
    return CheckResult(subject, Status.OK, f"{place} works; {space}.")


def check_decoder() -> CheckResult:
    """The process that decodes untrusted videos has no access to other files or the network."""
    subject = "video decoder"
    restrictions = active_restrictions()
    missing = [
        what
        for what, stands in (
            ("other files", restrictions.files),
            ("the network", restrictions.network),
        )
        if not stands
    ]
    if missing:
        hint = "Linux 6.7 or later with Landlock blocks this: see docs/production.md."
        message = f"A process that decodes videos can access {' and '.join(missing)}."
        return CheckResult(subject, Status.WARNING, message, hint)
    return CheckResult(
        subject, Status.OK, "Videos are decoded without access to other files or the network."
    )


def check_detector() -> CheckResult:
    """torch can be imported and sees a GPU; tested in a subprocess, because it is large."""
    subject = "detector"
    try:
        answer = subprocess.run(  # noqa: S603  the command is our own
            [sys.executable, "-c", TORCH_PROBE],
            capture_output=True,
            text=True,
            timeout=TORCH_TIMEOUT_SECONDS,
            check=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return CheckResult(
            subject, Status.WARNING, f"torch took over {TORCH_TIMEOUT_SECONDS} s to import."
        )
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or "").strip().splitlines()[-1:] or ["no reason given"]
        hint = "Run ./ava up --torch cpu (or cuda) to install it."
        return CheckResult(
            subject, Status.ERROR, f"torch cannot be imported: {reason[0]}", hint
        )
    version, _, gpu = answer.stdout.strip().partition("|")
    if gpu:
        return CheckResult(subject, Status.OK, f"torch {version} on {gpu}.")
    if settings.DEVICE == "cuda":
        hint = "Install the driver and the CUDA build (--torch cuda), or set AVA_DEVICE=cpu."
        return CheckResult(
            subject, Status.ERROR, f"torch {version} sees no GPU, AVA_DEVICE is cuda.", hint
        )
    hint = "Slow for long videos: see 'GPU' in README.md, or detect every n-th frame only."
    return CheckResult(subject, Status.WARNING, f"torch {version} on the CPU.", hint)


def check_weights() -> CheckResult:
    """The weights files of all datasets exist."""
    subject = "weights"
    try:
        named = set(Dataset.objects.exclude(weights="").values_list("weights", flat=True))
    except DatabaseError:
        return CheckResult(
            subject, Status.WARNING, "Unknown, because the database does not answer."
        )
    missing = sorted(name for name in named if not (weights_path(name) or Path()).exists())
    if missing:
        hint = f"Put them into {settings.WEIGHTS_DIR}, or correct the settings of the datasets."
        return CheckResult(subject, Status.ERROR, f"Not found: {', '.join(missing)}.", hint)
    return CheckResult(subject, Status.OK, f"All {len(named)} weights files of datasets exist.")


def check_cvat() -> CheckResult:
    """Every CVAT server answered at its last connection test."""
    subject = "CVAT"
    try:
        servers = list(CvatServer.objects.all())
    except DatabaseError:
        return CheckResult(
            subject, Status.WARNING, "Unknown, because the database does not answer."
        )
    for server in servers:
        if server.stage == Stage.FAILED:
            hint = "See the page CVAT servers, then test the connection again."
            return CheckResult(subject, Status.ERROR, f"{server}: {server.error}", hint)
    for server in servers:
        for found in server.checks:
            if not found["is_ok"]:
                return CheckResult(
                    subject, Status.WARNING, f"{server}: {found['message']}", found["fix"]
                )
    untested = [str(server) for server in servers if server.stage != Stage.DONE]
    if untested:
        hint = "A worker will test it: see the page CVAT servers."
        return CheckResult(
            subject, Status.WARNING, f"Not tested yet: {', '.join(untested)}.", hint
        )
    named = ", ".join(map(str, servers))
    message = (
        f"Connected: {named}." if servers else "Not configured. Packages work without one."
    )
    return CheckResult(subject, Status.OK, message)


def check_plans() -> CheckResult:
    """Every step of the pipeline can be planned."""
    subject = "planning"
    try:
        faults = current_faults()
    except DatabaseError:
        return CheckResult(
            subject, Status.WARNING, "Unknown, because the database does not answer."
        )
    if faults:
        message = "; ".join(map(str, faults))
        return CheckResult(
            subject, Status.ERROR, message, "New rows of these steps wait until it works again."
        )
    return CheckResult(subject, Status.OK, "Every step can be planned.")


CHECKS: tuple[Check, ...] = (
    check_database,
    check_account,
    check_storage,
    check_decoder,
    check_broker,
    check_workers,
    check_plans,
    check_detector,
    check_weights,
    check_cvat,
)
