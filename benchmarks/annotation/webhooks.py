"""Webhook deliveries at 100 a second to `./ava up` on SQLite, forged ones among them.

    ./ava bench webhooks

The peers, at the same rate in the same run: a static file, and a view that commits one row (a
comment on a task). The slowest hundredth of the deliveries may take five times as long as that
of the view.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DELIVERIES, PER_SECOND = 1500, 100
MAX_RATIO = 5.0
CSRF = "a" * 32
SETUP = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from annotation.models import CvatServer
from annotation.services.cvat.connection import save_server
from tests.make import make_annotator, make_clips, make_dataset, make_run, make_task, make_video
server = save_server(CvatServer(name="lab", url="http://127.0.0.1:9"), token="t")
user = User.objects.create_superuser("bench", password="x")
session = SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session.save()
dataset = make_dataset("bench")
clip = make_clips(make_video(dataset))[0]
task = make_task(make_run(clip), make_annotator(dataset, "ann"))
print(server.uuid, server.secret, session.session_key, task.pk)
"""


def main() -> None:
    from annotation.core.webhook import signature
    from tests.server_process import answer, free_port, running_up, wait_until

    print(f"{DELIVERIES} requests, {PER_SECOND} a second, to ./ava up on SQLite", flush=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with running_up(data, port):
            wait_until(lambda: answer(port) == 200)
            uuid, secret, session, task = set_up(data)
            hook = f"/api/cvat/webhooks/{uuid}/"
            view = f"/datasets/bench/tasks/{task}/comment/"

            def deliver(number: int, key: str = secret) -> tuple[int, float]:
                content = {"event": "update:job", "job": {"id": number, "project_id": 1}}
                before = {"state": "new"} if number % 10 == 0 else {"updated_date": "2026"}
                body = json.dumps(content | {"before_update": before}).encode()
                return ask(port, "POST", hook, body, {"X-Signature-256": signature(body, key)})

            def commit_one_row(number: int) -> tuple[int, float]:
                headers = {
                    "Cookie": f"sessionid={session}; csrftoken={CSRF}", "X-CSRFToken": CSRF,
                    "Content-Type": "application/x-www-form-urlencoded",
                }  # fmt: skip
                return ask(port, "POST", view, f"text=comment+{number}".encode(), headers)

            steady(deliver, 200)  # warm
            steady(commit_one_row, 50)
            found = {
                "a file": steady(lambda _: ask(port, "GET", "/static/css/app.css"), DELIVERIES),
                "a view that commits one row": steady(commit_one_row, DELIVERIES),
                "a delivery": steady(lambda number: deliver(200 + number), DELIVERIES),
                "a forged delivery": steady(
                    lambda number: deliver(9000 + number, "wrong"), DELIVERIES
                ),
            }
    p99 = {name: report(name, times) for name, times in found.items()}
    statuses = {name: {status for status, _ in times} for name, times in found.items()}
    forged = statuses.pop("a forged delivery")
    assert list(statuses.values()) == [{200}, {302}, {200}], statuses
    assert forged == {403, 429}, forged  # most are refused unread
    for name in ("a delivery", "a forged delivery"):
        ratio = p99[name] / p99["a view that commits one row"]
        print(f"  {name}: {ratio:.1f} times the 99th percentile of the view")
        assert ratio <= MAX_RATIO, name


def report(name: str, found: list[tuple[int, float]]) -> float:
    """Print the latencies of one kind of request; the 99th percentile in seconds."""
    taken = sorted(seconds for _, seconds in found)
    p99 = taken[int(len(taken) * 0.99)]
    print(
        f"  {name:28} median {1000 * taken[len(taken) // 2]:6.1f} ms, 99th percentile "
        f"{1000 * p99:6.1f} ms, most {1000 * taken[-1]:6.1f} ms"
    )
    return p99


def set_up(data: Path) -> list[str]:
    """A server, a session and a task in the database of `data`."""
    environment = os.environ | {"AVA_DATA_DIR": str(data)}
    environment.pop("AVA_DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", SETUP],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, float]:
    """The status of the response and the seconds until it arrived."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    given = {"Content-Type": "application/json"} | (headers or {})
    connection.request(method, path, body=body, headers=given)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, time.perf_counter() - began


def steady(deliver: Callable[[int], tuple[int, float]], count: int) -> list[tuple[int, float]]:
    """Deliver at a steady rate, whether or not the previous one was answered."""
    found: list[tuple[int, float]] = []
    lock = threading.Lock()

    def one(number: int) -> None:
        outcome = deliver(number)
        with lock:
            found.append(outcome)

    began = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        for number in range(count):
            pause = began + number / PER_SECOND - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            pool.submit(one, number)
    return found


if __name__ == "__main__":
    import django

    django.setup()
    main()
