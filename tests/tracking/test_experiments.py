import pytest
from django.core.files.storage import default_storage

from annotation.selectors.tasks import ready_clips
from avaproject.base.claimed_work import ClaimLostError
from avaproject.base.work import Stage
from datasets.services.delete import delete_pending_files
from qc.selectors.clips import default_run
from tests.make import make_annotator, make_clips, make_dataset, make_task, make_video
from tests.tracking.fake_detectors import Watcher
from tests.tracking.test_assign_identities import a_person, tracked
from tracking.models import Experiment, IdentityRun, Person, TrackingRun
from tracking.services import clip_detections
from tracking.services.assign_identities import assign_video_identities, plan_identity_runs
from tracking.services.experiments import (
    ExperimentError,
    activate,
    delete_experiment,
    start_experiment,
)
from tracking.services.track import plan_runs, track_clip
from tracking.services.tracking_configs import config_key_of, tracker_parameters

pytestmark = pytest.mark.django_db

CONFIG = {"detector": "rfdetr-nano", "weights": "", "threshold": 0.3, "frame_stride": 5}


@pytest.fixture
def video():
    return make_video(make_dataset("shop"), "walk", frame_count=900)


def all_tracked(video, lefts, **fields):
    """Every clip has a finished run with people there, and the persons are named."""
    tracks = [
        a_person(number, range(450), left=left) for number, left in enumerate(lefts, start=1)
    ]
    runs = [tracked(clip, tracks, **fields) for clip in video.clips.order_by("index")]
    plan_identity_runs()
    for identity_run in IdentityRun.objects.filter(stage=Stage.WAITING):
        assign_video_identities(identity_run.pk)
    return runs


def persons(run):
    return list(run.persons.values_list("person_id", flat=True))


def test_an_experiment_tracks_every_clip_beside_the_runs_that_are_there(video):
    first, second = make_clips(video)
    plan_runs()
    experiment = start_experiment(video.dataset, **CONFIG)
    assert plan_runs() == 2
    assert plan_runs() == 0
    runs = TrackingRun.objects.filter(experiment=experiment)
    assert [run.clip for run in runs] == [first, second]
    assert {run.config_key for run in runs} == {"rfdetr-nano t0.3 s5 sort-9 looks"}
    assert TrackingRun.objects.filter(experiment=None).count() == 2


def test_a_run_of_a_experiment_is_made_with_the_settings_of_the_experiment(clip):
    start_experiment(clip.video.dataset, **(CONFIG | {"tracker": {"max_age_seconds": 2.0}}))
    plan_runs()
    run = track_clip(TrackingRun.objects.get(experiment__isnull=False).pk, detector=Watcher())
    assert (run.stage, run.error) == (Stage.DONE, "")
    assert run.made_by["frame_stride"] == 5
    assert run.made_by["tracker"]["high_score"] == 0.3
    assert run.made_by["tracker"]["max_age_seconds"] == 2.0
    assert run.config_key.endswith("sort-9 looks max_age_seconds=2")


def test_only_a_chosen_experiment_is_annotated_and_shown(video):
    (first, *_) = make_clips(video)
    (old, _) = all_tracked(video, [0])
    experiment = start_experiment(video.dataset, **CONFIG)
    (new, _) = all_tracked(
        video, [0, 200], config_key=config_key_of(experiment), experiment=experiment
    )
    assert ready_clips(video.dataset)[0][1] == old.pk
    assert default_run(first) == old
    activate(video.dataset, experiment)
    assert ready_clips(video.dataset)[0][1] == new.pk
    assert default_run(first) == new
    activate(video.dataset, None)
    assert ready_clips(video.dataset)[0][1] == old.pk


def test_an_annotated_clip_keeps_its_run_and_its_persons(video):
    (first, *_) = make_clips(video)
    (old, _) = all_tracked(video, [0])
    make_task(old, make_annotator(video.dataset))
    before = persons(old)
    experiment = start_experiment(video.dataset, **CONFIG)
    all_tracked(video, [200], config_key=config_key_of(experiment), experiment=experiment)
    activate(video.dataset, experiment)
    assert default_run(first) == old
    assert persons(old) == before


def test_persons_keep_their_ids_in_a_later_tracking_and_others_get_new_ones(video):
    make_clips(video)
    old, _ = all_tracked(video, [0, 300])
    experiment = start_experiment(video.dataset, **CONFIG)
    new, _ = all_tracked(
        video, [300, 150], config_key=config_key_of(experiment), experiment=experiment
    )
    by_track = dict(Person.objects.filter(run=old).values_list("track_id", "person_id"))
    later = dict(Person.objects.filter(run=new).values_list("track_id", "person_id"))
    assert later[1] == by_track[2]
    assert later[2] == max(by_track.values()) + 1


def test_new_clips_are_tracked_in_the_chosen_way_only(video):
    make_clips(video)
    experiment = start_experiment(video.dataset, **CONFIG)
    activate(video.dataset, experiment)
    plan_runs()
    assert {run.experiment for run in TrackingRun.objects.all()} == {experiment}


def test_an_experiment_ends_with_its_runs_and_files(clip):
    experiment = start_experiment(clip.video.dataset, **CONFIG)
    plan_runs()
    run = track_clip(TrackingRun.objects.get(experiment=experiment).pk, detector=Watcher())
    assert default_storage.exists(run.tracks.name)
    delete_experiment(experiment)
    delete_pending_files()
    assert not default_storage.exists(run.tracks.name)
    assert set(TrackingRun.objects.values_list("experiment", flat=True)) == {None}


def test_an_experiment_in_use_cannot_be_deleted(video):
    make_clips(video)
    experiment = start_experiment(video.dataset, **CONFIG)
    run, _ = all_tracked(
        video, [0], config_key=config_key_of(experiment), experiment=experiment
    )
    activate(video.dataset, experiment)
    with pytest.raises(ExperimentError, match="in use"):
        delete_experiment(Experiment.objects.get())
    activate(video.dataset, None)
    make_task(run, make_annotator(video.dataset))
    with pytest.raises(ExperimentError, match="have tasks"):
        delete_experiment(Experiment.objects.get())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"detector": "yolo"}, "no detector 'yolo'"),
        ({"detector": "onnx"}, "needs the name of a file"),
        ({"threshold": 1.5}, "less than or equal to 1"),
        ({"frame_stride": 0}, "greater than or equal to 1"),
        ({"tracker": {"speed": 1.0}}, "no parameter 'speed'"),
        ({"tracker": {"max_age_seconds": -1.0}}, "max_age_seconds is -1"),
    ],
)
def test_an_experiment_that_makes_no_sense_is_refused(change, sentence):
    with pytest.raises(ExperimentError, match=sentence):
        start_experiment(make_dataset(), **(CONFIG | change))
    assert not Experiment.objects.exists()


def test_the_same_way_twice_is_refused(video):
    start_experiment(video.dataset, **CONFIG)
    with pytest.raises(ExperimentError, match="already"):
        start_experiment(video.dataset, **CONFIG)
    own = {name: getattr(video.dataset, name) for name in CONFIG}
    with pytest.raises(ExperimentError, match="already"):
        start_experiment(video.dataset, **own)


def test_a_cancelled_run_stops_its_worker_and_is_not_planned_again(clip, monkeypatch):
    plan_runs()
    run = clip.tracking_runs.get()

    class Canceller(Watcher):
        def detect(self, frames):
            TrackingRun.objects.filter(pk=run.pk).cancel()
            return super().detect(frames)

    watcher = Canceller(batch_size=1)
    monkeypatch.setattr(clip_detections, "SECONDS_BETWEEN_CHECKS", 0.0)
    with pytest.raises(ClaimLostError):
        track_clip(run.pk, detector=watcher)
    run.refresh_from_db()
    assert (run.stage, run.error[:10]) == (Stage.FAILED, "Cancelled.")
    assert len(watcher.seen) < 5
    assert plan_runs() == 0
    TrackingRun.objects.retry()
    assert track_clip(run.pk, detector=Watcher()).stage == Stage.DONE


def test_the_trackers_parameters_of_a_experiment():
    experiment = Experiment(
        detector="onnx",
        threshold=0.3,
        tracker={"min_track_seconds": 1.0, "max_age_seconds": 3.0},
    )
    parameters = tracker_parameters(experiment)
    assert (
        parameters.high_score,
        parameters.min_track_seconds,
        parameters.max_age_seconds,
    ) == (0.3, 1.0, 3.0)
