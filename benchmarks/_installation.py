"""A temporary installation for benchmarks in the browser: data, server, logged-in page."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import django
from django.core.management import call_command
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def installation(build: Callable[[Path], None]) -> Iterator[tuple[Page, str]]:
    """A page logged in to a server with the data of `build`, and the server's address."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"AVA_DATA_DIR": name, "AVA_LOG_LEVEL": "ERROR"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "avaproject.settings"
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        django.setup()
        call_command("bootstrap", verbosity=0)
        build(folder)
        from tests.browser import chromium_page
        from tests.server_process import answer, free_port, wait_until

        port = free_port()
        server = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", str(port)],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_until(lambda: answer(port) == 200)
            with chromium_page() as page:
                page.goto(f"http://127.0.0.1:{port}/")
                page.get_by_label("Username").fill("boss")
                page.get_by_label("Password").fill("a-password")
                page.get_by_role("button", name="Log in").click()
                page.wait_for_url("**/")
                yield page, f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()
