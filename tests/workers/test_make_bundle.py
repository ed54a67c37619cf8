import json
import zipfile
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from datasets.core.formats.ava import load_track_proposals
from tests.stored_files import video_bytes
from tracking.models import Bundle, Proposal

pytestmark = pytest.mark.django_db


@pytest.fixture
def detections(tmp_path):
    """One person who stands still in every frame of the video `aisle`."""
    folder = tmp_path / "detections"
    folder.mkdir()
    frames = {str(frame): [[100, 60, 150, 200, 0.9]] for frame in range(150)}
    content = {"format": "ava-studio-detections/1", "frames": frames}
    (folder / "aisle.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def videos(tmp_path):
    path = tmp_path / "aisle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("aisle.mp4", video_bytes(150, width=320, height=240))
    return path


def test_a_zip_becomes_a_bundle_and_the_bundle_a_dataset(videos, detections, tmp_path, capsys):
    out = tmp_path / "out"
    options = {"detector": "imported", "weights": str(detections), "out": out}
    for _ in range(2):  # the second time there is nothing to do but to copy
        call_command("make_bundle", videos, **options)
    assert Bundle.objects.count() == 1
    dense = load_track_proposals((out / "dense_proposals.pkl").read_bytes())
    (box,) = dense["aisle-c0000"]["aisle-c0000_frame_0010.jpg"]
    assert box[:4] == pytest.approx([100, 60, 150, 200], abs=3)
    call_command("import_bundle", out, dataset="server")
    here, there = (
        Proposal.objects.filter(run__clip__video__dataset__name=name).order_by("second")
        for name in ("aisle", "server")
    )
    fields = ("second", "person_id", "x1", "y1", "x2", "y2", "score")
    assert list(here.values_list(*fields)) == list(there.values_list(*fields))
    assert here.count() == 2


def test_detections_may_lie_in_the_current_folder(videos, detections, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, said = ["--out", "out", "--detector", "imported"], StringIO()
    call_command("make_bundle", "aisle.zip", *words, "--weights", "detections", stdout=said)
    assert (tmp_path / "out" / "dense_proposals.pkl").exists()
    assert "1 new video in" in said.getvalue()
    assert "Go on with" not in said.getvalue()


def test_failed_rows_are_retried(videos, detections, tmp_path):
    file = detections / "aisle.json"
    file.rename(tmp_path / "away.json")
    options = {"detector": "imported", "weights": str(detections), "out": tmp_path / "out"}
    with pytest.raises(CommandError, match=r"1 rows failed.*run it again"):
        call_command("make_bundle", videos, **options)
    (tmp_path / "away.json").rename(file)
    call_command("make_bundle", videos, **options)
    assert load_track_proposals((tmp_path / "out/dense_proposals.pkl").read_bytes())[
        "aisle-c0000"
    ]


def test_a_zip_without_videos_makes_no_bundle(tmp_path):
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "no video")
    with pytest.raises(CommandError):
        call_command("make_bundle", path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
