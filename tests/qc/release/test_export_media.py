"""The frames and clip files of releases, exported once and shared."""

import hashlib
import json
import shutil
import zipfile
from datetime import timedelta

import cv2
import numpy as np
import pytest
from django.core.files.storage import InMemoryStorage, default_storage
from django.utils import timezone

from avaproject.base.storage import local_path
from avaproject.base.work import Stage
from datasets.core.hashing import sha256_of
from datasets.core.media.standard_video import read_frames
from datasets.models import Clip
from demo.world.frame_number import read_frame_number
from qc.core.release.options import ReleaseOptions
from qc.models import (
    ClipExport,
    Release,
)
from qc.services.release import export_media
from qc.services.release.make_release import make_release, request_release
from tests.qc.release.corner import files_of, folder_of, made

pytestmark = pytest.mark.django_db


def test_every_exported_frame_is_the_frame_of_its_time(dataset):
    files = files_of(made(dataset))
    videos = {each["video_id"]: each for each in json.loads(files["manifest.json"])["videos"]}
    # clip 1 of shop begins at frame 150; two seconds before it are there as well
    assert videos["shop-c0001"]["source_start_sec"] == 3.0
    assert videos["shop-c0001"]["n_frames"] == 285 - 90
    assert videos["shop-c0000"]["n_frames"] == 210
    for name, start in (("shop-c0000", 0), ("shop-c0001", 90), ("yard-c0000", 0)):
        for frame in (0, 1, 60, videos[name]["n_frames"] - 1):
            jpeg = files[f"rawframes/{name}/img_{frame + 1:05d}.jpg"]
            image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert read_frame_number(image) == start + frame


def test_the_clip_file_has_the_same_frames(dataset, tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(files_of(made(dataset))["clips/shop-c0001.mp4"])
    assert [read_frame_number(rgb) for _, rgb in read_frames(path)] == list(range(90, 285))


def test_frames_are_exported_once_and_shared(dataset, monkeypatch):
    first = folder_of(made(dataset))
    monkeypatch.delattr(export_media, "encode_frame")
    second = folder_of(made(dataset))
    name = "rawframes/yard-c0000/img_00001.jpg"
    assert (first / name).samefile(second / name)


def test_a_standard_video_is_read_for_its_sum_only_if_it_was_written_to(dataset, monkeypatch):
    video = Clip.objects.get(name="yard-c0000").video
    path = folder_of(made(dataset)).parents[1] / "videos" / "yard.mp4"
    other = path.read_bytes()[::-1]
    path.write_bytes(other)
    assert export_media.video_sum(video) == hashlib.sha256(other).hexdigest()
    monkeypatch.delattr(export_media, "sha256_of")
    assert export_media.video_sum(video) == hashlib.sha256(other).hexdigest()


def test_a_run_that_was_cut_off_goes_on_with_the_clips_that_are_missing(dataset, monkeypatch):
    order = request_release(dataset)
    finished = []
    real = export_media.encode_frame

    def dies_in_the_second_clip(rgb, **options):
        if len(finished) == 220:
            raise KeyboardInterrupt
        finished.append(read_frame_number(rgb))
        return real(rgb, **options)

    monkeypatch.setattr(export_media, "encode_frame", dies_in_the_second_clip)
    with pytest.raises(KeyboardInterrupt):
        make_release(order.pk)
    Release.objects.filter(pk=order.pk).update(stage=Stage.WAITING, lease_until=None)
    monkeypatch.setattr(
        export_media, "encode_frame", lambda rgb, **o: finished.append(0) or real(rgb, **o)
    )
    release = make_release(order.pk)
    assert release.stage == Stage.DONE
    assert len(finished) == 220 + (195 + 7) + (150 + 5)  # and one of each second compared
    assert sorted(p.name for p in folder_of(release).parent.iterdir()) == [
        "1", "1.index",
    ]  # fmt: skip


def test_a_run_that_died_before_it_could_say_so_is_made_again(dataset):
    release = made(dataset)
    content = files_of(release)
    Release.objects.filter(pk=release.pk).update(
        stage=Stage.RUNNING, lease_until=timezone.now(), archive="", folder=""
    )
    again = make_release(release.pk)
    assert files_of(again) == content
    assert sorted(path.name for path in folder_of(again).parent.iterdir()) == [
        "1", "1.index",
    ]  # fmt: skip


def test_a_killed_release_goes_on_from_the_clips_that_are_exported(dataset, monkeypatch):
    exported, export_clip = [], export_media._write_media

    def counted(export, *args):
        exported.append(str(export.clip))
        return export_clip(export, *args)

    def killed(*args, **options):
        raise SystemExit

    monkeypatch.setattr(export_media, "_write_media", counted)
    order = request_release(dataset)
    with monkeypatch.context() as patch:
        patch.setattr("qc.services.release.make_release.check_release", killed)
        with pytest.raises(SystemExit):
            make_release(order.pk)
    clips = sorted(exported)
    assert clips
    assert len(set(clips)) == len(clips)
    Release.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
    release = make_release(order.pk)
    assert (release.stage, release.error) == (Stage.DONE, "")
    assert sorted(exported) == clips, "no clip is exported twice"
    kept = sorted(path.name for path in folder_of(release).parent.iterdir())
    assert kept == ["1", "1.index"]


def test_frames_can_be_smaller(dataset):
    release = make_release(
        request_release(dataset, options=ReleaseOptions(longest_side=96, formats=("coco",))).pk
    )
    assert release.error == ""
    jpeg = files_of(release)["rawframes/shop-c0000/img_00061.jpg"]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (48, 96, 3)
    full = files_of(made(dataset))["rawframes/shop-c0000/img_00061.jpg"]
    assert len(full) > len(jpeg)


def test_exports_of_other_workers_are_waited_for(dataset, monkeypatch):
    order = request_release(dataset)
    clip = Clip.objects.get(name="yard-c0000")
    with local_path(clip.video.file.name) as path:
        export = export_media.request_clip_export(
            clip, video_sum=sha256_of(path), longest_side=None
        )
    elsewhere = ClipExport.objects.claim(export.pk)

    def the_other_worker_finishes(seconds):
        ClipExport.objects.release_claim(elsewhere.pk)
        assert export_media.export_clip(elsewhere.pk).stage == Stage.DONE

    monkeypatch.setattr(export_media.time, "sleep", the_other_worker_finishes)
    assert make_release(order.pk).stage == Stage.DONE
    assert ClipExport.objects.done().count() == 3
    assert export_media.export_clip(export.pk) is None


def test_frames_that_differ_from_the_clip_file_are_not_stored(dataset, monkeypatch):
    real = export_media.cut

    def cuts_elsewhere(source, target, *, start_frame, frame_count):
        real(source, target, start_frame=start_frame + 30, frame_count=frame_count - 30)

    monkeypatch.setattr(export_media, "cut", cuts_elsewhere)
    release = make_release(request_release(dataset).pk)
    assert "frame 1 of shop-c0000 differs from its clip file" in release.error
    assert not ClipExport.objects.done().exists()


def test_deleted_frames_are_exported_again(dataset):
    made(dataset)
    shutil.rmtree(default_storage.path("corner/exportframes"))
    assert made(dataset).number == 2


class Remote(InMemoryStorage):
    """A storage whose files have no paths, as on S3."""

    def path(self, name):
        raise NotImplementedError

    def _relative_path(self, name):
        return str(name) if not str(name).startswith("/") else ""


def test_a_storage_without_paths_stores_a_zip(dataset, monkeypatch, videos):
    local = default_storage._wrapped
    remote = Remote()
    for name in ("shop", "yard"):
        with local.open(f"corner/videos/{name}.mp4") as file:
            remote.save(f"corner/videos/{name}.mp4", file)
    monkeypatch.setattr(default_storage, "_wrapped", remote)
    release = made(dataset)
    assert release.folder == ""
    with remote.open(release.archive.name) as file, zipfile.ZipFile(file) as archive:
        assert len([n for n in archive.namelist() if "/rawframes/" in n]) == 555
    first = release.counts["archives"]["all"]["sha256"]
    monkeypatch.delattr(export_media, "encode_frame")
    Release.objects.filter(pk=release.pk).update(stage=Stage.WAITING, attempts=0)
    remote.delete(release.archive.name)
    assert make_release(release.pk).counts["archives"]["all"]["sha256"] == first
