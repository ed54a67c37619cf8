from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from avaproject.base.storage import store
from avaproject.base.work import Stage
from datasets.models import Fingerprint, SharedFootage, Video
from datasets.selectors import recording_groups_of, shared_sentences
from datasets.services.compare_footage import compare_footage, plan_fingerprints
from datasets.services.recordings import GroupsError, read_groups, set_groups, write_groups
from datasets.services.standardise import standardise_video
from tests.core.datasets.media.test_repeats import walk
from tests.make import make_dataset, make_user, make_video
from tests.video_files import make_video_file, standard_of

pytestmark = pytest.mark.django_db

Kind = SharedFootage.Kind


@pytest.fixture
def dataset():
    return make_dataset("shop")


def video_with(dataset, thumbnails, name="", **fields):
    video = make_video(dataset, name, frame_count=len(thumbnails) * 6, **fields)
    Fingerprint.objects.create(video=video, thumbnails=thumbnails.tobytes())
    return video


def compare_all():
    for pk in Fingerprint.objects.filter(stage=Stage.WAITING).values_list("pk", flat=True):
        compare_footage(pk)


def test_a_new_video_that_repeats_old_footage_says_so_with_the_seconds(dataset):
    old = video_with(dataset, walk(1, 30), "old")
    compare_all()
    new = video_with(dataset, walk(1, 12, start=7), "new")
    compare_all()
    row = SharedFootage.objects.get()
    assert (row.video, row.other, row.kind) == (new, old, Kind.REPEAT)
    assert row.other_start == pytest.approx(7, abs=0.5)
    (sentence,) = shared_sentences([old, new])[new.pk]
    assert sentence.startswith("Seconds 0.")
    assert "of new show what seconds 7." in sentence
    assert recording_groups_of(dataset) == {"new": "new", "old": "new"}


def test_it_does_not_matter_which_of_two_videos_is_compared_last(dataset):
    old, new = video_with(dataset, walk(1, 30)), video_with(dataset, walk(1, 20, start=3))
    first, second = Fingerprint.objects.order_by("-pk")
    compare_footage(first.pk)
    compare_footage(second.pk)
    row = SharedFootage.objects.get()
    assert (row.video, row.other) == (new, old)


def test_comparing_twice_stores_nothing_twice(dataset):
    for start in (0, 3):
        video_with(dataset, walk(1, 20, start=start))
    compare_all()
    Fingerprint.objects.all().start_over()
    compare_all()
    assert SharedFootage.objects.count() == 1


def test_videos_of_other_datasets_are_not_compared(dataset):
    video_with(make_dataset("yard"), walk(1, 30))
    video_with(dataset, walk(1, 30))
    compare_all()
    assert not SharedFootage.objects.exists()


def test_a_row_of_another_worker_is_left_alone(dataset):
    video_with(dataset, walk(1, 30))
    Fingerprint.objects.claim(Fingerprint.objects.get().pk)
    assert compare_footage(Fingerprint.objects.get().pk) is None


def test_chapters_of_one_recording_are_linked(dataset):
    whole = walk(1, 40)
    video_with(dataset, whole[:100], "gx010001", original_name="GX010001.MP4")
    video_with(dataset, whole[100:], "gx020001", original_name="GX020001.MP4")
    video_with(dataset, walk(9, 20, place=9), "gx030001", original_name="GX030001.MP4")
    compare_all()
    row = SharedFootage.objects.get()
    assert row.kind == Kind.CHAPTER
    assert shared_sentences([row.video])[row.video_id] == [
        "gx020001 continues gx010001: chapters of one recording."
    ]
    groups = recording_groups_of(dataset)
    assert groups["gx020001"] == groups["gx010001"] != groups["gx030001"]


def test_a_standardised_video_has_its_thumbnails(dataset, tmp_path):
    raw = store(make_video_file(tmp_path / "video.mkv", frames=150), "shop/raw/0000-aisle")
    video = Video.objects.create(
        dataset=dataset,
        name="aisle",
        original_name="aisle.mkv",
        sha256="0" * 64,
        size=1,
        raw=raw,
    )
    standardise_video(video.pk)
    assert len(Fingerprint.objects.get().thumbnails) == 25 * 64
    compare_all()
    assert len(Fingerprint.objects.get().hashes) == 5 * 8


def test_a_video_that_came_without_a_fingerprint_gets_one(dataset, tmp_path):
    target, _ = standard_of(make_video_file(tmp_path / "video.mkv", frames=150))
    make_video(dataset, "aisle", file=store(target, "shop/videos/aisle.mp4"), frame_count=150)
    make_video(dataset, "stills", frame_rate=5, file="shop/videos/stills.mp4")
    assert plan_fingerprints() == 1
    assert plan_fingerprints() == 0
    assert plan_fingerprints(timezone.now() + timedelta(hours=1)) == 0
    compare_all()
    assert len(Fingerprint.objects.get().thumbnails) == 25 * 64


def test_a_user_groups_videos_by_camera(dataset):
    for name in ("a", "b", "c"):
        make_video(dataset, name)
    assert set_groups(dataset, {"a": "North gate", "c.mp4": "north gate "}) == 2
    assert set_groups(dataset, read_groups(write_groups(dataset))) == 1  # the space is cut
    assert recording_groups_of(dataset) == {"a": "a", "b": "b", "c": "a"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("a,b,c\n", "Line 1 is not a video and its group"),
        ("a\n", "Line 1 is not"),
        (f"a,{'x' * 101}\n", "Line 1 has a group of 101 characters"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_line(table, sentence):
    with pytest.raises(GroupsError, match=sentence):
        read_groups(table)


def test_a_table_of_a_spreadsheet_is_read():
    assert read_groups("\ufeffVideo;Camera\na;north\n\nb;\n") == {"a": "north", "b": ""}


def test_an_unknown_video_changes_nothing(dataset):
    make_video(dataset, "a")
    with pytest.raises(GroupsError, match="gone is no video of shop"):
        set_groups(dataset, {"a": "north", "gone": "north"})
    assert Video.objects.get().group == ""


def test_the_page_shows_groups_and_saves_the_users_own(client, dataset):
    client.force_login(make_user("boss", is_superuser=True))
    for name in ("a", "b"):
        make_video(dataset, name)
    url = reverse("datasets:recordings", args=["shop"])
    assert "Every video is a group of its own." in client.get(url).content.decode()
    client.post(url, {"table": "a,north\nb,north"})
    page = client.get(url).content.decode()
    assert "a, b" in page
    assert "a is of the group north." in page
    bad = client.post(url, {"table": "gone,north"})
    assert (bad.status_code, "gone is no video of shop" in bad.content.decode()) == (422, True)


def test_a_command_reads_the_table(dataset, tmp_path, capsys):
    make_video(dataset, "a")
    (tmp_path / "table.csv").write_text("a,north\n")
    call_command("group_videos", tmp_path / "table.csv", dataset="shop")
    assert capsys.readouterr().out == "1 video changed.\n"
    with pytest.raises(CommandError, match="no dataset yard"):
        call_command("group_videos", tmp_path / "table.csv", dataset="yard")
