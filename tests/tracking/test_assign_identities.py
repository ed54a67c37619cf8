import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from avaproject.base.work import Stage
from datasets.models import Clip
from tests.make import make_clips, make_dataset, make_run, make_video
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.models import IdentityRun, Person, Proposal
from tracking.services.assign_identities import assign_video_identities, plan_identity_runs
from tracking.services.tracking_configs import config_key_of

pytestmark = pytest.mark.django_db


def a_person(number, frames, *, left=10.0, top=20.0):
    boxes = np.tile([left, top, left + 40, top + 100], (len(frames), 1))
    return Track(number, np.array(frames), boxes, np.full(len(frames), 0.9))


def tracked(clip, tracks, **fields):
    """A done run of the dataset's config_key with a tracks file."""
    video = clip.video
    run = make_run(clip, persons=0, **({"config_key": config_key_of(video.dataset)} | fields))
    file = TracksFile(clip.name, video.width, video.height, clip.frame_count, tracks)
    name = f"{video.dataset}/tracks/{run.pk}/{clip.name}.tracks.json.gz"
    run.tracks = default_storage.save(name, ContentFile(dump(file)))
    run.save()
    return run


@pytest.fixture
def video():
    """A video of 35 s: clips of 450, 450 and 150 frames."""
    video = make_video(make_dataset("shop"), "walk")
    make_clips(video)
    return video


def all_tracked(video):
    """Somebody who stays for the whole video, and a visitor in the second clip."""
    return [
        tracked(clip, [a_person(3, range(clip.frame_count)), *visitors])
        for clip, visitors in zip(
            video.clips.all(), [[], [a_person(1, range(100, 200), left=400)], []], strict=True
        )
    ]


def rows():
    persons = list(Person.objects.values_list("run__clip__index", "track_id", "person_id"))
    proposals = list(
        Proposal.objects.values_list(
            "run__clip__index", "second", "person_id", "x1", "y1", "x2", "y2", "score"
        )
    )
    return persons, proposals


def test_persons_are_identified_once_over_the_video(video):
    all_tracked(video)
    assert plan_identity_runs() == 1
    identity_run = assign_video_identities(IdentityRun.objects.get().pk)
    assert (identity_run.stage, identity_run.error, identity_run.person_count) == (
        Stage.DONE,
        "",
        2,
    )
    persons, _ = rows()
    assert sorted(persons) == [(0, 3, 1), (1, 1, 2), (1, 3, 1), (2, 3, 1)]


def test_every_keyframe_of_a_track_gets_a_proposal_and_no_other_second(video):
    all_tracked(video)
    plan_identity_runs()
    assign_video_identities(IdentityRun.objects.get().pk)
    for clip in video.clips.all():
        proposals = Proposal.objects.filter(run__clip=clip)
        stays = proposals.filter(person_id=1).values_list("second", flat=True)
        assert list(stays) == clip.keyframes()
    visits = Proposal.objects.filter(person_id=2)
    assert [proposal.second for proposal in visits] == [4, 5, 6]
    first = visits[0]
    assert (first.x1, first.y1, first.x2, first.y2, first.score) == (400, 20, 440, 120, 0.9)


def test_boxes_are_clipped_to_the_image_and_dropped_outside(video):
    for clip in video.clips.all():
        frames = range(clip.frame_count)
        tracked(clip, [a_person(1, frames, left=620), a_person(2, frames, left=640)])
    plan_identity_runs()
    assign_video_identities(IdentityRun.objects.get().pk)
    assert {(p.person_id, p.x1, p.x2) for p in Proposal.objects.all()} == {(1, 620.0, 640.0)}
    assert Person.objects.filter(person_id=2).exists()


def test_identifying_again_writes_the_same_rows(video):
    all_tracked(video)
    plan_identity_runs()
    identity_run = assign_video_identities(IdentityRun.objects.get().pk)
    once = rows()
    assert assign_video_identities(identity_run.pk) is None
    IdentityRun.objects.update(stage=Stage.WAITING)
    assign_video_identities(identity_run.pk)
    assert rows() == once


def test_the_identity_run_of_another_worker_is_left_alone(video):
    all_tracked(video)
    plan_identity_runs()
    identity_run = IdentityRun.objects.get()
    IdentityRun.objects.claim(identity_run.pk)
    assert assign_video_identities(identity_run.pk) is None
    assert Person.objects.count() == 0


def test_a_video_is_identified_when_all_its_clips_are_tracked(video):
    first, *rest = video.clips.all()
    tracked(first, [])
    waiting = [tracked(clip, [], stage=Stage.RUNNING) for clip in rest]
    assert plan_identity_runs() == 0
    for run in waiting:
        run.stage = Stage.DONE
        run.save()
    assert plan_identity_runs() == 1
    assert plan_identity_runs() == 0


@pytest.mark.parametrize("stage", [Stage.WAITING, Stage.RUNNING])
def test_a_video_with_a_clip_still_to_be_cut_waits(video, stage):
    all_tracked(video)
    Clip.objects.filter(index=1).update(stage=stage)
    assert plan_identity_runs() == 0


def test_runs_of_another_configuration_do_not_count(video):
    all_tracked(video)
    dataset = video.dataset
    dataset.threshold = 0.6
    dataset.save()
    assert plan_identity_runs() == 0


def test_videos_without_clips_need_no_identities():
    make_video(make_dataset(), frame_count=60)
    assert plan_identity_runs() == 0


def test_a_video_without_people_has_no_persons(video):
    for clip in video.clips.all():
        tracked(clip, [])
    plan_identity_runs()
    assert assign_video_identities(IdentityRun.objects.get().pk).person_count == 0


def test_a_lost_tracks_file_fails_with_its_name_and_leaves_no_rows(video):
    runs = all_tracked(video)
    default_storage.delete(runs[1].tracks.name)
    plan_identity_runs()
    identity_run = assign_video_identities(IdentityRun.objects.get().pk)
    assert identity_run.stage == Stage.FAILED
    assert "walk-c0001" in identity_run.error
    assert Person.objects.count() == 0


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda good: b"rubbish", id="another file"),
        pytest.param(lambda good: good[:20] + b"\xff" * 20 + good[40:], id="damaged within"),
    ],
)
def test_a_damaged_tracks_file_fails_with_a_sentence(video, own_files, spoil):
    runs = all_tracked(video)
    path = own_files / "media" / runs[2].tracks.name
    path.write_bytes(spoil(path.read_bytes()))
    plan_identity_runs()
    identity_run = assign_video_identities(IdentityRun.objects.get().pk)
    assert identity_run.stage == Stage.FAILED
    assert "walk-c0002" in identity_run.error
    assert "not a tracks file" in identity_run.error


def test_a_clip_whose_run_is_gone_fails_with_its_name(video):
    runs = all_tracked(video)
    plan_identity_runs()
    runs[0].delete()
    identity_run = assign_video_identities(IdentityRun.objects.get().pk)
    assert identity_run.stage == Stage.FAILED
    assert "walk-c0000" in identity_run.error
