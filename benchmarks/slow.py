"""Log-in beside 200 clients that trickle and 20 slow uploads, to `./ava up` on SQLite.

    ./ava bench slow

Also behind nginx with the documented configuration, where nginx is installed. The peer is the
same log-in without them, in the same run: the 95th percentile may be five times as long.
"""

import asyncio
import http.client
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRICKLING, UPLOADS = 200, 20
UPLOAD_RATE = 250_000  # bytes per second: 2 Mbit/s
LOG_INS = 40
MAX_RATIO = 5.0
NGINX = Path(__file__).resolve().parents[1] / "docs" / "nginx.conf"


def main() -> None:
    from tests.server_process import answer, free_port, password_of, running_up, wait_until

    print(f"{LOG_INS} log-ins beside {TRICKLING} trickling clients and {UPLOADS} uploads")
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_up(Path(folder) / "data", port) as process,
    ):
        password = password_of(process)
        wait_until(lambda: answer(port) == 200)
        measure("./ava up", port, password)
        if not shutil.which("nginx"):
            print("  behind nginx: not run, nginx is not installed")
            return
        with proxy(Path(folder), port) as front:
            wait_until(lambda: answer(front) == 200)
            measure("behind nginx", front, password)


def measure(title: str, port: int, password: str) -> None:
    """Print the times of log-ins alone and beside slow clients; exit beyond the limit."""
    log_ins(port, password, 5)  # warm
    alone = log_ins(port, password, LOG_INS)
    beside, opened = asyncio.run(beside_slow_clients(port, password))
    ratio = p95(beside) / p95(alone)
    print(
        f"  {title:14} 95th percentile {1000 * p95(alone):6.0f} ms alone, "
        f"{1000 * p95(beside):6.0f} ms beside {opened} slow connections: {ratio:.1f} times",
        flush=True,
    )
    assert ratio <= MAX_RATIO, f"{title}: more than {MAX_RATIO} times"


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def log_ins(port: int, password: str, count: int) -> list[float]:
    """Seconds of each log-in: the page, then the form."""
    return [log_in(port, password)[1] for _ in range(count)]


def log_in(port: int, password: str) -> tuple[str, float]:
    """The cookies of a new session, and the seconds it took."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/login/")
    page = connection.getresponse()
    text = page.read().decode()
    cookie = page.headers["Set-Cookie"].split(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert token
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    connection.request("POST", "/login/", urllib.parse.urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 302, answer.status
    cookies = "; ".join(one.split(";")[0] for one in answer.headers.get_all("Set-Cookie") or ())
    connection.close()
    return cookies, time.perf_counter() - began


async def beside_slow_clients(port: int, password: str) -> tuple[list[float], int]:
    """Seconds of log-ins while slow clients are connected, and how many of those there were."""
    cookies, _ = await asyncio.to_thread(log_in, port, password)
    tasks = [asyncio.create_task(trickle(port)) for _ in range(TRICKLING)]
    tasks += [asyncio.create_task(upload(port, cookies)) for _ in range(UPLOADS)]
    await asyncio.sleep(3)
    opened = sum(not task.done() for task in tasks)
    times = await asyncio.to_thread(log_ins, port, password, LOG_INS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return times, opened


async def trickle(port: int) -> None:
    """An anonymous log-in at a byte per two seconds, again and again."""
    while True:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\n"
        writer.write(head.encode())
        try:
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(2)
        except ConnectionError:
            writer.close()


async def upload(port: int, cookies: str) -> None:
    """A form with a file of 100 MB at 2 Mbit/s."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /datasets/new/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n"
        f"Cookie: {cookies}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    )
    writer.write(head.encode())
    while True:
        writer.write(b"a" * (UPLOAD_RATE // 10))
        await writer.drain()
        await asyncio.sleep(0.1)


@contextmanager
def proxy(folder: Path, port: int) -> Iterator[int]:
    """nginx with the documented configuration, without TLS, before `port`."""
    from tests.server_process import free_port

    front = free_port()
    text = NGINX.read_text()
    text = re.sub(r"listen 443 ssl;", f"listen 127.0.0.1:{front};", text)
    text = re.sub(r"^.*ssl_certificate.*\n", "", text, flags=re.MULTILINE)
    text = text.replace("server web:8000;", f"server 127.0.0.1:{port};")
    text = text.replace("$scheme", "http")
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 2048; }}\nhttp {{ access_log off;\n"
        f"client_body_temp_path {folder}; proxy_temp_path {folder}/proxy;\n{text}\n}}\n"
    )
    process = subprocess.Popen(["nginx", "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        yield front
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
