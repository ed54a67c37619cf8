import os
import shutil
import time

import cv2
import numpy as np
import pytest
from django.conf import settings
from django.urls import reverse

from avaproject.base.temporary import remove_stale
from tests.base.test_storage import Bucket
from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video
from tracking.models import TrackingRun
from tracking.selectors import tracks_of
from tracking.services.contact_sheets import contact_sheet

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = make_user("boss")
    client.force_login(user)
    return user


@pytest.fixture
def run(admin):
    """Thirty persons who stand through a whole clip of 15 s."""
    make_ready_video(make_dataset("shop", owner=admin), name="aisle", persons=30)
    return TrackingRun.objects.order_by("pk").first()


def sheet_page(run, track=1):
    return reverse("tracking:sheet", args=["shop", run.pk, track])


def test_a_sheet_shows_a_person_once_a_second(client, run):
    answer = client.get(sheet_page(run))
    assert answer["Content-Type"] == "image/jpeg"
    content = b"".join(answer)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == 15 * 108 - 4
    # the images of the clip get brighter by five grey levels a second
    brightness = [image[80, 50 + 108 * second].mean() for second in range(15)]
    assert brightness == pytest.approx([5.0 * second for second in range(15)], abs=3)


def test_a_sheet_is_made_once_and_kept_for_a_while(client, run):
    first = b"".join(client.get(sheet_page(run)))
    run.clip.frames.delete()
    assert b"".join(client.get(sheet_page(run))) == first
    folder = settings.DATA_DIR / "tmp" / f"sheets-{run.pk}"
    long_ago = time.time() - 2 * 86400
    os.utime(folder, (long_ago, long_ago))
    assert remove_stale() == 1
    assert client.get(sheet_page(run)).status_code == 404


def test_of_frames_in_a_bucket_only_ranges_are_fetched(client, run, monkeypatch):
    made, bucket = b"".join(client.get(sheet_page(run))), Bucket()
    with run.clip.frames.open() as file:
        bucket.kept[run.clip.frames.name] = file.read()
    shutil.rmtree(settings.DATA_DIR / "tmp" / f"sheets-{run.pk}")
    tracks = tracks_of(run)
    monkeypatch.setattr("tracking.services.contact_sheets.tracks_of", lambda run: tracks)
    monkeypatch.setattr("avaproject.base.storage.default_storage", bucket)
    monkeypatch.setattr("datasets.clip_frames.default_storage", bucket)
    assert contact_sheet(run, 1).read_bytes() == made
    assert bucket.asked


def test_long_lists_of_tracks_are_paged(client, run):
    page = reverse("tracking:run", args=["shop", run.pk])
    first = client.get(page).content.decode()
    assert first.count("<img") == 20
    assert "30 total" in first
    assert client.get(f"{page}?page=2").content.decode().count("<img") == 10


def test_tracks_that_are_gone_are_told_of(client, run):
    run.tracks.storage.delete(run.tracks.name)
    page = client.get(reverse("tracking:run", args=["shop", run.pk]))
    assert page.status_code == 200
    assert "are missing in the storage" in page.content.decode()
    assert client.get(sheet_page(run)).status_code == 404


def test_a_track_that_is_not_there_is_not_found(client, run):
    assert client.get(sheet_page(run, track=99)).status_code == 404


def test_strangers_see_no_sheets(client, run):
    client.force_login(make_user("stranger"))
    assert client.get(sheet_page(run)).status_code == 404
    assert client.get(reverse("tracking:run", args=["shop", run.pk])).status_code == 404
