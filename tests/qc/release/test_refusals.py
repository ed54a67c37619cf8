"""What may not be released, and the sentence that says why."""

from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from avaproject.base.storage import StorageError
from avaproject.base.work import Stage
from qc.core.release.options import ReleaseOptions
from qc.models import (
    Consensus,
    ConsensusBox,
    Release,
    Review,
)
from qc.services.release import make_release as service
from qc.services.release import release_docs
from qc.services.release.make_release import make_release, request_release
from tests import make
from tests.qc.release.corner import add_person, consensus_of, files_of, made

pytestmark = pytest.mark.django_db


def test_a_clip_that_is_not_approved_stays_out(dataset):
    task = consensus_of("shop-c0001").clip.tasks.first()
    Review.objects.create(
        task=task, version=task.versions.get(), verdict="rejected", reviewer=make.make_user()
    )
    release = made(dataset)
    assert release.counts["left_out"] == {"shop-c0001": "1 of 2 tasks are approved"}
    assert not [name for name in files_of(release) if "shop-c0001" in name]


def test_an_approval_of_an_older_version_does_not_count(dataset):
    make.make_version(consensus_of("shop-c0001").clip.tasks.first())
    release = made(dataset)
    assert release.counts["left_out"] == {"shop-c0001": "1 of 2 tasks are approved"}


def test_approved_answers_without_their_consensus_stay_out(dataset):
    Consensus.objects.filter(clip__name="shop-c0001").update(versions=[1, 2, 3])
    assert made(dataset).counts["left_out"] == {"shop-c0001": "consensus not built yet"}


def test_nothing_approved_is_a_sentence(dataset):
    Review.objects.update(verdict="rejected")
    release = make_release(request_release(dataset).pk)
    assert release.stage == Stage.FAILED
    assert "corner has no approved clip (shop-c0000: 0 of 2 tasks are approved" in release.error
    Review.objects.update(verdict="approved")
    Release.objects.retry()
    assert make_release(release.pk).stage == Stage.DONE


def test_a_release_without_consensus_fails_with_a_message(dataset):
    ConsensusBox.objects.update(status="disputed")
    release = make_release(request_release(dataset).pk)
    assert "All keyframes of corner have undecided items" in release.error


def test_a_lost_standard_video_is_a_sentence(dataset):
    default_storage.delete("corner/videos/yard.mp4")
    release = make_release(request_release(dataset).pk)
    assert release.error.startswith("the standard video of yard is no longer in the storage")


def test_a_broken_standard_video_is_a_sentence(dataset):
    Path(default_storage.path("corner/videos/yard.mp4")).write_bytes(b"not a video")
    release = make_release(request_release(dataset).pk)
    assert release.stage == Stage.FAILED
    assert "yard.mp4 cannot be read" in release.error


def test_an_action_outside_the_vocabulary_is_a_sentence(dataset):
    box = ConsensusBox.objects.filter(consensus__clip__name="yard-c0000").first()
    box.labels.filter(group="posture").update(actions=["fly"])
    release = make_release(request_release(dataset).pk)
    assert "The consensus of yard-c0000 has posture: fly" in release.error


def test_a_release_that_fails_its_check_cannot_be_downloaded(dataset, monkeypatch):
    monkeypatch.setattr(release_docs, "write_configs", lambda folder, values: None)
    release = make_release(request_release(dataset).pk)
    assert release.stage == Stage.FAILED
    assert "configs/slowfast_ava.yaml cannot be read" in release.error
    assert (release.archive.name, release.folder) == ("", "")
    assert [c["name"] for c in release.checks if not c["passed"]] == [
        "frame lists", "training configurations",
    ]  # fmt: skip
    assert list(default_storage.listdir("corner/releases")) == [[], []]


def test_answers_that_change_meanwhile_are_for_the_next_release(dataset, monkeypatch):
    before = make_release(request_release(dataset).pk)
    real = service.split_videos

    def changes(labels, **options):
        add_person(consensus_of("yard-c0000"), 2, 2, left=120)
        return real(labels, **options)

    monkeypatch.setattr(service, "split_videos", changes)
    release = make_release(request_release(dataset).pk)
    assert release.stage == Stage.DONE, release.error
    assert release.counts["persons"] == before.counts["persons"]
    monkeypatch.undo()
    later = make_release(request_release(dataset).pk)
    assert later.counts["persons"] != before.counts["persons"]


def test_clips_without_video_are_left_out_and_named(dataset):
    dataset.videos.filter(name="yard").update(file="", frame_rate=5)
    release = made(dataset)
    assert release.stage == Stage.DONE, release.error
    assert release.counts["left_out"] == {
        "yard-c0000": "imported without a video: only in releases of annotations"
    }
    assert release.counts["clips"] == 2


def test_only_clips_without_video_is_refused_with_the_option_to_use(dataset):
    dataset.videos.update(file="")
    release = make_release(request_release(dataset).pk)
    assert "create a release of annotations only" in release.error


def test_a_card_goes_without_images_that_nobody_has(dataset):
    dataset.videos.update(file="")
    options = ReleaseOptions.chosen("annotations")
    release = make_release(request_release(dataset, options=options).pk)
    assert (release.error, release.stage) == ("", Stage.DONE)


def test_images_are_waited_for_where_the_bucket_is_away(dataset, monkeypatch):
    def away(*_):
        raise StorageError("The bucket is unavailable.")

    monkeypatch.setattr("qc.services.release.release_images.read_frame", away)
    options = ReleaseOptions.chosen("annotations")
    release = make_release(request_release(dataset, options=options).pk)
    assert release.stage == Stage.WAITING
    assert release.error == "The bucket is unavailable. It will be retried automatically."
