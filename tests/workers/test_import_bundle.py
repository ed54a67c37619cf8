"""Import of bundles by page and command, and the pipeline of a dataset without video files."""

import errno
import io
import json
import shutil
import zipfile
from dataclasses import replace

import av
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from annotation.cvat.client import close_clients
from annotation.models import AnnotationTask, CvatJob
from annotation.services.cvat.projects import connect_dataset
from avaproject.base.work import Stage
from datasets.core.formats.cvat_xml import dump, load
from datasets.core.naming import frame_name
from datasets.models import BundleImport, Clip, Dataset, Upload
from datasets.services.bundle_limitations import limitations_of
from datasets.services.import_clips import import_clips, open_bundle
from datasets.services.upload import receive_zip
from qc.models import Release
from qc.services.review.verdicts import approve
from tests.cvat_double.server import CvatDouble
from tests.cvat_double.steps import make_server, send_all, set_up
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_task,
    make_user,
    make_video,
)
from tests.prototype_files import grey_jpeg, write_prototype
from tests.stored_files import make_bundled_video
from tracking.core.tracks_file import load as load_tracks
from tracking.models import IdentityRun, Person, Proposal, TrackImport, TrackingRun
from tracking.services.experiments import start_experiment
from tracking.services.export_bundle import make_bundle, request_bundle
from tracking.services.import_tracks import open_tracks
from tracking.services.track import plan_runs
from workers.loop import Loop

pytestmark = pytest.mark.django_db


@pytest.fixture
def prototype(tmp_path):
    return write_prototype(tmp_path / "prototype")


@pytest.fixture
def admin(client):
    user = make_user("boss")
    client.force_login(user)
    return user


def zipped(folder, path, *, inside=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"{inside}{file.name}")
    return path


def work():
    loop = Loop()
    loop.run(once=True)
    assert not loop.failures, loop.failures


def import_both(dataset, path):
    """Run both steps of the import; return the clips and the runs."""
    with open_bundle(path) as bundle:
        clips = import_clips(dataset, bundle)
        with open_tracks(bundle.folder) as tracks:
            return clips, tracks.import_all(dataset)


def uploaded(*paths):
    return {"file": [SimpleUploadedFile(path.name, path.read_bytes()) for path in paths]}


def test_the_files_of_a_prototype_are_uploaded_together(client, admin, prototype):
    shop = make_dataset("shop", owner=admin)
    page = client.post(
        reverse("datasets:upload", args=["shop"]), uploaded(*prototype.iterdir())
    )
    assert page.status_code == 302
    work()
    (order,) = BundleImport.objects.all()
    assert (order.stage, order.clip_count) == (Stage.DONE, 2)
    assert (order.track_import.stage, order.track_import.track_count) == (Stage.DONE, 4)
    assert "no release can hold frames at 30 a second" in order.notes[-1]
    shop.refresh_from_db()
    assert shop.annotation_fps == 1
    work()
    assert not Upload.objects.get().file
    page = client.get(reverse("tracking:page", args=["shop"])).content.decode()
    assert "2 clips, 4 tracks" in page
    assert "cannot be tracked again" in page


def test_a_bundle_can_be_uploaded_as_one_zip(client, admin, prototype, tmp_path):
    make_dataset("shop", owner=admin)
    path = zipped(prototype, tmp_path / "all.zip", inside="my files/")
    client.post(reverse("datasets:upload", args=["shop"]), uploaded(path))
    work()
    assert BundleImport.objects.get().stage == Stage.DONE
    assert TrackImport.objects.get().stage == Stage.DONE


def test_several_files_that_are_no_bundle_are_refused(client, admin, tmp_path):
    make_dataset("shop", owner=admin)
    (tmp_path / "a.zip").write_bytes(b"PK")
    (tmp_path / "b.zip").write_bytes(b"PK")
    files = uploaded(tmp_path / "a.zip", tmp_path / "b.zip")
    page = client.post(reverse("datasets:upload", args=["shop"]), files)
    assert page.status_code == 422
    assert "must be those of one bundle" in page.content.decode()


def test_a_bundle_that_cannot_be_imported_says_why_and_can_be_retried(client, admin, prototype):
    make_dataset("shop", owner=admin)
    (prototype / "dense_proposals.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    client.post(reverse("datasets:upload", args=["shop"]), uploaded(*prototype.iterdir()))
    Loop().run(once=True)
    order = BundleImport.objects.get()
    assert order.stage == Stage.FAILED
    assert "it wants to load os.system" in order.error
    assert (
        "it wants to load os.system"
        in client.get(reverse("tracking:page", args=["shop"])).content.decode()
    )
    client.post(reverse("datasets:retry", args=["shop", "import"]), {"pk": order.pk})
    assert BundleImport.objects.get().stage == Stage.WAITING
    assert Upload.objects.get().file


def test_an_upload_is_imported_once_however_often_it_is_enqueued(prototype, tmp_path):
    shop = make_dataset("shop")
    receive_zip(shop, zipped(prototype, tmp_path / "all.zip"), original_name="all.zip")
    for _ in range(2):
        work()
    assert BundleImport.objects.count() == TrackImport.objects.count() == 1
    assert (
        TrackingRun.objects.count() == Clip.objects.count() == IdentityRun.objects.count() == 2
    )


def test_the_frames_become_a_video_of_the_same_rate(prototype):
    shop = make_dataset("shop")
    import_both(shop, prototype)
    clip = Clip.objects.first()
    with av.open(default_storage.path(clip.file.name)) as video:
        assert video.streams.video[0].frames == 15
    with zipfile.ZipFile(default_storage.path(clip.frames.name)) as frames:
        assert frames.read(frame_name(clip.name, 3)) == grey_jpeg(30)
    assert clip.keyframes() == list(range(2, 14))
    assert clip.video.warnings[1].startswith(
        "1 clip came without video: there are only its frames, 1 a second"
    )
    one = Proposal.objects.get(run__clip=clip, second=5, person_id=2)
    assert (one.x1, one.y1, one.x2, one.y2, one.score) == (210.0, 50.0, 250.0, 200.0, 0.8)


def test_clips_without_video_are_not_tracked(prototype):
    shop = make_dataset("shop")
    import_both(shop, prototype)
    start_experiment(shop, detector="rfdetr-nano", weights="", threshold=0.3, frame_stride=1)
    assert plan_runs() == 0


def test_the_command_says_what_a_dataset_without_video_lacks(prototype, tmp_path, capsys):
    for source in (prototype, zipped(prototype, tmp_path / "all.zip")):
        call_command("import_bundle", source, dataset="shop", vocabulary="street")
        said = capsys.readouterr()
        assert "2 clips with 4 tracks are in dataset shop" in said.out
        assert "no release can hold frames at 30 a second" in said.err
    assert Clip.objects.count() == 2
    assert Person.objects.count() == 4


def test_a_bundle_of_prototype_files_is_exported_and_imported_again(prototype, tmp_path):
    shop = make_dataset("shop")
    import_both(shop, prototype)
    bundle = make_bundle(request_bundle(shop).pk)
    assert bundle.stage == Stage.DONE, bundle.error
    copy = shutil.copytree(default_storage.path(bundle.folder), tmp_path / "copy")
    before = list(Proposal.objects.order_by("pk").values_list("second", "person_id", "x1"))
    shop.delete()
    shutil.rmtree(default_storage.path("shop"))
    clips, _ = import_both(make_dataset("other"), copy)
    assert {clip.video.frame_rate for clip in clips} == {1}
    assert before == list(
        Proposal.objects.order_by("pk").values_list("second", "person_id", "x1")
    )


def test_a_bundle_may_leave_out_the_clips(tmp_path, capsys):
    shop = make_dataset("shop")
    make_bundled_video(shop, name="aisle")
    bundle = make_bundle(request_bundle(shop, with_clips=False).pk)
    assert bundle.stage == Stage.DONE, bundle.error
    assert "clips.zip" not in bundle.files
    assert request_bundle(shop).pk != bundle.pk
    copy = shutil.copytree(default_storage.path(bundle.folder), tmp_path / "copy")
    call_command("import_bundle", copy, dataset="other")
    assert (
        "2 clips came without video: there are only their frames, 5 a second"
        in capsys.readouterr().err
    )
    one = Clip.objects.of(other := Dataset.objects.get(name="other")).first()
    (lack,) = limitations_of([one])
    assert lack.startswith("1 clip came without video: there are only its frames, 5 a")
    assert {clip.video.frame_rate for clip in Clip.objects.of(other)} == {5}
    assert TrackingRun.objects.of(other).done().count() == 2


def test_a_damaged_bundle_leaves_no_dataset(prototype, tmp_path):
    (prototype / "frames.zip").write_bytes(b"nothing")
    with pytest.raises(CommandError, match=r"frames\.zip is damaged"):
        call_command("import_bundle", prototype, dataset="shop")
    with pytest.raises(CommandError, match="not a complete zip"):
        call_command("import_bundle", prototype / "frames.zip", dataset="shop")
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("name", ["tracking_jsons.zip", "frames.zip"])
def test_a_bundle_with_one_bad_file_leaves_nothing(tmp_path, name):
    make_bundled_video(make_dataset("shop"))
    bundle = make_bundle(request_bundle(Dataset.objects.get()).pk)
    copy = shutil.copytree(default_storage.path(bundle.folder), tmp_path / "bundle")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(CommandError, match="copy it again"):
        call_command("import_bundle", copy, dataset="other")
    assert [dataset.name for dataset in Dataset.objects.all()] == ["shop"]
    assert not default_storage.exists("other")


def test_a_bundle_larger_than_the_disk_is_refused_at_once(prototype, tmp_path, monkeypatch):
    make_bundled_video(make_dataset("shop"))
    made = make_bundle(request_bundle(Dataset.objects.get()).pk)
    folder = shutil.copytree(default_storage.path(made.folder), tmp_path / "bundle")
    call_command("import_bundle", folder, dataset="before")
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)

    def allocate(file, size, **how):
        if size > full.free:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("avaproject.base.temporary.allocate", allocate)
    for path in (folder, prototype):
        with pytest.raises(CommandError, match=r"only \d+ bytes are free"):
            call_command("import_bundle", path, dataset="other")
    call_command("import_bundle", folder, dataset="before")  # it is there already
    assert {dataset.name for dataset in Dataset.objects.all()} == {"shop", "before"}


@pytest.mark.parametrize("rate", [0, -1])
def test_an_invalid_rate_is_refused(prototype, rate):
    with pytest.raises(CommandError, match="do not divide 30"):
        call_command("import_bundle", prototype, dataset="shop", rate=rate)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("../frames.zip", "points outside its folder"),
        ("/frames.zip", "points outside its folder"),
    ],
)
def test_a_zip_with_paths_outside_its_folder_is_refused(prototype, tmp_path, name, sentence):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(prototype / "dense_proposals.pkl", "dense_proposals.pkl")
        info = zipfile.ZipInfo()
        info.filename = name
        archive.writestr(info, (prototype / "frames.zip").read_bytes())
    with pytest.raises(CommandError, match=sentence):
        call_command("import_bundle", tmp_path / "all.zip", dataset="shop")


def answers_to(task):
    """The package of `task` as an annotator exports it: everybody walks."""
    with task.package.open() as file, zipfile.ZipFile(file) as package:
        document = load(package.read("annotations.xml"))
        with zipfile.ZipFile(io.BytesIO(package.read("frames.zip"))) as frames:
            assert len(frames.namelist()) == 15
    tracks = tuple(
        replace(track, shapes=tuple(
            shape._replace(attributes=shape.attributes | {"posture": "walk"})
            for shape in track.shapes
        ))
        for track in document.tracks
    )  # fmt: skip
    return dump(replace(document, tracks=tracks))


def test_prototype_frames_are_sent_to_cvat(prototype):
    dataset = make_dataset("shop")
    annotator = make_annotator(dataset, "ann")
    for run in import_both(dataset, prototype)[1]:
        make_task(run, annotator)
    with CvatDouble() as cvat:
        cvat.add_user("ann")
        connect_dataset(dataset, make_server(cvat))
        set_up(dataset)
        send_all(dataset)
        for job in CvatJob.objects.all():
            assert job.stage == Stage.DONE, job.error
            assert len(cvat.state.frames[job.cvat_task_id]) == 15
            tracks = cvat.state.annotations[job.cvat_task_id]["tracks"]
            frames = [shape["frame"] for track in tracks for shape in track["shapes"]]
            assert len(tracks) == 2
            assert (min(frames), max(frames)) == (0, 14)
    close_clients()


def test_prototype_files_go_through_the_pipeline_to_a_release(prototype, tmp_path, capsys):
    shop = make_dataset("shop")
    import_both(shop, prototype)
    call_command("export_packages", dataset="shop", annotators="kim,lee", overlap=1.0,
                 out=tmp_path / "out")  # fmt: skip
    (tmp_path / "in").mkdir()
    tasks = AnnotationTask.objects.of(shop)
    for task in tasks:
        (tmp_path / "in" / f"{task}.xml").write_bytes(answers_to(task))
    call_command("import_answers", tmp_path / "in", dataset="shop")
    work()
    approve(tasks, reviewer=make_user("reviewer"))
    with pytest.raises(CommandError, match="a release of annotations only"):
        call_command("make_release", dataset="shop", licence="none")
    call_command(
        "make_release", dataset="shop", licence="none", frames="annotations",
        out=tmp_path / "made",
    )  # fmt: skip
    release = Release.objects.get(stage=Stage.DONE)
    assert "imported without a video" in release.counts["warnings"][0]
    made = tmp_path / "made" / "shop-release-2"
    assert not {"rawframes", "clips"} & {path.name for path in made.iterdir()}
    manifest = json.loads((made / "manifest.json").read_bytes())
    assert manifest["frames"]["clips"] is False
    rows = (made / "AVA_dataset.csv").read_text().splitlines()[1:]
    assert len(rows) == 2 * 12 * 2  # clips, keyframes, persons
    assert rows[0].startswith("street-1-clip-000-c0000,0902,")
    readme = (made / "README.md").read_text()
    assert "Annotations only" in readme
    assert "`rawframes/<video_id>" not in readme


def test_clips_with_and_without_video_share_a_dataset(prototype):
    shop = make_dataset("shop", annotation_fps=1)
    for clip in make_clips(make_video(shop, "aisle")):
        assert clip.video.has_all_frames
    import_both(shop, prototype)
    assert {clip.video.has_all_frames for clip in Clip.objects.of(shop)} == {True, False}


def test_tracks_are_stored_with_their_origin(prototype):
    import_both(make_dataset("shop"), prototype)
    run = TrackingRun.objects.first()
    with run.tracks.open() as file:
        made_by = load_tracks(file.read()).made_by
    assert made_by["detector"]["clip"] == "street_1_clip_000"
    assert made_by["bundle"]["config_key"] == "files of the prototype"
