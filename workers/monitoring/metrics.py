"""Metrics for Prometheus, read from the database when they are asked for.

One process answers for all, since rows are the work orders: no process has to be scraped to
know what it does. `docs/monitoring/` has a Grafana dashboard and alert rules for them.
"""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import redis
from django.conf import settings
from django.db.models import Max, Min, Q
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from annotation.models import CvatServer, WebhookDelivery
from avaproject import VERSION
from avaproject.base.work import Stage
from workers.pipeline import QUEUES, STEPS, Step
from workers.planning import current_faults

TIMEOUT_SECONDS = 3
GPU_FIELDS = ("utilization.gpu", "memory.used", "memory.total")  # per cent, MiB, MiB


def exposition() -> bytes:
    """All metrics in Prometheus' text format. Raises DatabaseError."""
    registry = CollectorRegistry()
    registry.register(StudioCollector())
    return generate_latest(registry)


class StudioCollector(Collector):
    """Queues, steps, CVAT, disk and GPU."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("ava", "Version of AVA Studio.", {"version": VERSION})
        yield from _steps()
        yield from _cvat()
        yield from _machine()
        yield _gauge("ava_plan_faults", "Steps whose plan fails.", len(current_faults()))
        messages = GaugeMetricFamily(
            "ava_broker_messages", "Messages that wait in Redis.", labels=["queue"]
        )
        for queue, count in _messages().items():
            messages.add_metric([queue], count)
        yield messages


def _steps() -> Iterator[Metric]:
    labels = ["step", "queue"]
    rows = GaugeMetricFamily("ava_rows", "Rows of a step.", labels=[*labels, "stage"])
    held = GaugeMetricFamily("ava_rows_held_up", "Rows that a fault keeps.", labels=labels)
    oldest = GaugeMetricFamily(
        "ava_oldest_waiting_seconds",
        "Time since the row that waits longest without a pause changed.",
        labels=labels,
    )
    ended = GaugeMetricFamily(
        "ava_rows_ended_last_hour", "Rows that ended in this hour.", labels=[*labels, "stage"]
    )
    for step in STEPS:
        named = [step.name, step.queue]
        for stage, count in step.rows.counts().items():
            rows.add_metric([*named, stage], count)
        held.add_metric(named, step.rows.held_up().count())
        oldest.add_metric(named, _oldest(step))
        for stage, count in _ended(step).items():
            ended.add_metric([*named, stage], count)
    yield from (rows, held, oldest, ended)


def _oldest(step: Step) -> float:
    """Seconds, 0 if no row can be claimed."""
    since = step.rows.claimable().aggregate(since=Min("modified_at"))["since"]
    return (timezone.now() - since).total_seconds() if since else 0.0


def _ended(step: Step) -> dict[str, int]:
    hour = timezone.now() - timedelta(hours=1)
    recent = step.rows.filter(modified_at__gte=hour, finished_at__gte=hour)
    counts = recent.counts()
    return {stage: counts[stage] for stage in (Stage.DONE.value, Stage.FAILED.value)}


def _cvat() -> Iterator[Metric]:
    fails = GaugeMetricFamily(
        "ava_cvat_failing", "1 if the last connection test failed.", labels=["server"]
    )
    last = GaugeMetricFamily(
        "ava_cvat_last_delivery_seconds", "Time since the last webhook.", labels=["server"]
    )
    servers = CvatServer.objects.annotate(last=Max("deliveries__received_at"))
    for server in servers:
        fails.add_metric([server.name], server.stage == Stage.FAILED)
        if server.last:
            age = (timezone.now() - server.last).total_seconds()
            last.add_metric([server.name], age)
    waiting = WebhookDelivery.objects.filter(~Q(stage=Stage.DONE))
    oldest = waiting.aggregate(since=Min("received_at"))["since"]
    lag = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield from (fails, last)
    yield _gauge("ava_webhook_lag_seconds", "Age of the oldest delivery not read.", lag)


def _machine() -> Iterator[Metric]:
    disk = shutil.disk_usage(settings.DATA_DIR)
    yield _gauge("ava_disk_free_bytes", "Free space of the data folder.", disk.free)
    yield _gauge("ava_disk_bytes", "Size of the disk of the data folder.", disk.total)
    use = GaugeMetricFamily("ava_gpu_use_ratio", "Use of a GPU.", labels=["gpu"])
    used = GaugeMetricFamily("ava_gpu_memory_used_bytes", "Its used memory.", labels=["gpu"])
    total = GaugeMetricFamily("ava_gpu_memory_bytes", "Its memory.", labels=["gpu"])
    for number, (percent, used_mib, total_mib) in enumerate(_gpus()):
        gpu = [str(number)]
        use.add_metric(gpu, percent / 100)
        used.add_metric(gpu, used_mib * 2**20)
        total.add_metric(gpu, total_mib * 2**20)
    yield from (use, used, total)


def _gpus() -> list[list[float]]:
    """Use in per cent, used and total memory in MiB of the GPUs of this machine."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(  # noqa: S603  the program of the driver
            [program, *query],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=True,
        )
        return [
            [float(text) for text in line.split(",")] for line in answer.stdout.splitlines()
        ]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _messages() -> dict[str, int]:
    if not settings.REDIS_URL:
        return {}
    timeouts = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
    try:
        with redis.Redis.from_url(settings.REDIS_URL, **timeouts) as client:
            return {queue: client.llen(queue) for queue in QUEUES}
    except (redis.RedisError, OSError):
        return {}


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
