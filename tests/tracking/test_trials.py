import pytest
from django.core.files.storage import default_storage

from annotation.selectors.tasks import ready_clips
from avaproject.base.work import ClaimLostError, Stage
from qc.selectors.clips import shown_run
from tests.make import make_annotator, make_clips, make_dataset, make_task, make_video
from tests.tracking.test_link import somebody, tracked
from tests.tracking.watching import Watcher
from tracking.models import Linking, Person, TrackingRun, Trial
from tracking.services import track
from tracking.services.link import link_video, plan_linkings
from tracking.services.track import parameters_of, plan_runs, recipe_of, track_clip
from tracking.services.trials import TrialError, begin_trial, choose, end_trial

pytestmark = pytest.mark.django_db

WAY = {"detector": "rfdetr-nano", "weights": "", "threshold": 0.3, "frame_stride": 5}


@pytest.fixture
def video():
    return make_video(make_dataset("shop"), "walk", frame_count=900)


def all_tracked(video, lefts, **fields):
    """Every clip has a finished run with people there, and the persons are named."""
    tracks = [
        somebody(number, range(450), left=left) for number, left in enumerate(lefts, start=1)
    ]
    runs = [tracked(clip, tracks, **fields) for clip in video.clips.order_by("index")]
    plan_linkings()
    for linking in Linking.objects.filter(stage=Stage.WAITING):
        link_video(linking.pk)
    return runs


def persons(run):
    return list(run.persons.values_list("person_id", flat=True))


def test_a_trial_tracks_every_clip_beside_the_runs_that_are_there(video):
    first, second = make_clips(video)
    plan_runs()
    trial = begin_trial(video.dataset, **WAY)
    assert plan_runs() == 2
    assert plan_runs() == 0
    runs = TrackingRun.objects.filter(trial=trial)
    assert [run.clip for run in runs] == [first, second]
    assert {run.recipe for run in runs} == {"rfdetr-nano t0.3 s5 sort-4"}
    assert TrackingRun.objects.filter(trial=None).count() == 2


def test_a_run_of_a_trial_is_made_in_the_way_of_the_trial(clip):
    begin_trial(clip.video.dataset, **(WAY | {"tracker": {"memory": 2.0}}))
    plan_runs()
    run = track_clip(TrackingRun.objects.get(trial__isnull=False).pk, detector=Watcher())
    assert (run.stage, run.error) == (Stage.DONE, "")
    assert run.made_by["frame_stride"] == 5
    assert run.made_by["tracker"]["high_score"] == 0.3
    assert run.made_by["tracker"]["memory"] == 2.0
    assert run.recipe.endswith("sort-4 memory=2")


def test_only_a_chosen_trial_is_annotated_and_shown(video):
    (first, *_) = make_clips(video)
    (old, _) = all_tracked(video, [0])
    trial = begin_trial(video.dataset, **WAY)
    (new, _) = all_tracked(video, [0, 200], recipe=recipe_of(trial), trial=trial)
    assert ready_clips(video.dataset)[0][1] == old.pk
    assert shown_run(first) == old
    choose(video.dataset, trial)
    assert ready_clips(video.dataset)[0][1] == new.pk
    assert shown_run(first) == new
    choose(video.dataset, None)
    assert ready_clips(video.dataset)[0][1] == old.pk


def test_an_annotated_clip_keeps_its_run_and_its_persons(video):
    (first, *_) = make_clips(video)
    (old, _) = all_tracked(video, [0])
    make_task(old, make_annotator(video.dataset))
    before = persons(old)
    trial = begin_trial(video.dataset, **WAY)
    all_tracked(video, [200], recipe=recipe_of(trial), trial=trial)
    choose(video.dataset, trial)
    assert shown_run(first) == old
    assert persons(old) == before


def test_who_was_named_keeps_the_number_in_a_later_tracking_and_others_get_new_ones(video):
    make_clips(video)
    old, _ = all_tracked(video, [0, 300])
    trial = begin_trial(video.dataset, **WAY)
    new, _ = all_tracked(video, [300, 150], recipe=recipe_of(trial), trial=trial)
    by_track = dict(Person.objects.filter(run=old).values_list("track_id", "person_id"))
    later = dict(Person.objects.filter(run=new).values_list("track_id", "person_id"))
    assert later[1] == by_track[2]
    assert later[2] == max(by_track.values()) + 1


def test_new_clips_are_tracked_in_the_chosen_way_only(video):
    make_clips(video)
    trial = begin_trial(video.dataset, **WAY)
    choose(video.dataset, trial)
    plan_runs()
    assert {run.trial for run in TrackingRun.objects.all()} == {trial}


def test_a_trial_ends_with_its_runs_and_files(clip):
    trial = begin_trial(clip.video.dataset, **WAY)
    plan_runs()
    run = track_clip(TrackingRun.objects.get(trial=trial).pk, detector=Watcher())
    assert default_storage.exists(run.tracks.name)
    end_trial(trial)
    assert not default_storage.exists(run.tracks.name)
    assert set(TrackingRun.objects.values_list("trial", flat=True)) == {None}


def test_a_trial_in_use_does_not_end(video):
    make_clips(video)
    trial = begin_trial(video.dataset, **WAY)
    run, _ = all_tracked(video, [0], recipe=recipe_of(trial), trial=trial)
    choose(video.dataset, trial)
    with pytest.raises(TrialError, match="chosen one"):
        end_trial(Trial.objects.get())
    choose(video.dataset, None)
    make_task(run, make_annotator(video.dataset))
    with pytest.raises(TrialError, match="have tasks"):
        end_trial(Trial.objects.get())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"detector": "yolo"}, "no detector 'yolo'"),
        ({"detector": "onnx"}, "needs the name of a file"),
        ({"threshold": 1.5}, "less than or equal to 1"),
        ({"frame_stride": 0}, "greater than or equal to 1"),
        ({"tracker": {"speed": 1.0}}, "no parameter 'speed'"),
        ({"tracker": {"memory": -1.0}}, "memory is -1"),
    ],
)
def test_a_trial_that_makes_no_sense_is_refused(change, sentence):
    with pytest.raises(TrialError, match=sentence):
        begin_trial(make_dataset(), **(WAY | change))
    assert not Trial.objects.exists()


def test_the_same_way_twice_is_refused(video):
    begin_trial(video.dataset, **WAY)
    with pytest.raises(TrialError, match="like this already"):
        begin_trial(video.dataset, **WAY)
    own = {name: getattr(video.dataset, name) for name in WAY}
    with pytest.raises(TrialError, match="like this already"):
        begin_trial(video.dataset, **own)


def test_a_cancelled_run_stops_its_worker_and_is_not_planned_again(clip, monkeypatch):
    plan_runs()
    run = clip.tracking_runs.get()

    class Canceller(Watcher):
        def detect(self, frames):
            TrackingRun.objects.filter(pk=run.pk).cancel()
            return super().detect(frames)

    watcher = Canceller(batch_size=1)
    monkeypatch.setattr(track, "SECONDS_BETWEEN_CHECKS", 0.0)
    with pytest.raises(ClaimLostError):
        track_clip(run.pk, detector=watcher)
    run.refresh_from_db()
    assert (run.stage, run.error[:10]) == (Stage.FAILED, "Cancelled.")
    assert len(watcher.seen) < 5
    assert plan_runs() == 0
    TrackingRun.objects.retry()
    assert track_clip(run.pk, detector=Watcher()).stage == Stage.DONE


def test_the_trackers_beliefs_of_a_trial():
    trial = Trial(detector="onnx", threshold=0.3, tracker={"shortest": 1.0, "memory": 3.0})
    beliefs = parameters_of(trial)
    assert (beliefs.high_score, beliefs.shortest, beliefs.memory) == (0.3, 1.0, 3.0)
