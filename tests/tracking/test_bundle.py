import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from avaproject.base.claimed_work import ClaimLostError
from avaproject.base.work import Stage
from datasets.core.formats.ava import load_proposals, load_track_proposals
from datasets.core.formats.bundle_files import BundleError, read_manifest
from datasets.core.naming import frame_name
from datasets.models import Clip, Dataset
from datasets.services.delete import delete_pending_files
from datasets.services.import_clips import OpenBundle, import_clips
from tests.make import make_clips, make_dataset, make_run, make_video
from tests.stored_files import content_of, make_bundled_video, make_ready_run, put
from tracking.core import tracks_file
from tracking.models import Bundle, IdentityRun, Person, Proposal, TrackingRun
from tracking.services.assign_identities import plan_identity_runs
from tracking.services.export_bundle import NotTrackedError, make_bundle, request_bundle
from tracking.services.import_tracks import open_tracks
from tracking.services.track import plan_runs

pytestmark = pytest.mark.django_db

FILES = [
    "clips.zip",
    "dense_proposals.pkl",
    "dense_proposals_mmaction2.pkl",
    "frames.zip",
    "manifest.json",
    "tracking_jsons.zip",
]


@pytest.fixture
def dataset():
    return make_dataset("shop")


@pytest.fixture
def video(dataset):
    return make_bundled_video(dataset, name="aisle")


@pytest.fixture
def folder(dataset, video):
    """The files of a finished bundle."""
    bundle = make_bundle(request_bundle(dataset).pk)
    assert bundle.stage == Stage.DONE, bundle.error
    return Path(default_storage.path(bundle.folder))


@pytest.fixture
def elsewhere(folder, tmp_path):
    """The same files on a machine that has never seen the dataset."""
    copy = shutil.copytree(folder, tmp_path / "bundle")
    Dataset.objects.all().delete()
    shutil.rmtree(default_storage.path("shop"))
    return copy


def added_clips(dataset, folder):
    """The clips that come of the bundle in `folder`."""
    return import_clips(dataset, OpenBundle(folder, [], 0.0))


def import_tracks(dataset, folder):
    """The runs that come of the bundle in `folder`, whose clips are in `dataset`."""
    with open_tracks(folder) as tracks:
        return tracks.import_all(dataset)


def test_a_bundle_has_its_files_with_their_hashes(folder):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    bundle = Bundle.objects.get()
    assert sorted(bundle.files) == FILES
    for name, facts in bundle.files.items():
        content = (folder / name).read_bytes()
        assert facts == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    said = read_manifest(folder).files
    assert sorted(said) == [name for name in FILES if name != "manifest.json"]
    assert said["frames.zip"].sha256 == bundle.files["frames.zip"]["sha256"]


def test_the_manifest_names_videos_clips_and_persons(folder, video):
    manifest = read_manifest(folder)
    assert (manifest.dataset, manifest.config_key, manifest.annotation_fps) == (
        "shop",
        "test/1",
        5,
    )
    (entry,) = manifest.videos
    assert (entry.name, entry.sha256, entry.frame_count) == ("aisle", video.sha256, 570)
    assert [(one.name, one.start_frame, one.frame_count) for one in entry.clips] == [
        ("aisle-c0000", 0, 450),
        ("aisle-c0001", 450, 120),
    ]
    assert entry.clips[0].persons == {1: 1, 2: 2}
    assert entry.clips[0].detections is None


def test_proposals_in_the_prototypes_form_are_pixels_at_keyframes(folder):
    dense = load_track_proposals((folder / "dense_proposals.pkl").read_bytes())
    assert list(dense) == ["aisle-c0000", "aisle-c0001"]
    frames = dense["aisle-c0000"]
    assert list(frames) == [frame_name("aisle-c0000", 5 * second) for second in range(2, 15)]
    assert frames["aisle-c0000_frame_0010.jpg"] == [
        [100.0, 100.0, 150.0, 250.0, 0.9, 1],
        [200.0, 100.0, 250.0, 250.0, 0.9, 2],
    ]


def test_every_frame_named_in_the_proposals_is_in_the_frames(folder):
    dense = load_track_proposals((folder / "dense_proposals.pkl").read_bytes())
    with zipfile.ZipFile(folder / "frames.zip") as archive:
        names = set(archive.namelist())
        assert len(names) == 75 + 20
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert {f"{clip}/{frame}" for clip in dense for frame in dense[clip]} <= names


def test_proposals_for_mmaction2_are_normalised_with_ava_timestamps(folder):
    found = load_proposals((folder / "dense_proposals_mmaction2.pkl").read_bytes())
    assert (
        next(iter(found)) == "aisle-c0000,0902"
    )  # second 2 of a clip without padding before it
    assert "aisle-c0001,0902" in found  # second 0 of a clip with two seconds before it
    expected = [[0.1562, 0.2778, 0.2344, 0.6944, 0.9], [0.3125, 0.2778, 0.3906, 0.6944, 0.9]]
    np.testing.assert_allclose(found["aisle-c0000,0902"], expected)


def test_the_best_proposal_comes_first_for_mmaction2(dataset, video):
    Proposal.objects.filter(person_id=2).update(score=0.95)
    bundle = make_bundle(request_bundle(dataset).pk)
    with default_storage.open(f"{bundle.folder}/dense_proposals_mmaction2.pkl") as file:
        found = load_proposals(file.read())
    assert found["aisle-c0000,0902"][:, 4].tolist() == [0.95, 0.9]


def test_tracks_are_there_at_one_a_second_and_at_full_rate(folder, video):
    with zipfile.ZipFile(folder / "tracking_jsons.zip") as archive:
        rows = json.loads(archive.read("aisle-c0000.json"))
        full = json.loads(archive.read("aisle-c0000.tracks.json"))
    assert len(rows) == 2 * 13
    assert rows[0] == {
        "video_id": "aisle-c0000",
        "frame": "aisle-c0000_frame_0010.jpg",
        "track_id": 1,
        "bbox": [100.0, 100.0, 150.0, 250.0],
    }
    assert full["tracks"][1]["frames"] == list(range(450))


def test_files_of_clips_and_videos_are_copied_unchanged(folder, video):
    with zipfile.ZipFile(folder / "clips.zip") as archive:
        assert sorted(archive.namelist()) == [
            "aisle-c0000.mp4",
            "aisle-c0001.mp4",
            "videos/aisle.mp4",
        ]
        assert archive.read("videos/aisle.mp4") == content_of(video.file)


def test_a_bundle_made_twice_is_the_same_to_the_byte(dataset, folder):
    first = Bundle.objects.get()
    assert make_bundle(first.pk) is None
    again = make_bundle(Bundle.objects.create(dataset=dataset, config_key="test/1").pk)
    assert again.files == first.files


def test_ordering_twice_orders_once_until_something_is_new(dataset, video):
    bundle = request_bundle(dataset)
    assert request_bundle(dataset) == bundle
    make_bundle(bundle.pk)
    assert request_bundle(dataset) == bundle
    make_bundled_video(dataset)
    IdentityRun.objects.update(finished_at=timezone.now())
    assert request_bundle(dataset) != bundle


def test_a_bundle_that_failed_is_tried_again(dataset, video):
    bundle = request_bundle(dataset)
    Bundle.objects.update(stage=Stage.FAILED, error="no room")
    assert request_bundle(dataset).stage == Stage.WAITING
    assert request_bundle(dataset) == bundle


def test_nothing_tracked_is_nothing_to_bundle(dataset):
    make_run(make_clips(make_video(dataset))[0])
    with pytest.raises(NotTrackedError, match="no video of shop is completely tracked"):
        request_bundle(dataset)


def test_a_configuration_without_tracks_fails_with_a_sentence(dataset, video):
    bundle = Bundle.objects.create(dataset=dataset, config_key="other")
    make_bundle(bundle.pk)
    bundle.refresh_from_db()
    assert (bundle.stage, bundle.error) == (
        Stage.FAILED,
        "no video of shop is tracked with other yet",
    )


def test_only_videos_tracked_to_their_end_are_in_it(dataset, video):
    clip = make_clips(make_video(dataset, "half"))[0]
    make_ready_run(clip)
    IdentityRun.objects.filter(video=clip.video).delete()
    bundle = make_bundle(request_bundle(dataset).pk)
    folder = Path(default_storage.path(bundle.folder))
    assert [entry.name for entry in read_manifest(folder).videos] == ["aisle"]


def test_videos_that_are_not_in_it_are_named_with_the_reason(dataset, video):
    make_video(dataset, "behind")
    make_video(dataset, "broken", stage=Stage.FAILED)
    assert make_bundle(request_bundle(dataset).pk).left_out == [
        {"name": "behind", "reason": "not completely tracked"},
        {"name": "broken", "reason": "it could not be standardised"},
    ]


def test_an_imported_bundle_equals_the_exported_tracks(folder, elsewhere, video):
    other = make_dataset("server")
    added_clips(other, elsewhere)
    runs = import_tracks(other, elsewhere)
    assert [run.clip.name for run in runs] == ["aisle-c0000", "aisle-c0001"]
    assert {run.stage for run in runs} == {Stage.DONE}
    assert IdentityRun.objects.get().person_count == 2
    assert Person.objects.count() == 4
    assert Proposal.objects.filter(run=runs[0]).count() == 2 * 13
    one = Proposal.objects.get(run=runs[0], second=2, person_id=2)
    assert (one.x1, one.y1, one.x2, one.y2, one.score) == (200.0, 100.0, 250.0, 250.0, 0.9)
    file = tracks_file.load(content_of(runs[0].tracks))
    assert (file.clip, len(file.tracks)) == ("aisle-c0000", 2)
    assert runs[0].made_by["bundle"]["config_key"] == "test/1"


def test_the_number_of_detections_is_that_of_the_bundle(dataset, video, tmp_path):
    TrackingRun.objects.update(detection_count=1234)
    bundle = make_bundle(request_bundle(dataset).pk)
    copy = shutil.copytree(default_storage.path(bundle.folder), tmp_path / "bundle")
    other = make_dataset("server")
    added_clips(other, copy)
    assert {run.detection_count for run in import_tracks(other, copy)} == {1234}


def test_a_bundle_of_an_imported_dataset_is_the_same_bundle(elsewhere):
    other = make_dataset("shop")
    added_clips(other, elsewhere)
    import_tracks(other, elsewhere)
    again = make_bundle(request_bundle(other).pk)
    before = read_manifest(elsewhere).files
    for name in ("frames.zip", "clips.zip", "dense_proposals.pkl"):
        assert again.files[name]["sha256"] == before[name].sha256


def test_importing_twice_changes_nothing(elsewhere):
    other = make_dataset("server")
    for _ in range(2):
        added_clips(other, elsewhere)
        runs = import_tracks(other, elsewhere)
    assert len(runs) == TrackingRun.objects.count() == Clip.objects.count() == 2
    assert Person.objects.count() == 4


def test_imported_clips_are_not_tracked_again(elsewhere):
    other = make_dataset("server")
    added_clips(other, elsewhere)
    plan_runs()  # a pipeline that runs meanwhile
    import_tracks(other, elsewhere)
    assert plan_runs() == 0
    assert plan_identity_runs() == 0
    assert not TrackingRun.objects.filter(stage=Stage.WAITING).exists()


def test_a_run_that_the_pipeline_started_meanwhile_is_replaced(elsewhere):
    other = make_dataset("server")
    clips = added_clips(other, elsewhere)
    waiting, done = (
        TrackingRun.objects.create(clip=clip, config_key="test/1") for clip in clips
    )
    begun = TrackingRun.objects.claim(waiting.pk)
    done.tracks = put("server/tracks/old.json.gz", b"")
    done.stage = Stage.DONE
    done.save()
    runs = import_tracks(other, elsewhere)
    assert list(TrackingRun.objects.all()) == runs
    delete_pending_files()
    assert not default_storage.exists("server/tracks/old.json.gz")
    with pytest.raises(ClaimLostError):
        begun.finish()


def test_a_person_identified_here_keeps_the_id(elsewhere):
    other = make_dataset("server")
    for clip in added_clips(other, elsewhere):
        run = make_ready_run(clip, config_key="here/1")
        run.persons.update(person_id=F("person_id") + 10)
    for run in import_tracks(other, elsewhere):
        assert dict(run.persons.values_list("track_id", "person_id")) == {1: 11, 2: 12}
        assert set(run.proposals.values_list("person_id", flat=True)) == {11, 12}


def test_a_run_whose_persons_are_identified_stays(elsewhere):
    other = make_dataset("server")
    clip = added_clips(other, elsewhere)[0]
    run = make_run(clip, config_key="test/1")
    IdentityRun.objects.all().delete()
    with pytest.raises(
        BundleError, match="was tracked here with test/1: wait until its persons"
    ):
        import_tracks(other, elsewhere)
    assert list(TrackingRun.objects.all()) == [run]


def test_clips_come_before_tracks(elsewhere):
    with pytest.raises(BundleError, match="aisle is not in server: import its clips"):
        import_tracks(make_dataset("server"), elsewhere)


def test_a_damaged_file_is_noticed(elsewhere):
    (elsewhere / "tracking_jsons.zip").write_bytes(b"PK")
    with pytest.raises(BundleError, match="copy it again"):
        import_tracks(make_dataset("server"), elsewhere)


def test_a_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(BundleError, match="has no manifest"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_bytes(b"{}")
    with pytest.raises(BundleError, match="not the manifest of a bundle"):
        read_manifest(tmp_path)


def test_the_command_imports_a_bundle_into_a_new_dataset(elsewhere, capsys):
    for _ in range(2):
        call_command("import_bundle", elsewhere, dataset="server", vocabulary="street")
        assert "2 clips with 4 tracks are in dataset server" in capsys.readouterr().out
    assert Dataset.objects.get().groups.count() == 8


def test_the_command_says_what_is_wrong(elsewhere, tmp_path):
    with pytest.raises(CommandError, match="has no manifest"):
        call_command("import_bundle", tmp_path, dataset="server")
    assert not Dataset.objects.exists()
    with pytest.raises(CommandError, match=r"There is no .*nowhere"):
        call_command("import_bundle", tmp_path / "nowhere", dataset="server")
    with pytest.raises(CommandError, match="cannot be created"):
        call_command("import_bundle", elsewhere, dataset="Not A Name")
    with pytest.raises(CommandError, match="no vocabulary"):
        call_command("import_bundle", elsewhere, dataset="server", vocabulary="none")
