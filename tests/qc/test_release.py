import hashlib
import json
import shutil
import time
import zipfile
from io import BytesIO, StringIO
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.files.storage import InMemoryStorage, default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from datasets.core import ava
from datasets.core.media import read_frames
from datasets.files import local_path, sha256_of
from datasets.models import Clip
from datasets.stages import Stage
from qc.core.packing import PARTS
from qc.core.release_check import check_release
from qc.core.release_options import ReleaseOptions
from qc.models import (
    Adjudication,
    AgreementReport,
    ClipExport,
    Consensus,
    ConsensusBox,
    Release,
    Review,
)
from qc.selectors.release_clips import select_clips
from qc.services import export_frames, release_content, release_texts
from qc.services import release as service
from qc.services.agree import plan_reports, report_agreement
from qc.services.release import make_release, order_release
from qc.services.release_store import StoreError, opener, withdraw_release, zip_of
from tests import make
from tests.core.test_release_check import make_film
from tests.stamp import draw_stamp, read_stamp

pytestmark = pytest.mark.django_db
SIZE = (192, 96)


def stamped_film(path, frame_count):
    pictures = []
    for number in range(frame_count):
        picture = np.full((SIZE[1], SIZE[0], 3), 90, dtype=np.uint8)
        draw_stamp(picture, number)
        pictures.append(picture)
    return make_film(path, pictures)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Standard videos by their length in frames, rendered once."""
    folder = tmp_path_factory.mktemp("films")
    return {count: stamped_film(folder / f"{count}.mp4", count) for count in (285, 150)}


@pytest.fixture
def dataset(films):
    """Two approved videos: `shop` with two clips (5 s and 4.5 s), `yard` with one of 5 s."""
    dataset = make.make_dataset("corner", description="People at a corner.")
    for name, count in (("shop", 285), ("yard", 150)):
        video = make.make_video(
            dataset, name, width=SIZE[0], height=SIZE[1], frame_count=count,
            file=f"corner/videos/{name}.mp4",
        )  # fmt: skip
        with films[count].open("rb") as file:
            default_storage.save(video.file.name, file)
        for index, start in enumerate(range(0, count, 150)):
            believe(
                Clip.objects.create(
                    video=video, name=f"{name}-c{index:04d}", index=index, start_frame=start,
                    frame_count=min(150, count - start), stage=Stage.DONE,
                )
            )  # fmt: skip
    return dataset


def believe(clip, *, annotators=("ann", "ben"), actions=("walk", "wave"), verdict="approved"):
    """Tasks, answers, verdicts, and a consensus in which everybody is seen to walk and wave."""
    run = make.make_run(clip, persons=1)
    run.proposals.update(x1=20, y1=20, x2=60, y2=80)
    reviewer = make.make_user()
    pulls = []
    for name in annotators:
        annotator = clip.video.dataset.annotators.filter(name=name).first()
        task = make.make_task(run, annotator or make.make_annotator(clip.video.dataset, name))
        pulls.append(make.make_pull(task))
        if verdict:
            Review.objects.create(task=task, pull=pulls[-1], verdict=verdict, reviewer=reviewer)
    consensus = Consensus.objects.create(
        clip=clip, versions=",".join(str(pull.pk) for pull in pulls), open_count=0,
        stage=Stage.DONE,
    )  # fmt: skip
    for second in clip.keyframes():
        add_person(consensus, second, 1, actions=actions)
    return consensus


def add_person(
    consensus, second, person_id, *, actions=("walk",), status="agreed", left=20, rules=None
):
    box = ConsensusBox.objects.create(
        consensus=consensus, second=second, person_id=person_id, status=status,
        x1=left, y1=20, x2=left + 40, y2=80, drawn_by=["ann"],
    )  # fmt: skip
    for group, of_group in (
        ("posture", {"walk", "sit", "stand"}),
        ("doing", {"wave", "carry"}),
    ):
        box.labels.create(
            group=group, actions=[a for a in actions if a in of_group], votes={"ann": "x"},
            rule=(rules or {}).get(group, "unanimous"),
        )  # fmt: skip
    return box


def consensus_of(name):
    return Consensus.objects.get(clip__name=name)


def made(dataset):
    release = make_release(order_release(dataset).pk)
    assert release.error == ""
    return release


def files_of(release):
    """What the zip of a release holds, as a download gives it."""
    layout, folder = zip_of(release, PARTS)
    content = b"".join(layout.read(0, layout.size, opened=opener(folder)))
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_approved_dataset_becomes_a_folder_and_a_zip(dataset):
    release = made(dataset)
    assert release.stage == Stage.DONE
    assert (release.archive.name, release.folder) == ("", "corner/releases/1")
    assert all(check["passed"] for check in release.checks)
    files = files_of(release)
    assert list(files) == sorted(files)
    for name in (
        "AVA_dataset.csv", "README.md", "manifest.json", "annotations/ava_train.csv",
        "annotations/ava_val.csv", "annotations/dense_proposals_train.pkl",
        "annotations/dense_proposals_val.pkl", "annotations/ava_action_list.pbtxt",
        "annotations/ava_train_excluded_timestamps.csv", "frame_lists/train.csv",
        "frame_lists/val.csv", "clips/shop-c0000.mp4", "configs/slowfast_ava.yaml",
        "rawframes/shop-c0000/img_00001.jpg",
    ):  # fmt: skip
        assert name in files
    assert {c["name"] for c in check_release(folder_of(release)) if c["passed"]}


def folder_of(release):
    return Path(default_storage.path(release.folder))


def test_every_picture_is_the_frame_of_its_time(dataset):
    files = files_of(made(dataset))
    videos = {each["video_id"]: each for each in json.loads(files["manifest.json"])["videos"]}
    # clip 1 of shop begins at frame 150; two seconds before it are there as well
    assert videos["shop-c0001"]["source_start_sec"] == 3.0
    assert videos["shop-c0001"]["n_frames"] == 285 - 90
    assert videos["shop-c0000"]["n_frames"] == 210
    for name, start in (("shop-c0000", 0), ("shop-c0001", 90), ("yard-c0000", 0)):
        for frame in (0, 1, 60, videos[name]["n_frames"] - 1):
            jpeg = files[f"rawframes/{name}/img_{frame + 1:05d}.jpg"]
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert read_stamp(picture) == start + frame


def test_the_film_shows_the_same_frames(dataset, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(files_of(made(dataset))["clips/shop-c0001.mp4"])
    assert [read_stamp(rgb) for _, rgb in read_frames(path)] == list(range(90, 285))


def test_labels_are_those_of_the_consensus(dataset):
    files = files_of(made(dataset))
    together = files["AVA_dataset.csv"].decode().splitlines()[1:]
    rows = [row for row in together if row.startswith("shop-c0001,0902")]
    box = ava.format_box([20, 20, 60, 80], width=192, height=96)
    split = rows[0].rpartition(",")[2]
    assert rows == [f"shop-c0001,0902,{box},2,1,{split}", f"shop-c0001,0902,{box},4,1,{split}"]
    # seconds 0 to 3 of a clip of 4.5 s: frame 120 has less than 1.5 s after it
    assert {row.split(",")[1] for row in together if row.startswith("shop-c0001")} == {
        "0902", "0903", "0904", "0905",
    }  # fmt: skip


def test_clips_of_a_video_are_in_one_split(dataset):
    release = made(dataset)
    assert sorted(release.counts["split_of"].values()) == ["train", "val"]
    videos = json.loads(files_of(release)["manifest.json"])["videos"]
    assert {each["source_video"]: each["split"] for each in videos} == release.counts[
        "split_of"
    ]


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


def test_a_second_order_while_one_waits_is_the_same(dataset):
    first = order_release(dataset)
    assert order_release(dataset) == first
    make_release(first.pk)
    assert order_release(dataset).number == 2


def test_pictures_are_made_once_and_shared(dataset, monkeypatch):
    first = folder_of(made(dataset))
    monkeypatch.delattr(export_frames, "export_picture")
    second = folder_of(made(dataset))
    name = "rawframes/yard-c0000/img_00001.jpg"
    assert (first / name).samefile(second / name)


def test_a_run_that_was_cut_off_goes_on_with_the_clips_that_are_missing(dataset, monkeypatch):
    order = order_release(dataset)
    finished = []
    real = export_frames.export_picture

    def dies_in_the_second_clip(rgb, **options):
        if len(finished) == 220:
            raise KeyboardInterrupt
        finished.append(read_stamp(rgb))
        return real(rgb, **options)

    monkeypatch.setattr(export_frames, "export_picture", dies_in_the_second_clip)
    with pytest.raises(KeyboardInterrupt):
        make_release(order.pk)
    Release.objects.filter(pk=order.pk).update(stage=Stage.WAITING)
    monkeypatch.setattr(
        export_frames, "export_picture", lambda rgb, **o: finished.append(0) or real(rgb, **o)
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
    left = folder_of(release).with_name("1.1.part")
    left.mkdir()
    left.with_name("1.1.part.zip").write_bytes(b"half a zip")
    Release.objects.filter(pk=release.pk).update(
        stage=Stage.RUNNING, lease_until=timezone.now(), archive="", folder=""
    )
    again = make_release(release.pk)
    assert files_of(again) == content
    assert sorted(path.name for path in folder_of(again).parent.iterdir()) == [
        "1", "1.index",
    ]  # fmt: skip


def test_a_clip_that_is_not_approved_stays_out(dataset):
    task = consensus_of("shop-c0001").clip.tasks.first()
    Review.objects.create(
        task=task, pull=task.pulls.get(), verdict="rejected", reviewer=make.make_user()
    )
    release = made(dataset)
    assert release.counts["left_out"] == {"shop-c0001": "1 of 2 answers are approved"}
    assert not [name for name in files_of(release) if "shop-c0001" in name]


def test_an_approval_of_an_older_version_does_not_count(dataset):
    make.make_pull(consensus_of("shop-c0001").clip.tasks.first())
    release = made(dataset)
    assert release.counts["left_out"] == {"shop-c0001": "1 of 2 answers are approved"}


def test_approved_answers_without_their_consensus_stay_out(dataset):
    Consensus.objects.filter(clip__name="shop-c0001").update(versions="1,2,3")
    assert made(dataset).counts["left_out"] == {
        "shop-c0001": "its consensus is not computed yet"
    }


@pytest.mark.parametrize(
    "question",
    [
        pytest.param({"status": "disputed"}, id="is it a person"),
        pytest.param({"rules": {"posture": "open"}}, id="required group"),
        pytest.param({"rules": {"doing": "open"}}, id="tie in another group"),
    ],
)
def test_a_keyframe_with_a_question_open_is_excluded_everywhere(dataset, question):
    add_person(consensus_of("yard-c0000"), 2, 2, left=120, **question)
    files = files_of(made(dataset))
    split = "train" if b"yard-c0000" in files["annotations/ava_train.csv"] else "val"
    name = f"annotations/ava_{split}_excluded_timestamps.csv"
    assert files.pop(name) == b"yard-c0000,0902\n"
    assert not [n for n, content in files.items() if b"yard-c0000,0902" in content]
    keyframes = json.loads(files["manifest.json"])["keyframes"]
    assert {"video_id": "yard-c0000", "timestamp": 902, "status": "excluded"} in keyframes


def test_a_question_that_nobody_looked_at_in_an_optional_group_excludes_nothing(dataset):
    box = add_person(consensus_of("yard-c0000"), 2, 2, left=120, rules={"doing": "open"})
    box.labels.filter(group="doing").update(votes={"ann": "unset"})
    assert made(dataset).counts["excluded"] == 0


def test_a_dropped_box_is_nobody(dataset):
    add_person(consensus_of("yard-c0000"), 2, 2, left=120, status="dropped")
    release = made(dataset)
    assert release.counts["persons"] == 2
    assert release.counts["excluded"] == 0


def test_a_person_without_an_action_is_listed_apart(dataset):
    box = add_person(consensus_of("yard-c0000"), 2, 10_000, left=120, actions=())
    box.labels.filter(group="posture").update(actions=["unknown"])
    files = files_of(made(dataset))
    text = ava.format_box([120, 20, 160, 80], width=192, height=96)
    assert (
        files["annotations/unlabelled_boxes.csv"] == f"yard-c0000,0902,{text},,10000\n".encode()
    )
    assert text.encode() not in files["AVA_dataset.csv"]


def test_an_annotated_keyframe_without_anybody_is_told_to_the_evaluator(dataset):
    ConsensusBox.objects.filter(consensus__clip__name="yard-c0000", second=2).delete()
    files = files_of(made(dataset))
    both = (
        files["annotations/ava_train_activitynet.csv"]
        + files["annotations/ava_val_activitynet.csv"]
    )
    assert b"\nyard-c0000,0902\n" in b"\n" + both


def test_two_persons_in_one_box_exclude_the_keyframe(dataset):
    add_person(consensus_of("yard-c0000"), 2, 2)
    assert made(dataset).counts["excluded"] == 1


def test_nothing_approved_is_a_sentence(dataset):
    Review.objects.update(verdict="rejected")
    release = make_release(order_release(dataset).pk)
    assert release.stage == Stage.FAILED
    assert (
        "corner has no approved clip (shop-c0000: 0 of 2 answers are approved" in release.error
    )
    Review.objects.update(verdict="approved")
    Release.objects.retry()
    assert make_release(release.pk).stage == Stage.DONE


def test_nothing_settled_is_a_sentence(dataset):
    ConsensusBox.objects.update(status="disputed")
    release = make_release(order_release(dataset).pk)
    assert "corner has no keyframe without an open question" in release.error


def test_a_lost_standard_video_is_a_sentence(dataset):
    default_storage.delete("corner/videos/yard.mp4")
    release = make_release(order_release(dataset).pk)
    assert release.error.startswith("the standard video of yard is not in the storage")


def test_a_broken_standard_video_is_a_sentence(dataset):
    Path(default_storage.path("corner/videos/yard.mp4")).write_bytes(b"not a film")
    release = make_release(order_release(dataset).pk)
    assert release.stage == Stage.FAILED
    assert "yard.mp4 cannot be read" in release.error


def test_an_action_outside_the_vocabulary_is_a_sentence(dataset):
    box = ConsensusBox.objects.filter(consensus__clip__name="yard-c0000").first()
    box.labels.filter(group="posture").update(actions=["fly"])
    release = make_release(order_release(dataset).pk)
    assert "yard-c0000 is believed to show posture: fly" in release.error


def test_a_release_that_fails_its_check_cannot_be_downloaded(dataset, monkeypatch):
    monkeypatch.setattr(release_texts, "write_configs", lambda folder, values: None)
    release = make_release(order_release(dataset).pk)
    assert release.stage == Stage.FAILED
    assert "configs/slowfast_ava.yaml cannot be read" in release.error
    assert (release.archive.name, release.folder) == ("", "")
    assert [c["name"] for c in release.checks if not c["passed"]] == [
        "frame lists", "configurations",
    ]  # fmt: skip
    assert list(default_storage.listdir("corner/releases")) == [[], []]


def test_answers_that_change_meanwhile_stop_the_release(dataset, monkeypatch):
    real = service.split_videos

    def changes(labels, **options):
        add_person(consensus_of("yard-c0000"), 2, 2, left=120)
        return real(labels, **options)

    monkeypatch.setattr(service, "split_videos", changes)
    release = make_release(order_release(dataset).pk)
    assert release.error == "yard-c0000 was changed meanwhile: make it again."


def test_a_video_keeps_its_split_in_later_releases(dataset):
    first = made(dataset)
    video = make.make_video(
        dataset, "park", width=SIZE[0], height=SIZE[1], frame_count=150,
        file="corner/videos/yard.mp4",
    )  # fmt: skip
    for clip in make.make_clips(video):
        believe(clip)
    second = made(dataset)
    assert second.counts["split_of"].items() >= first.counts["split_of"].items()
    assert second.counts["split_of"]["park"] == "train"


def test_the_card_counts_and_says_how_it_was_made(dataset):
    text = files_of(made(dataset))["README.md"].decode()
    assert "SIMULATED" not in text
    assert "People at a corner." in text
    assert "| 2 walk | person movement |" in text
    assert "3 clips by 2" in text
    assert "test/1" in text


def test_the_card_says_how_far_annotators_agree(dataset):
    plan_reports()
    for report in AgreementReport.objects.all():
        report_agreement(report.pk)
    text = files_of(made(dataset))["README.md"].decode()
    assert "on the 3 of 3 clips that two or more annotated. Boxes: F1 1.00" in text
    undefined = "not defined: only one category was used"
    assert f"| posture | 9 | 1.00 | {undefined} | {undefined} |" in text


@pytest.mark.parametrize("whose", ["dataset", "annotator"])
def test_simulated_answers_are_marked_in_card_and_manifest(dataset, whose):
    if whose == "dataset":
        type(dataset).objects.update(is_simulated=True)
    else:
        dataset.annotators.filter(name="ben").update(is_simulated=True)
    files = files_of(made(dataset))
    assert b"**SIMULATED ANSWERS.**" in files["README.md"]
    assert json.loads(files["manifest.json"])["simulated"] is True


def test_content_is_read_with_few_queries(dataset, django_assert_max_num_queries):
    approved = select_clips(dataset).approved
    reader = release_content.ContentReader(dataset)
    with django_assert_max_num_queries(6):
        assert len(list(reader.read(approved))) == 3


def test_every_label_row_says_where_it_comes_from(dataset, tmp_path):
    person = consensus_of("yard-c0000").boxes.get(second=2, person_id=1)
    person.labels.filter(group="doing").update(
        rule="adjudicated", votes={"ann": ["carry"], "ben": ["wave"]}
    )
    reviewer = make.make_user("judge")
    Adjudication.objects.create(
        clip=consensus_of("yard-c0000").clip, second=2, person_id=1, group="doing",
        actions=["wave"], decided_by=reviewer, reason="the hand is up",
    )  # fmt: skip
    files = files_of(made(dataset))
    (tmp_path / "provenance.parquet").write_bytes(files["provenance.parquet"])
    rows = pq.read_table(tmp_path / "provenance.parquet").to_pylist()
    assert len(rows) == len(files["AVA_dataset.csv"].splitlines()) - 1
    (decided,) = [row for row in rows if row["rule"] == "adjudicated"]
    assert (decided["video_id"], decided["timestamp"], decided["action_id"]) == (
        "yard-c0000", 902, 4,
    )  # fmt: skip
    assert json.loads(decided["votes"]) == {"1": ["carry"], "2": ["wave"]}
    assert (decided["reviewer"], decided["reason"]) == (1, "the hand is up")
    assert decided["decided_at"].endswith("+00:00")
    answers = json.loads(decided["answers"])
    assert [(each["annotator"], each["version"]) for each in answers] == [(1, 1), (2, 1)]
    assert b"judge" not in b"".join(files.values())
    assert b'"ann"' not in b"".join(files.values())


def test_pictures_may_be_smaller(dataset):
    release = make_release(
        order_release(dataset, options=ReleaseOptions(longest_side=96, formats=("coco",))).pk
    )
    assert release.error == ""
    jpeg = files_of(release)["rawframes/shop-c0000/img_00061.jpg"]
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (48, 96, 3)
    full = files_of(made(dataset))["rawframes/shop-c0000/img_00061.jpg"]
    assert len(full) > len(jpeg)


def test_pictures_that_another_worker_makes_are_waited_for(dataset, monkeypatch):
    order = order_release(dataset)
    clip = Clip.objects.get(name="yard-c0000")
    with local_path(clip.video.file.name) as path:
        export = export_frames.order_export(clip, video_sum=sha256_of(path), longest_side=None)
    elsewhere = ClipExport.objects.claim(export.pk)

    def the_other_worker_finishes(seconds):
        ClipExport.objects.put_back(elsewhere.pk)
        assert export_frames.export_clip(elsewhere.pk).stage == Stage.DONE

    monkeypatch.setattr(export_frames.time, "sleep", the_other_worker_finishes)
    assert make_release(order.pk).stage == Stage.DONE
    assert ClipExport.objects.done().count() == 3
    assert export_frames.export_clip(export.pk) is None


def test_pictures_that_are_not_those_of_the_film_are_not_kept(dataset, monkeypatch):
    real = export_frames.cut

    def cuts_elsewhere(source, target, *, start_frame, frame_count):
        real(source, target, start_frame=start_frame + 30, frame_count=frame_count - 30)

    monkeypatch.setattr(export_frames, "cut", cuts_elsewhere)
    release = make_release(order_release(dataset).pk)
    assert "picture 1 of shop-c0000 is not that of its film" in release.error
    assert not ClipExport.objects.done().exists()


def test_pictures_that_were_deleted_are_made_again(dataset):
    made(dataset)
    shutil.rmtree(default_storage.path("corner/exportframes"))
    assert made(dataset).number == 2


def test_a_withdrawn_release_leaves_its_number_and_splits(dataset):
    first = made(dataset)
    withdraw_release(first, user=make.make_user("boss"))
    first.refresh_from_db()
    assert first.withdrawn_by.username == "boss"
    assert list(default_storage.listdir("corner/releases")) == [[], []]
    with pytest.raises(StoreError, match="corner release 1 has no files"):
        withdraw_release(first, user=make.make_user())
    second = made(dataset)
    assert second.number == 2
    assert second.counts["split_of"] == first.counts["split_of"]


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
    release = make_release(order_release(other).pk)
    assert (release.number, release.stage) == (1, Stage.FAILED)


class Remote(InMemoryStorage):
    """A storage whose files have no paths, as on S3."""

    def path(self, name):
        raise NotImplementedError

    def _relative_path(self, name):
        return str(name) if not str(name).startswith("/") else ""


def test_a_storage_without_paths_keeps_the_zip(dataset, monkeypatch, films):
    local = default_storage._wrapped
    remote = Remote()
    for name in ("shop", "yard"):
        with local.open(f"corner/videos/{name}.mp4") as file:
            remote.save(f"corner/videos/{name}.mp4", file)
    monkeypatch.setattr(default_storage, "_wrapped", remote)
    release = made(dataset)
    assert release.folder == ""
    with remote.open(release.archive.name) as file, zipfile.ZipFile(file) as archive:
        assert len([n for n in archive.namelist() if n.startswith("rawframes/")]) == 555
    first = release.counts["archives"]["all"]["sha256"]
    monkeypatch.delattr(export_frames, "export_picture")
    Release.objects.filter(pk=release.pk).update(stage=Stage.WAITING, attempts=0)
    remote.delete(release.archive.name)
    assert make_release(release.pk).counts["archives"]["all"]["sha256"] == first


def test_the_command_makes_a_release_and_copies_it(dataset, tmp_path):
    out = StringIO()
    call_command(
        "make_release", "--dataset", "corner", "--out", str(tmp_path / "out"), stdout=out
    )
    assert "passed  sums" in out.getvalue()
    assert str(tmp_path / "out" / "corner-release-1.zip") in out.getvalue()
    assert (tmp_path / "out" / "corner-release-1" / "README.md").is_file()
    assert all(c["passed"] for c in check_release(tmp_path / "out" / "corner-release-1"))
    assert zipfile.is_zipfile(tmp_path / "out" / "corner-release-1.zip")


def test_a_release_says_what_changed_since_the_one_before(dataset):
    made(dataset)
    assert made(dataset).counts["diff"] == {
        "since": 1, "sentences": ["Nothing changed in the labels."],
    }  # fmt: skip
    box = consensus_of("yard-c0000").boxes.get(second=2)
    ConsensusBox.objects.filter(pk=box.pk).update(x2=70)
    box.labels.filter(group="posture").update(actions=["sit"])
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


def test_the_command_takes_choices(dataset, tmp_path):
    (tmp_path / "splits.csv").write_text("# mine\nshop,val\nyard,train\n")
    call_command(
        "make_release", "--dataset", "corner", "--pictures", "none", "--format", "mot",
        "--split-list", str(tmp_path / "splits.csv"), "--licence", "CC-BY-4.0",
        "--author", "Ada Lovelace", "--official-names", stdout=StringIO(),
    )  # fmt: skip
    release = Release.objects.get()
    assert release.counts["split_of"] == {"shop": "val", "yard": "train"}
    files = files_of(release)
    assert not [name for name in files if name.startswith("rawframes/")]
    assert "formats/mot/train/yard-c0000/gt/gt.txt" in files
    assert files["annotations/ava_val_v2.2.csv"] == files["annotations/ava_val.csv"]
    assert b"license: CC-BY-4.0" in files["CITATION.cff"]
    assert b"Ada Lovelace" in files["CITATION.cff"]
    assert json.loads(files["settings.json"])["release"]["authors"] == ["Ada Lovelace"]
    (tmp_path / "splits.csv").write_text("shop,train\n")
    with pytest.raises(CommandError, match="shop into train, but it was val in an earlier"):
        call_command(
            "make_release", "--dataset", "corner", "--split-list",
            str(tmp_path / "splits.csv"), stdout=StringIO(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        pytest.param("shop,left\n", "line 1 of the split list is not", id="no such split"),
        pytest.param("\nlane,val\n", "line 2 of the split list names lane", id="no video"),
        pytest.param("shop val\nshop train", "line 2 .* a second split", id="twice"),
    ],
)
def test_a_split_list_that_cannot_be_meant_is_refused(dataset, tmp_path, listed, sentence):
    (tmp_path / "splits.csv").write_text(listed)
    with pytest.raises(CommandError, match=sentence):
        call_command(
            "make_release", "--dataset", "corner", "--split-list", str(tmp_path / "splits.csv")
        )
    assert not Release.objects.exists()


def test_the_command_says_what_is_wrong(dataset):
    with pytest.raises(CommandError, match="no dataset 'shop'; there are: corner"):
        call_command("make_release", "--dataset", "shop")
    Review.objects.update(verdict="rejected")
    with pytest.raises(CommandError, match="no approved clip"):
        call_command("make_release", "--dataset", "corner", stdout=StringIO())
