"""Celery mode: send the rows that are ready to the queues.

Messages are hints, and may be lost with the broker or a worker. So a row is sent again after
`RESEND_AFTER`, unless its message still waits in Redis. A step has at most `LIMIT` messages
there, so the queues stay short and no step starves.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable

import redis
from celery import Task
from django.conf import settings

from workers.pipeline import QUEUES
from workers.planning import Planner, end_dead_claims

LIMIT = 100  # messages of one step
TIMEOUT_SECONDS = 5
FIRST_ARGUMENT = re.compile(r"\((\d+),")

Send = Callable[[Task, int], object]


def advance(
    send: Send = Task.delay, *, planner: Planner | None = None, limit: int = LIMIT
) -> int:
    """Plan all steps and enqueue the rows that are ready, oldest first; return how many.

    It may run at any time and in parallel: a row enqueued twice is claimed once.
    """
    ready = (planner or Planner()).run_round()
    held = held_messages() if ready else {}
    enqueued = 0
    for step in ready:
        waiting = held.get(step.task.name, set())
        end_dead_claims(step.rows)
        for pk in step.rows.enqueue(max(limit - len(waiting), 0), held=waiting):
            send(step.task, pk)
            enqueued += 1
    return enqueued


def held_messages() -> dict[str, set[int]]:
    """Keys of the rows whose messages wait in Redis, by task; empty without Redis.

    What a worker has taken is not counted: then the row is claimed, or the worker is dead.
    """
    if not settings.REDIS_URL:
        return {}
    options = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}
    with redis.Redis.from_url(settings.REDIS_URL, **options) as client:
        messages = [one for queue in QUEUES for one in client.lrange(queue, 0, -1)]
    held = defaultdict(set)
    for message in messages:
        headers = json.loads(message)["headers"]
        if key := FIRST_ARGUMENT.match(headers.get("argsrepr", "")):
            held[headers["task"]].add(int(key[1]))
    return held
