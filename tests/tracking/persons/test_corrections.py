from dataclasses import replace

import pytest
from django.core.files.storage import default_storage

from datasets.models import PendingDeletion
from datasets.services.delete import delete_pending_files
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.tracking.test_assign_identities import a_person, all_tracked, rows, tracked
from tracking.models import IdentityRun, Person, PersonCorrection, TrackingRun, VideoPerson
from tracking.selectors import runs_in_use, tracks_of
from tracking.services import corrected_runs, corrections
from tracking.services.assign_identities import assign_video_identities, plan_identity_runs
from tracking.services.corrected_runs import corrections_left_out
from tracking.services.corrections import CorrectionError

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return make_user("boss")


@pytest.fixture
def video():
    """A video of 35 s: clips of 450, 450 and 150 frames."""
    made = make_video(make_dataset("shop"), "walk")
    make_clips(made)
    return made


@pytest.fixture
def runs(video):
    """P1 stays for the whole video, P2 visits the second clip."""
    made = all_tracked(video)
    identify()
    return made


def identify():
    plan_identity_runs()
    for one in IdentityRun.objects.filter(stage="waiting"):
        assign_video_identities(one.pk)


def persons():
    """`{clip: {person: frames}}` as all readers of tracks see them."""
    found = {}
    for run in TrackingRun.objects.order_by("clip__index"):
        run.refresh_from_db()
        ids = dict(run.persons.values_list("track_id", "person_id"))
        found[run.clip.index] = {
            ids[track.track_id]: len(track.frames) for track in tracks_of(run).tracks
        }
    return found


BEFORE = {0: {1: 450}, 1: {1: 450, 2: 100}, 2: {1: 150}}


def test_a_split_holds_in_all_later_clips_and_undo_gives_back_every_row(video, runs, user):
    before = rows()
    clip = video.clips.get(index=1)
    made = corrections.split(video, 1, clip, 150, user=user)
    assert made.other.person_id == 3
    assert persons() == {0: {1: 450}, 1: {1: 150, 3: 300, 2: 100}, 2: {3: 150}}
    run = TrackingRun.objects.get(clip=clip)
    assert run.proposals.filter(person_id=3).count() == 10
    assert run.made_by["corrections"] == 1
    corrections.undo(video)
    assert persons() == BEFORE
    assert rows() == before
    assert not TrackingRun.objects.exclude(uncorrected="").exists()


def test_a_merge_leaves_one_person_and_one_track_a_clip(video, runs, user):
    corrections.merge(video, 2, 1, user=user)
    assert persons() == {0: {1: 450}, 1: {1: 450}, 2: {1: 150}}
    assert VideoPerson.objects.filter(video=video, person_id=2).exists()  # its number stays


def test_who_is_no_person_has_no_rows(video, runs, user):
    corrections.drop(video, 2, user=user)
    assert persons()[1] == {1: 450}
    assert not Person.objects.filter(person_id=2).exists()


def test_corrections_survive_a_new_tracking_run(video, runs, user):
    clip = video.clips.get(index=1)
    corrections.split(video, 1, clip, 150, user=user)
    corrections.drop(video, 2, user=user)
    dataset = video.dataset
    dataset.threshold = 0.5
    dataset.save()
    all_tracked(video)
    identify()
    newest = {run.clip.index: run for run in runs_in_use(video)}
    assert {run.config_key for run in newest.values()} != {runs[0].config_key}
    found = {
        index: set(run.persons.values_list("person_id", flat=True))
        for index, run in newest.items()
    }
    assert found == {0: {1}, 1: {1, 3}, 2: {3}}


def test_identifying_again_keeps_what_was_corrected(video, runs, user):
    corrections.drop(video, 2, user=user)
    after = rows()
    IdentityRun.objects.update(stage="waiting")
    identify()
    assert rows() == after


def test_a_killed_correction_is_finished_when_persons_are_identified_again(
    video,
    runs,
    user,
    monkeypatch,
):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(corrected_runs, "correct_run", killed)
    with pytest.raises(KeyboardInterrupt):
        corrections.drop(video, 2, user=user)
    monkeypatch.undo()
    IdentityRun.objects.update(stage="waiting")
    identify()
    assert persons()[1] == {1: 450}


def test_clips_with_tasks_keep_their_persons(video, runs, user):
    task = make_task(runs[1], make_annotator(video.dataset))
    clip = video.clips.get(index=1)
    for act in (
        lambda: corrections.drop(video, 2, user=user),
        lambda: corrections.split(video, 1, clip, 150, user=user),
        lambda: corrections.merge(video, 2, 1, user=user),
    ):
        with pytest.raises(CorrectionError, match="walk-c0001 with tasks"):
            act()
    assert persons() == BEFORE
    assert not PersonCorrection.objects.exists()
    task.delete()
    corrections.drop(video, 2, user=user)


def test_whoever_is_split_off_is_of_the_same_class(video, runs, user):
    VideoPerson.objects.filter(video=video, person_id=1).update(label="car")
    made = corrections.split(video, 1, video.clips.get(index=1), 150, user=user)
    assert made.other.label == "car"


def test_a_person_and_a_vehicle_are_never_one(video, runs, user):
    VideoPerson.objects.filter(video=video, person_id=2).update(label="vehicle")
    said = (
        "P1 can't be merged with P2 vehicle: one is of the class person, the other of the "
        "class vehicle."
    )
    with pytest.raises(CorrectionError, match=said):
        corrections.merge(video, 1, 2, user=user)
    assert not PersonCorrection.objects.exists()
    assert persons() == BEFORE


def reasons(video):
    return [
        (one.correction.person.person_id, one.reason) for one in corrections_left_out(video)
    ]


def test_a_merge_of_two_classes_that_is_stored_is_left_out(video, runs, user):
    """As one that was made when nothing asked for classes; those after it still hold."""
    clip = video.clips.get(index=1)
    corrections.merge(video, 2, 1, user=user)
    VideoPerson.objects.filter(video=video, person_id=2).update(label="vehicle")
    corrections.split(video, 1, clip, 150, user=user)
    IdentityRun.objects.update(stage="waiting")
    identify()
    assert IdentityRun.objects.get().error == ""
    assert persons() == {0: {1: 450}, 1: {1: 150, 2: 100, 3: 300}, 2: {3: 150}}
    assert TrackingRun.objects.get(clip=clip).made_by["corrections"] == 1
    assert reasons(video) == [(2, "P2 vehicle and P1 are of different classes")]
    corrections.undo(video)
    corrections.undo(video)
    assert (persons(), reasons(video)) == (BEFORE, [])


def test_a_tracking_that_finds_another_class_gives_it_another_number(video, runs, user):
    """The merge is left out and said, and comes back with the tracks that it was made for."""
    corrections.merge(video, 2, 1, user=user)
    dataset = video.dataset
    dataset.classes = "person, vehicle"
    dataset.save()
    clips = list(video.clips.order_by("index"))
    for clip in clips:
        stays = a_person(3, range(clip.frame_count))
        visitor = replace(a_person(1, range(100, 200), left=400), label="vehicle")
        tracked(clip, [stays, visitor] if clip.index == 1 else [stays])
    identify()
    assert not IdentityRun.objects.exclude(error="").exists()
    newest = runs_in_use(video)[1]
    assert set(newest.persons.values_list("person_id", flat=True)) == {1, 3}
    assert VideoPerson.objects.get(video=video, person_id=3).label == "vehicle"
    assert reasons(video) == [(2, "the tracks do not show P2")]
    with pytest.raises(CorrectionError, match=r"P1 can't be merged with P3 vehicle"):
        corrections.merge(video, 1, 3, user=user)
    IdentityRun.objects.filter(config_key=newest.config_key).delete()
    TrackingRun.objects.filter(config_key=newest.config_key).delete()
    assert reasons(video) == []


def test_a_correction_of_somebody_whom_a_correction_made_is_not_left_out(video, runs, user):
    clip = video.clips.get(index=1)
    corrections.split(video, 1, clip, 150, user=user)
    corrections.merge(video, 3, 2, user=user)
    corrections.drop(video, 2, user=user)
    assert reasons(video) == []


def test_a_later_clip_without_tasks_can_still_be_split_off(video, runs, user):
    make_task(runs[0], make_annotator(video.dataset))
    corrections.split(video, 1, video.clips.get(index=1), 150, user=user)
    assert persons()[0] == {1: 450}


def test_of_two_persons_the_one_with_answers_keeps_its_number(video, user):
    first, second, third = video.clips.order_by("index")
    made = [
        tracked(first, [a_person(1, range(100))]),
        tracked(second, [a_person(1, range(300, 400), left=400)]),
        tracked(third, []),
    ]
    identify()
    make_task(made[0], make_annotator(video.dataset))
    corrections.merge(video, 1, 2, user=user)
    assert persons() == {0: {1: 100}, 1: {1: 100}, 2: {}}


def test_nothing_is_split_where_a_person_begins(video, runs, user):
    with pytest.raises(CorrectionError, match="not seen before that frame"):
        corrections.split(video, 2, video.clips.get(index=1), 100, user=user)


def test_a_name_is_undone_to_the_one_before(video, runs, user):
    corrections.rename(video, 1, "red  coat", user=user)
    corrections.rename(video, 1, "grey coat", user=user)
    corrections.undo(video)
    assert VideoPerson.objects.get(video=video, person_id=1).name == "red coat"
    corrections.undo(video)
    assert VideoPerson.objects.get(video=video, person_id=1).name == ""
    with pytest.raises(CorrectionError, match="Nothing is left"):
        corrections.undo(video)


def test_files_that_no_correction_needs_any_more_are_removed(video, runs, user):
    corrections.drop(video, 2, user=user)
    run = TrackingRun.objects.get(clip__index=1)
    corrected, raw = run.tracks.name, run.uncorrected.name
    corrections.undo(video)
    assert PendingDeletion.objects.filter(name=corrected).exists()
    delete_pending_files()
    assert (default_storage.exists(corrected), default_storage.exists(raw)) == (False, True)


def test_a_short_visitor_is_doubtful_until_somebody_looked(video, user):
    for clip in video.clips.all():
        tracked(clip, [a_person(1, range(20))] if not clip.index else [])
    identify()
    person = VideoPerson.objects.get()
    assert (person.doubt, person.doubt_reason) == (0.5, "seen for 0.7 s only")
    corrections.check(video, 1)
    person.refresh_from_db()
    assert person.checked_at
