"""The S3 server of seaweedfs, in a folder of its own: it goes away and comes back."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.server_process import ServerProcess

WEED = shutil.which(
    "weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)
SECONDS = 60
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        # Each server takes port + 10000 too.
        return [one.getsockname()[1] % 40_000 + 10_000 for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Bucket:
    """A bucket that can go away and come back with what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, *self.others = free_ports(6)
        self.process: ServerProcess | None = None

    def come(self) -> None:
        names = ("master", "volume", "filer", "webdav", "admin")
        ports = [f"-{name}.port={port}" for name, port in zip(names, self.others, strict=True)]
        self.process = ServerProcess(
            [WEED, "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
             f"-s3.port={self.port}", "-bucket=ava", "-s3.port.iceberg=0", "-s3.port.lance=0",
             "-webdav=false", "-admin.ui=false", *ports],
            env={"PATH": os.defpath, "HOME": str(self.folder), **KEYS},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + SECONDS
        while not self._answers():
            assert time.monotonic() < end, "the S3 server does not come up"
            time.sleep(0.3)

    def _answers(self) -> bool:
        """Whether it takes a file and gives each that it has: volumes come one by one."""
        script = "import boto3,sys; s3 = boto3.client('s3', endpoint_url=sys.argv[1])\n"
        script += "s3.put_object(Bucket='ava', Key='probe', Body=b'.')\n"
        script += "for one in s3.list_objects_v2(Bucket='ava').get('Contents', []):\n"
        script += "    s3.get_object(Bucket='ava', Key=one['Key'])['Body'].read(1)"
        return not subprocess.run(
            [sys.executable, "-c", script, self.address],
            env={"AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", **KEYS},
            stderr=subprocess.DEVNULL, check=False,
        ).returncode  # fmt: skip

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def go(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def settings_of(address: str) -> dict[str, str]:
    """The settings of an installation whose files lie in the bucket at `address`."""
    return {
        "AVA_S3_BUCKET": "ava",
        "AVA_S3_ENDPOINT": address,
        "AVA_S3_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
        "AVA_S3_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
        "AVA_S3_REGION": "us-east-1",
    }
