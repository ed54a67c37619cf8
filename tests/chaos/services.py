"""The services of a chaos run: PostgreSQL, Redis, S3, the CVAT double, the product itself."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.server_process import ServerProcess, Watchdog, free_port, wait_until
from tests.system.s3_server import Bucket, settings_of

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
CVAT = """
import json, sys
import time
from tests.cvat_double.server import CvatDouble
class Newest(CvatDouble):
    def job_of(self, name):  # every dataset has tasks of these names
        with self.state.lock:
            self.state.finish_requests(time.monotonic())
            tasks = [one["id"] for one in self.state.tasks.values() if one["name"] == name]
            return next(one for one in self.state.jobs.values() if one["task_id"] == max(tasks))
with Newest() as cvat:
    for name in ("ann", "bob", "cem"):
        cvat.add_user(name)
    print(cvat.url, flush=True)
    for line in sys.stdin:
        name, values, more = json.loads(line)
        try:
            getattr(cvat, name)(*values, **more)
            print("", flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
"""


def program(name: str) -> str:
    """The path of a program of PostgreSQL or Redis."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name) or shutil.which(
        name, path=os.pathsep.join(map(os.fspath, places))
    )
    if found is None:
        sys.exit(f"There is no {name} here. On Debian: apt-get install postgresql redis-server")
    return found


class Postgres:
    """A PostgreSQL cluster of its own, owned by an ordinary user, as the server demands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "postgres"
        self.folder.mkdir(mode=0o700)
        self.port = free_port()
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(self.folder, "nobody", "nogroup")
        self._run("initdb", "-A", "trust", "-U", "ava", "-D", str(self.folder))
        self.come()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ava", "ava")

    @property
    def url(self) -> str:
        return f"postgres://ava@127.0.0.1:{self.port}/ava"

    def come(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c max_connections=200"
        options += " -c unix_socket_directories=''"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))
        self._watchdog = Watchdog(int((self.folder / "postmaster.pid").read_text().split()[0]))

    def go(self, how: str) -> None:
        """Stop it: `fast` asks its clients to leave, `immediate` is a crash."""
        self._watchdog.end()
        self._control("stop", "-m", how)

    def end_connections(self) -> None:
        """End the connections of all clients but this one."""
        self._run(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "ava", "-d", "ava", "-c",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE usename = 'ava' AND pid <> pg_backend_pid()",
        )  # fmt: skip

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder), "-w", *words)

    def _run(self, name: str, *words: str) -> None:
        subprocess.run(
            [program(name), *words], cwd="/", check=True, env={"PATH": os.environ["PATH"]},
            **QUIET, **self._user,
        )  # fmt: skip


class Redis:
    """A Redis without persistence."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: ServerProcess | None = None
        self.come()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def come(self) -> None:
        self._process = ServerProcess(
            [program("redis-server"), "--port", str(self.port), "--save", "", "--appendonly",
             "no", "--bind", "127.0.0.1"], cwd="/", **QUIET,
        )  # fmt: skip
        wait_until(self._answers)

    def _answers(self) -> bool:
        import redis

        try:
            return bool(redis.Redis.from_url(self.url).ping())
        except redis.ConnectionError:
            return False

    def go(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def empty(self) -> None:
        import redis

        redis.Redis.from_url(self.url).flushall()


class Cvat:
    """The CVAT double in a process of its own; it answers calls of its users one by one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CVAT], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._lock = threading.Lock()
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()

    def do(self, name: str, *values: object, **more: object) -> None:
        """Call a method of the double. Raises RuntimeError with what it raised."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            print(json.dumps([name, values, more]), file=self._process.stdin, flush=True)
            if error := self._process.stdout.readline().strip():
                raise RuntimeError(error)

    def go(self) -> None:
        self._process.kill()
        self._process.wait()


class Programs:
    """The processes of the product, started again when they end, as containers are."""

    def __init__(self, environment: dict[str, str], folder: Path, port: int) -> None:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A", "avaproject"]
        self.commands = {
            "web": [sys.executable, "manage.py", "serve", "--port", str(port)],
            "beat": [*celery, "beat", "--max-interval", "1"],
            "cpu": [*celery, "worker", "-Q", "cpu", "-n", "cpu@chaos", "-c", "2"],
            "gpu": [*celery, "worker", "-Q", "gpu", "-n", "gpu@chaos", "-c", "1"],
        }  # fmt: skip
        self.processes: dict[str, ServerProcess] = {}
        self._environment, self._folder = environment, folder
        self._is_over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def _keep(self) -> None:
        while not self._is_over.wait(1.0):
            for name, command in self.commands.items():
                running = self.processes.get(name)
                if running is None or running.poll() is not None:
                    with (self._folder / f"{name}.log").open("ab") as log:
                        self.processes[name] = ServerProcess(
                            command, cwd=ROOT, env=self._environment, stdout=log, stderr=log,
                            start_new_session=True,
                        )  # fmt: skip

    def pid(self, name: str) -> int:
        return self.processes[name].pid

    def children(self, name: str) -> list[int]:
        """The processes of the pool, without decoders and what else they start."""
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.pid(name)).children()]
        return []

    def stop(self) -> None:
        self._is_over.set()
        self._keeper.join()
        for process in self.processes.values():
            process.terminate()
        end = time.monotonic() + SECONDS
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(end - time.monotonic(), 0.1))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


class Installation:
    """All services and programs; `clock` is the file that steps the programs' clock."""

    def __init__(self, folder: Path, *, lease: int) -> None:
        self.folder, self.port = folder, free_port()
        self.postgres, self.redis, self.cvat = Postgres(folder), Redis(), Cvat()
        self.bucket = Bucket(folder / "bucket")
        self.bucket.folder.mkdir()
        self.bucket.come()
        self.clock: Path | None = None
        data = folder / "data"
        self.environment = settings_of(self.bucket.address) | {
            "AVA_DATABASE_URL": self.postgres.url,
            "AVA_REDIS_URL": self.redis.url,
            "AVA_DATA_DIR": str(data),
            "AVA_LEASE_SECONDS": str(lease),
            "AVA_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "AVA_LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": "avaproject.settings",
            "OMP_NUM_THREADS": "1",
        }
        self._programs: Programs | None = None

    def start_programs(self) -> None:
        base = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        environment = base | self.environment
        if library := next(Path("/").glob(FAKETIME[1:]), None):
            self.clock = self.folder / "clock"
            self.step_clock(0)
            environment |= {
                "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "PYTHONPATH": str(Path(__file__).with_name("clock")),
            }  # fmt: skip
        self._programs = Programs(environment, self.folder, self.port)

    @property
    def programs(self) -> Programs:
        assert self._programs
        return self._programs

    def step_clock(self, seconds: int) -> None:
        """Set the clock of all programs so many seconds off."""
        assert self.clock
        beside = self.clock.with_name("clock.new")
        beside.write_text(f"{seconds:+d}\n")
        beside.replace(self.clock)

    def stop(self) -> None:
        if self._programs:
            self._programs.stop()
        self.cvat.go()
        self.redis.go()
        self.bucket.go()
        with suppress(subprocess.CalledProcessError):
            self.postgres.go("immediate")


@contextmanager
def installation(folder: Path, *, lease: int) -> Iterator[Installation]:
    """All services, empty; stopped at the end."""
    made = Installation(folder, lease=lease)
    try:
        yield made
    finally:
        made.stop()
