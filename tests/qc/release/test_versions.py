"""Releases one after another: the same bytes, what changed, what never changes."""

import hashlib
import time
from io import StringIO

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from avaproject.base.work import Stage
from qc.models import (
    ConsensusBox,
    Release,
    Review,
)
from qc.services.release import release_storage
from qc.services.release.make_release import make_release, request_release
from qc.services.release.release_storage import (
    ReleaseFilesError,
    remove_withdrawn,
    withdraw_release,
)
from tests import make
from tests.qc.release.corner import (
    SIZE,
    add_person,
    believe,
    consensus_of,
    files_of,
    folder_of,
    made,
)
from workers.broker import advance

pytestmark = pytest.mark.django_db


def test_the_same_rows_give_the_same_bytes(dataset):
    release = made(dataset)
    content = files_of(release)
    Release.objects.filter(pk=release.pk).update(stage=Stage.WAITING, attempts=0)
    again = make_release(release.pk)
    assert files_of(again) == content
    assert again.counts == release.counts
    assert again.counts["diff"] == {}


def test_making_a_release_twice_does_nothing_the_second_time(dataset):
    release = made(dataset)
    assert make_release(release.pk) is None


def test_a_second_request_while_one_waits_is_the_same(dataset):
    first = request_release(dataset)
    assert request_release(dataset) == first
    make_release(first.pk)
    assert request_release(dataset).number == 2


def test_a_video_keeps_its_split_in_later_releases(dataset, videos):
    first = made(dataset)
    video = make.make_video(
        dataset, "park", width=SIZE[0], height=SIZE[1], frame_count=151,
        file="corner/videos/park.mp4",
    )  # fmt: skip
    with videos[151].open("rb") as file:
        default_storage.save(video.file.name, file)
    for clip in make.make_clips(video):
        believe(clip)
    second = made(dataset)
    assert second.counts["split_of"].items() >= first.counts["split_of"].items()
    assert second.counts["split_of"]["park"] == "train"


def test_a_withdrawn_release_leaves_its_number_and_splits(dataset):
    first = made(dataset)
    assert withdraw_release(first, user=make.make_user("boss"))
    first.refresh_from_db()
    assert first.withdrawn_by.username == "boss"
    assert list(default_storage.listdir("corner/releases")) == [[], []]
    assert not withdraw_release(first, user=make.make_user())
    first.refresh_from_db()
    assert first.withdrawn_by.username == "boss"
    second = made(dataset)
    assert second.number == 2
    assert second.counts["split_of"] == first.counts["split_of"]


def test_a_release_that_is_not_finished_has_no_files_to_delete(dataset):
    with pytest.raises(ReleaseFilesError, match="corner release 1 has no files"):
        withdraw_release(request_release(dataset), user=make.make_user())


@pytest.mark.parametrize("way", ["by the next worker", "by deleting them again"])
def test_files_that_a_kill_left_are_removed(dataset, monkeypatch, way):
    release, user = made(dataset), make.make_user()

    def killed(name):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(release_storage, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw_release(release, user=user)
    assert default_storage.exists("corner/releases/1.index")
    if way == "by the next worker":
        advance(lambda task, pk: None)
    else:
        assert not withdraw_release(release, user=user)
    assert list(default_storage.listdir("corner/releases")) == [[], []]
    assert remove_withdrawn() == 0


def test_files_that_cannot_be_removed_now_stop_nobody(dataset, monkeypatch, caplog):
    withdrawn, kept = made(dataset), made(dataset)

    def refused(name):
        raise PermissionError("read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(release_storage, "remove", refused)
        with pytest.raises(PermissionError):
            withdraw_release(withdrawn, user=make.make_user())
        assert remove_withdrawn() == 0
    assert "The files of corner release 1 could not be deleted yet" in caplog.text
    assert remove_withdrawn() == 1
    assert default_storage.listdir("corner/releases") == (["2"], ["2.index"])
    assert files_of(kept)


def test_the_page_says_that_the_files_were_deleted_already(dataset, client):
    release, user = made(dataset), make.make_user("boss", is_superuser=True)
    client.force_login(user)
    address = reverse("qc:release-delete-files", args=["corner", release.number])
    for sentence in (
        "The files of release 1 are deleted.",
        "The files of release 1 were already deleted.",
    ):
        answer = client.post(address, {"confirm": "1"}, follow=True)
        assert sentence in answer.content.decode()


def test_nothing_of_an_earlier_release_changes(dataset):
    first = made(dataset)
    content = files_of(first)
    add_person(consensus_of("yard-c0000"), 2, 2, left=120)
    second = made(dataset)
    assert files_of(first) == content
    assert files_of(second)["AVA_dataset.csv"] != content["AVA_dataset.csv"]
    for path in folder_of(first).rglob("*"):
        assert path.is_dir() or not path.stat().st_mode & 0o222, path


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/St_Johns"])
def test_the_time_zone_changes_nothing(dataset, settings, monkeypatch, zone):
    content = files_of(made(dataset))
    settings.TIME_ZONE = zone
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        Release.objects.update(stage=Stage.WAITING, attempts=0)
        with timezone.override(zone):
            again = make_release(Release.objects.get().pk)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert files_of(again) == content


def test_another_dataset_is_not_touched(dataset):
    other = make.make_dataset("other")
    made(dataset)
    release = make_release(request_release(other).pk)
    assert (release.number, release.stage) == (1, Stage.FAILED)


def test_a_release_lists_changes_since_the_previous_one(dataset):
    made(dataset)
    assert made(dataset).counts["diff"] == {
        "since": 1, "sentences": ["Nothing changed in the labels."],
    }  # fmt: skip
    box = consensus_of("yard-c0000").boxes.get(second=2)
    ConsensusBox.objects.filter(pk=box.pk).update(x2=70)
    box.labels.filter(group="posture").update(actions=["sit"], rule="adjudicated")
    consensus_of("yard-c0000").boxes.filter(second=3).update(status="disputed")
    third = made(dataset)
    expected = [
        "Annotated keyframes: 1 removed.", "Boxes: 1 removed, 1 changed.",
        "Labels walk: 2 removed.", "Labels sit: 1 added.", "Labels wave: 1 removed.",
    ]  # fmt: skip
    assert third.counts["diff"] == {"since": 2, "sentences": expected}
    out = StringIO()
    call_command("diff_releases", "1", "3", "--dataset", "corner", stdout=out)
    assert out.getvalue().splitlines() == expected
    with pytest.raises(CommandError, match="corner has no release 7; there are: 1, 2, 3"):
        call_command("diff_releases", "1", "7", "--dataset", "corner")


def test_a_clip_that_came_is_named(dataset):
    Review.objects.filter(task__clip__name="shop-c0001").update(verdict="rejected")
    made(dataset)
    Review.objects.update(verdict="approved")
    assert made(dataset).counts["diff"]["sentences"] == [
        "Clips: 1 added (shop-c0001).", "Annotated keyframes: 4 added.", "Boxes: 4 added.",
        "Labels walk: 4 added.", "Labels wave: 4 added.",
    ]  # fmt: skip


GOLDEN = "be651112afe2bff9f8449e3f19f301c62d3c7038e050d85cd6db1495ed695a9d"


def test_the_rows_are_the_same_on_every_database_and_machine(dataset):
    digest = hashlib.sha256()
    for name, content in sorted(files_of(made(dataset)).items()):
        if name.startswith(("annotations/", "frame_lists/", "AVA_dataset")):
            digest.update(f"{name} {len(content)}\n".encode() + content)
    assert digest.hexdigest() == GOLDEN
