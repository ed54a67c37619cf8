from dataclasses import asdict
from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from avaproject.base.work import MAX_ATTEMPTS, Stage
from datasets.models import Clip
from tests.make import make_clips, make_dataset, make_run, make_video
from tests.tracking.fake_detectors import (
    FRAMES,
    HEIGHT,
    WIDTH,
    Watcher,
    stored,
    the_run,
    write_standard_mp4,
)
from tracking.core.tracks_file import load
from tracking.detectors import registry
from tracking.detectors.registry import DetectorError
from tracking.models import Experiment, TrackingRun
from tracking.services import kept_detections
from tracking.services.clip_detections import sampled_frame_indices
from tracking.services.track import plan_runs, track_clip
from tracking.services.tracking_configs import (
    check_weights,
    config_key_of,
    tracker_parameters,
)

pytestmark = pytest.mark.django_db


def test_a_run_turns_a_clip_into_a_tracks_file(clip):
    watcher = Watcher()
    run = track_clip(the_run(clip).pk, detector=watcher)
    assert (run.stage, run.error) == (Stage.DONE, "")
    assert run.track_count == 2
    assert run.detection_count == 2 * FRAMES
    assert run.made_by["detector"]["name"] == "watcher"
    assert watcher.seen == pytest.approx(range(FRAMES), abs=2)
    assert set(watcher.batches[:-1]) == {4}
    assert run.tracks.name == f"shop/tracks/{run.pk}/walk-c0000.tracks.json.gz"
    file = load(stored(run))
    assert (file.clip, file.width, file.height, file.frame_count) == (
        clip.name,
        WIDTH,
        HEIGHT,
        FRAMES,
    )
    first, second = file.tracks
    assert first.frames.tolist() == list(range(FRAMES))
    assert first.boxes[60] == pytest.approx([40, 20, 60, 70], abs=2)
    assert second.frames[-1] == pytest.approx(50, abs=2)
    assert second.boxes.min() >= 0


def test_a_run_is_done_once(clip):
    run = the_run(clip)
    assert track_clip(run.pk, detector=Watcher()) is not None
    second = Watcher()
    assert track_clip(run.pk, detector=second) is None
    assert second.seen == []


def test_the_same_run_again_gives_the_same_bytes(clip):
    run = the_run(clip)
    track_clip(run.pk, detector=Watcher())
    run.refresh_from_db()
    once = stored(run)
    TrackingRun.objects.update(stage=Stage.WAITING)
    track_clip(run.pk, detector=Watcher(batch_size=3))
    assert stored(run) == once


class Killed(Watcher):
    """Its process ends, as by kill -9, when it has seen so many batches."""

    def __init__(self, after):
        super().__init__()
        self.after = after

    def detect(self, frames):
        if len(self.batches) == self.after:
            raise SystemExit
        return super().detect(frames)


def test_a_killed_run_goes_on_from_the_detections_that_are_kept(clip, monkeypatch):
    monkeypatch.setattr(kept_detections, "SECONDS_BETWEEN_PARTS", 0.0)
    run, parts = the_run(clip), []
    for _ in range(2 * MAX_ATTEMPTS):
        parts.append(Killed(after=2))
        with pytest.raises(SystemExit):
            track_clip(run.pk, detector=parts[-1])
        TrackingRun.objects.update(lease_until=timezone.now() - timedelta(minutes=1))
        assert TrackingRun.objects.fail_exhausted() == 0, "each attempt gets further"
    parts.append(Watcher())
    done = track_clip(run.pk, detector=parts[-1])
    assert (done.stage, done.attempts) == (Stage.DONE, 1)
    seen = [frame for part in parts for frame in part.seen]
    assert seen == pytest.approx(range(FRAMES), abs=2), "no frame is looked at twice"
    resumed = stored(done)
    assert not list((settings.DATA_DIR / "kept").iterdir())
    TrackingRun.objects.start_over()
    assert stored(track_clip(run.pk, detector=Watcher())) == resumed


def test_kept_detections_of_other_weights_or_a_damaged_part_are_not_used(clip, monkeypatch):
    monkeypatch.setattr(kept_detections, "SECONDS_BETWEEN_PARTS", 0.0)
    run = the_run(clip)
    with pytest.raises(SystemExit):
        track_clip(run.pk, detector=Killed(after=3))
    first, *_ = sorted((settings.DATA_DIR / "kept").rglob("*.npz"))
    first.write_bytes(first.read_bytes()[:100])
    TrackingRun.objects.update(stage=Stage.WAITING)
    other = Killed(after=1)
    other.about = {"name": "watcher", "sha256": "01"}
    with pytest.raises(SystemExit):
        track_clip(run.pk, detector=other)
    assert len(other.seen) == 4
    TrackingRun.objects.update(stage=Stage.WAITING)
    again = Watcher()
    assert track_clip(run.pk, detector=again).stage == Stage.DONE
    assert len(again.seen) == FRAMES


def test_the_run_of_another_worker_is_left_alone(clip):
    run = the_run(clip)
    TrackingRun.objects.claim(run.pk)
    assert track_clip(run.pk, detector=Watcher()) is None


def test_a_detector_that_gives_up_fails_the_run_with_its_sentence(clip):
    run = track_clip(the_run(clip).pk, detector=Watcher(gives_up=True))
    assert (run.stage, run.error) == (Stage.FAILED, "the watcher is asleep: wake it")
    assert run.tracks.name == ""


def test_missing_weights_fail_the_run_with_the_way_out(clip):
    run = track_clip(the_run(clip).pk)
    assert run.stage == Stage.FAILED
    assert "own.onnx are missing" in run.error
    assert "AVA_WEIGHTS_DIR" in run.error


def test_a_damaged_clip_fails_the_run_with_its_name(clip, own_files):
    path = own_files / "media" / clip.file.name
    path.write_bytes(path.read_bytes()[:2000])
    run = track_clip(the_run(clip).pk, detector=Watcher())
    assert run.stage == Stage.FAILED
    assert clip.name in run.error


def test_a_clip_file_that_is_too_short_fails_the_run(clip, own_files):
    write_standard_mp4(own_files / "media" / clip.file.name, 60)
    run = track_clip(the_run(clip).pk, detector=Watcher())
    assert run.stage == Stage.FAILED
    assert "fewer than its 130 frames" in run.error


def test_no_person_is_tracked_over_a_cut(clip, own_files):
    write_standard_mp4(own_files / "media" / clip.file.name, FRAMES, cut=70)
    file = load(stored(track_clip(the_run(clip).pk, detector=Watcher())))
    assert file.cuts == [70]
    assert [(one.frames[0], one.frames[-1]) for one in file.tracks] == [
        (0, 69),
        (0, pytest.approx(50, abs=2)),
        (70, FRAMES - 1),
    ]


def test_with_a_stride_some_frames_are_skipped_and_the_gaps_are_filled(clip):
    dataset = clip.video.dataset
    dataset.frame_stride = 7
    dataset.save()
    watcher = Watcher()
    run = track_clip(the_run(clip).pk, detector=watcher)
    assert len(watcher.seen) == len(sampled_frame_indices(FRAMES, 7)) == 24
    first = load(stored(run)).tracks[0]
    assert first.frames.tolist() == list(range(FRAMES))
    assert first.boxes[59] == pytest.approx([39.5, 20, 59.5, 70], abs=2)


def test_precomputed_detections_need_no_frames(clip, own_files):
    folder = own_files / "detections"
    folder.mkdir()
    rows = [f"{n + 1},-1,{10 + n},20,20,50,0.9" for n in range(100)]
    (folder / "walk-c0000.txt").write_text("\n".join(rows))
    dataset = clip.video.dataset
    dataset.detector, dataset.weights = "imported", str(folder)
    dataset.save()
    (own_files / "media" / clip.file.name).unlink()
    run = track_clip(the_run(clip).pk)
    assert (run.stage, run.error, run.track_count) == (Stage.DONE, "", 1)
    assert run.detection_count == 100


def test_settings_changed_after_the_order_do_not_slip_into_the_run(clip):
    run = the_run(clip)
    dataset = clip.video.dataset
    dataset.threshold = 0.6
    dataset.save()
    failed = track_clip(run.pk, detector=Watcher())
    assert failed.stage == Stage.FAILED
    assert "settings of shop were changed" in failed.error


def test_the_threshold_is_the_bar_of_the_tracker():
    low = tracker_parameters(make_dataset(threshold=0.05))
    assert (low.high_score, low.low_score) == (0.05, 0.05)
    high = tracker_parameters(make_dataset(threshold=0.9))
    assert high.high_score < high.min_mean_score < 1
    assert asdict(tracker_parameters(make_dataset()))["high_score"] == 0.45


@pytest.mark.parametrize("stride", [1, 2, 7, 30])
def test_keyframes_and_both_ends_are_always_sampled(stride):
    sampled = sampled_frame_indices(450, stride)
    assert set(range(0, 450, 30)) <= set(sampled)
    assert (sampled[0], sampled[-1]) == (0, 449)
    assert np.diff(sampled).max() <= stride


def test_the_config_key_names_what_the_result_depends_on(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path
    dataset = make_dataset(detector="onnx", weights="own.onnx", threshold=0.3, frame_stride=5)
    assert config_key_of(dataset) == "onnx own.onnx t0.3 s5 sort-9 looks"
    (tmp_path / "own.onnx").write_bytes(b"weights")
    assert config_key_of(dataset) == "onnx own.onnx#9a129038 t0.3 s5 sort-9 looks"
    assert config_key_of(make_dataset()) == "rfdetr-medium t0.45 s1 sort-9 looks"
    assert len(config_key_of(make_dataset(weights="/" + "w" * 400))) <= 120


def with_own_weights(settings, tmp_path):
    """A clip of a dataset with weights of its own, planned on the machine that has them."""
    settings.WEIGHTS_DIR = tmp_path
    (tmp_path / "own.onnx").write_bytes(b"weights")
    dataset = make_dataset(detector="onnx", weights="own.onnx")
    make_clips(make_video(dataset, frame_count=450))
    assert plan_runs() == 1
    return dataset


@pytest.mark.parametrize("content", [None, b"other weights"], ids=["none", "another"])
def test_machines_with_different_files_plan_the_same(settings, tmp_path, content):
    dataset = with_own_weights(settings, tmp_path)
    key = config_key_of(dataset)
    (elsewhere := tmp_path / "elsewhere").mkdir()
    settings.WEIGHTS_DIR = elsewhere
    if content:
        (elsewhere / "own.onnx").write_bytes(content)
    assert (plan_runs(), config_key_of(dataset)) == (0, key)
    assert TrackingRun.objects.get().config_key == key


def test_a_machine_with_another_file_refuses_with_a_sentence(settings, tmp_path):
    with_own_weights(settings, tmp_path)
    (tmp_path / "own.onnx").write_bytes(b"other weights")
    run = track_clip(TrackingRun.objects.get().pk)
    assert run.stage == Stage.FAILED
    assert "is not what this configuration started with (9a129038)" in run.error
    assert "Read weights again" in run.error


def test_the_first_machine_that_has_the_file_decides(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path
    dataset = make_dataset(detector="onnx", weights="own.onnx")
    make_clips(make_video(dataset, frame_count=450))
    assert plan_runs() == 1
    (tmp_path / "own.onnx").write_bytes(b"weights")
    check_weights(dataset)
    check_weights(dataset)
    assert dataset.tracking_configs.get().weights_sha256.startswith("9a129038")
    (tmp_path / "own.onnx").write_bytes(b"other weights")
    with pytest.raises(DetectorError):
        check_weights(dataset)


def test_weights_read_again_order_new_runs(settings, tmp_path, client, admin_user):
    dataset = with_own_weights(settings, tmp_path)
    first = TrackingRun.objects.get()
    TrackingRun.objects.update(stage=Stage.DONE)
    (tmp_path / "own.onnx").write_bytes(b"other weights")
    client.force_login(admin_user)
    client.post(reverse("tracking:read-weights", args=[dataset.name]))
    assert plan_runs(timezone.now()) == 1
    new = TrackingRun.objects.exclude(pk=first.pk).get()
    assert new.config_key == config_key_of(dataset) != first.config_key


def test_keys_too_long_for_their_column_still_differ():
    tracker = {"box_expansion": 1.0625, "max_age_seconds": 1.28125, "min_track_seconds": 0.5625}
    settings = {"detector": "d" * 40, "weights": "/" + "w" * 400, "tracker": tracker}
    first, second = (
        Experiment(dataset=make_dataset(), threshold=share, **settings) for share in (0.1, 0.2)
    )
    assert config_key_of(first) != config_key_of(second)
    assert len(config_key_of(first)) <= 120


def test_only_clips_that_changed_are_planned():
    video = make_video(make_dataset())
    make_clips(video)
    assert plan_runs() == 3
    TrackingRun.objects.all().delete()
    assert plan_runs(timezone.now() + timedelta(minutes=1)) == 0
    Clip.objects.filter(index=1).update(modified_at=timezone.now() + timedelta(hours=1))
    assert plan_runs(timezone.now() + timedelta(minutes=1)) == 1


def test_of_a_folder_of_detections_only_what_changed_is_read_again(tmp_path, monkeypatch):
    read, sha256_of = [], registry.sha256_of
    monkeypatch.setattr(
        registry, "sha256_of", lambda path: read.append(path) or sha256_of(path)
    )
    files = [tmp_path / f"{number}.txt" for number in range(100)]
    for file in files:
        file.write_text("1,-1,0,0,9,9,0.9")
    dataset = make_dataset(detector="imported", weights=str(tmp_path))
    assert config_key_of(dataset) == config_key_of(dataset)
    assert sorted(read) == sorted(files)
    files[7].write_text("")
    config_key_of(dataset)
    assert read[100:] == [files[7]]


def test_every_cut_clip_gets_one_waiting_run():
    video = make_video(make_dataset())
    clips = make_clips(video)
    make_clips(make_video(make_dataset()), stage=Stage.WAITING)
    assert plan_runs() == len(clips) == 3
    assert plan_runs() == 0
    assert {run.clip for run in TrackingRun.objects.all()} == set(clips)
    assert {run.config_key for run in TrackingRun.objects.all()} == {
        config_key_of(video.dataset)
    }


def test_clips_tracked_in_a_bundle_need_no_run():
    first, *rest = make_clips(make_video(make_dataset()))
    make_run(first, config_key="elsewhere", made_by={"bundle": "b"})
    assert plan_runs() == len(rest)
    assert list(first.tracking_runs.values_list("config_key", flat=True)) == ["elsewhere"]


def test_a_changed_setting_orders_new_runs_and_takes_waiting_ones_back():
    dataset = make_dataset()
    done, *waiting = make_clips(make_video(dataset))
    make_run(done, config_key=config_key_of(dataset))
    assert plan_runs() == len(waiting)
    dataset.threshold = 0.6
    dataset.save()
    assert plan_runs() == 3
    assert done.tracking_runs.count() == 2
    assert [clip.tracking_runs.get().config_key for clip in waiting] == [
        config_key_of(dataset)
    ] * 2


def test_planning_asks_the_database_as_often_for_many_clips_as_for_few():
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as caught:
            plan_runs()
        return len(caught)

    make_clips(make_video(make_dataset()))
    few = queries()
    for _ in range(4):
        make_clips(make_video(make_dataset()))
    assert queries() == few


def test_planning_without_datasets_plans_nothing():
    assert plan_runs() == 0
