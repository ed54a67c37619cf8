"""Every container's command of docker-compose.yml, in order, as its container would run it.

With its environment, without capabilities, on a file system that cannot be written but for its
volumes, until its own health check passes; then SIGTERM, at which each must end by itself.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg2
import pytest
import yaml
from psycopg2 import sql

from tests.server_process import free_port
from tests.system.test_celery import HAS_SERVICES, MUST_HAVE

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
STARTED = ("web", "beat", "worker-cpu", "worker-detect")
SECONDS = 180
PROGRAMS = {"python": sys.executable, "celery": f"{sys.executable} -m celery"}
PROGRAM = re.compile(r"\b(?:python|celery)\b(?= (?:manage|-))")
CONFINED = (
    "mount --make-rprivate / && mount --bind {volumes} {volumes}"
    " && mount -o remount,bind,ro / && cd {root}"
    " && exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs {user} {command}"
)


def can_confine() -> bool:
    probe = "mount --make-rprivate / && mount -o remount,bind,ro /"
    return (
        os.geteuid() == 0
        and subprocess.run(["unshare", "-m", "sh", "-c", probe], check=False).returncode == 0
    )


pytestmark = [
    pytest.mark.services,
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_SERVICES and not MUST_HAVE, reason="needs PostgreSQL and Redis"),
    pytest.mark.skipif(
        sys.platform != "linux" or not can_confine(),
        reason="needs root, and the right to mount",
    ),
]


class Server:
    """A machine with the volumes, the secrets and the network of the compose file."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder, self.port = folder, str(free_port())
        self.places = {
            "postgres://ava@db:5432/ava": database,
            # Not the one of the tests that run at the same time, whose messages it would take.
            "redis://redis:6379/0": f"{os.environ['AVA_REDIS_URL'].rpartition('/')[0]}/14",
            "/run/secrets": str(folder / "secrets"),
            "/app/collected": str(folder / "collected"),
            "/data": str(folder / "data"),
            "/scratch": str(folder / "scratch"),
            "8000": self.port,
        }
        for name in ("secrets", "data", "scratch"):
            (folder / name).mkdir()
        for name in ("postgres_password", "secret_key"):
            (folder / "secrets" / name).write_text("a-secret-of-this-test")

    def here(self, text: str) -> str:
        """`text` of the compose file with the places of this machine."""
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text).replace("$$", "$")
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        given = {key: self.here(value) for key, value in COMPOSE[name]["environment"].items()}
        scratch = self.places["/scratch"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return given | {
            "PATH": path,
            "HOME": scratch,
            "TMPDIR": scratch,
            "OMP_NUM_THREADS": "1",
        }

    def start(self, name: str) -> subprocess.Popen[bytes]:
        words = COMPOSE[name].get("command") or image_command()
        if name == "web":
            words = [*words, "--port", self.port]
        return self._run(name, shlex.join(self.here(word) for word in words))

    def is_healthy(self, name: str) -> bool:
        kind, *words = COMPOSE[name]["healthcheck"]["test"]
        command = [self.here(word) for word in words]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", *command]
        return self._run(name, shlex.join(command)).wait() == 0

    def _run(self, name: str, command: str) -> subprocess.Popen[bytes]:
        command = PROGRAM.sub(lambda found: PROGRAMS[found[0]], command)
        script = CONFINED.format(
            volumes=shlex.quote(str(self.folder)), root=ROOT, user=self.user, command=command
        )
        return subprocess.Popen(
            ["unshare", "-m", "sh", "-c", script], env=self.environment(name)
        )

    @cached_property
    def user(self) -> str:
        """Nobody, where nobody may run this Python; else root, which has no rights left."""
        nobody = "--reuid=65534 --regid=65534 --clear-groups"
        shell = ["sh", "-c", f"{sys.executable} -c 'import django'"]
        words = ["setpriv", *nobody.split(), *shell]
        if subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode:
            return ""
        subprocess.run(["chown", "-R", "65534:65534", self.folder], check=True)
        return nobody


def image_command() -> list[str]:
    last = re.findall(r"^CMD (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    return list(yaml.safe_load(last))


@pytest.fixture
def server() -> Iterator[Server]:
    url = os.environ["AVA_DATABASE_URL"]
    name = f"ava_containers_{uuid4().hex[:12]}"
    admin = psycopg2.connect(url)
    admin.autocommit = True
    admin.cursor().execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)  # for a user who is not root
            yield Server(Path(folder), f"{url.rpartition('/')[0]}/{name}")
    finally:
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        admin.cursor().execute(drop)
        admin.close()


def test_each_container_starts_is_healthy_and_ends(server):
    collect = [sys.executable, ROOT / "manage.py", "collectstatic", "--noinput", "-v", "0"]
    built = {
        "AVA_STATIC_DIR": server.places["/app/collected"],
        "AVA_DATA_DIR": str(server.folder),
    }
    subprocess.run(collect, env={"PATH": os.environ["PATH"]} | built, check=True)
    assert server.start("migrate").wait(SECONDS) == 0
    with ExitStack() as stack:
        running = {name: server.start(name) for name in STARTED}
        for process in running.values():
            stack.callback(process.wait)
            stack.callback(process.kill)
        end = time.monotonic() + SECONDS
        waiting = list(STARTED)
        while waiting:
            assert time.monotonic() < end, f"not healthy: {waiting}"
            for name in waiting:
                assert running[name].poll() is None, f"{name} has ended"
            waiting = [name for name in waiting if not server.is_healthy(name)]
        for process in running.values():
            process.terminate()
        for name, process in running.items():
            assert process.wait(SECONDS) == 0, name
