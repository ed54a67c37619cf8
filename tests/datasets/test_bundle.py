import json
import zipfile

import pytest
from django.core.files.storage import default_storage

from avaproject.base.storage import open_stored, store
from avaproject.base.temporary import work_folder
from avaproject.base.work import Stage
from datasets.clip_frames import frames_path
from datasets.core.formats import bundle_manifest as manifests
from datasets.core.formats.bundle_files import BundleError
from datasets.core.formats.bundle_manifest import ClipEntry, FileEntry, Manifest, VideoEntry
from datasets.core.hashing import sha256_of
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import VideoLimits
from datasets.models import Clip, Video
from datasets.services import import_clips as service
from datasets.services.cut_clips import cut_clip, plan_clips
from datasets.services.delete import delete, delete_pending_files
from datasets.services.import_clips import OpenBundle, import_clips
from datasets.services.video_names import reserve_name
from tests.make import make_dataset, make_video
from tests.prototype_files import grey_jpeg
from tests.video_files import make_video_file

pytestmark = pytest.mark.django_db


def added_clips(dataset, folder, **options):
    return import_clips(dataset, OpenBundle(folder, [], 0.0), **options)


KINDS = ("videos", "clips", "frames", "posters")


def stored(dataset):
    """Every file of the dataset and its content."""
    contents = {}
    for kind in KINDS:
        if not default_storage.exists(f"{dataset}/{kind}"):
            continue
        for name in default_storage.listdir(f"{dataset}/{kind}")[1]:
            with open_stored(f"{dataset}/{kind}/{name}") as file:
                contents[f"{kind}/{name}"] = file.read()
    return contents


@pytest.fixture(scope="module")
def standard_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    raw = make_video_file(folder / "raw.mkv", frames=580)
    standardise(raw, folder / "video.mp4", longest_side=160, limits=VideoLimits())
    return folder / "video.mp4"


@pytest.fixture
def origin(standard_file):
    """A dataset whose one video of two clips is done."""
    dataset = make_dataset("origin")
    with work_folder() as folder:
        (folder / "video.mp4").write_bytes(standard_file.read_bytes())
        name = store(folder / "video.mp4", "origin/videos/aisle.mp4")
    make_video(
        dataset, "aisle", file=name, frame_count=580, width=160, height=96, sha256="a" * 64
    )
    plan_clips()
    for clip in Clip.objects.all():
        cut_clip(clip.pk)
    return dataset


def write_manifest(folder, video, **changes):
    clips = tuple(
        ClipEntry(clip.name, clip.index, clip.start_frame, clip.frame_count)
        for clip in video.clips.all()
    )
    entry = VideoEntry(
        video.name, video.original_name, video.sha256, video.width, video.height,
        video.frame_count, clips,
    )  # fmt: skip
    files = {
        path.name: FileEntry(path.stat().st_size, sha256_of(path))
        for path in folder.glob("*.zip")
    }
    facts = {"annotation_fps": 5, "videos": (entry,), "files": files} | changes
    content = manifests.dump(Manifest(dataset="origin", config_key="test/1", **facts))
    (folder / "manifest.json").write_bytes(content)


@pytest.fixture
def bundle(origin, tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    video = origin.videos.get()
    contents = stored(origin)
    with zipfile.ZipFile(folder / "clips.zip", "w") as clips:
        clips.writestr("videos/aisle.mp4", contents["videos/aisle.mp4"])
        for clip in video.clips.all():
            clips.writestr(f"{clip.name}.mp4", contents[f"clips/{clip.name}.mp4"])
    with zipfile.ZipFile(folder / "frames.zip", "w") as frames:
        for clip in video.clips.all():
            with frames_path(clip) as path, zipfile.ZipFile(path) as ours:
                for name in ours.namelist():
                    frames.writestr(f"{clip.name}/{name}", ours.read(name))
    write_manifest(folder, video)
    return folder


def test_an_imported_bundle_equals_the_exported_dataset(origin, bundle):
    shop = make_dataset("shop")
    clips = added_clips(shop, bundle)
    assert [(clip.name, clip.stage) for clip in clips] == [
        ("aisle-c0000", Stage.DONE),
        ("aisle-c0001", Stage.DONE),
    ]
    video = shop.videos.get()
    assert (video.stage, video.frame_count, video.sha256) == (Stage.DONE, 580, "a" * 64)
    assert "raw file" in video.warnings[0]
    assert stored(shop) == stored(origin)
    assert plan_clips() == 0


def test_importing_twice_changes_nothing(bundle):
    shop = make_dataset("shop")
    first = added_clips(shop, bundle)
    assert added_clips(shop, bundle) == first
    assert shop.videos.count() == 1


def test_a_used_name_is_replaced_everywhere(bundle):
    shop = make_dataset("shop")
    make_video(shop, "aisle")
    clips = added_clips(shop, bundle)
    assert [clip.name for clip in clips] == ["aisle-2-c0000", "aisle-2-c0001"]
    with default_storage.open(clips[1].frames.name) as file, zipfile.ZipFile(file) as frames:
        assert frames.namelist()[0] == "aisle-2-c0001_frame_0000.jpg"


def test_a_bundle_imported_again_after_deletion_gets_new_names(bundle):
    shop = make_dataset("shop")
    added_clips(shop, bundle)
    delete(shop.videos.get())
    clips = added_clips(shop, bundle)
    delete_pending_files()
    assert [clip.name for clip in clips] == ["aisle-2-c0000", "aisle-2-c0001"]
    assert all(default_storage.exists(clip.file.name) for clip in clips)


def test_a_name_is_reserved_before_the_files_are_written(bundle, monkeypatch):
    shop, store, others = make_dataset("shop"), service.store, []

    def late(path, name):
        others.append(reserve_name(shop, "aisle.mp4", "b" * 64))  # another bundle's video
        return store(path, name)

    monkeypatch.setattr(service, "store", late)
    assert added_clips(shop, bundle)[0].name == "aisle-c0000"
    assert set(others) == {"aisle-2"}


def test_a_finished_video_does_not_change(origin, bundle):
    before = stored(origin)
    assert added_clips(origin, bundle) == list(Clip.objects.of(origin))
    assert stored(origin) == before


def test_a_video_that_is_being_processed_is_refused(bundle):
    shop = make_dataset("shop")
    make_video(shop, "aisle", sha256="a" * 64, stage=Stage.WAITING)
    with pytest.raises(BundleError, match="wait until"):
        added_clips(shop, bundle)


def test_without_the_standard_video_there_is_a_warning(origin, bundle):
    with zipfile.ZipFile(bundle / "clips.zip") as old:
        contents = {name: old.read(name) for name in old.namelist() if "/" not in name}
    with zipfile.ZipFile(bundle / "clips.zip", "w") as clips:
        for name, content in contents.items():
            clips.writestr(name, content)
    write_manifest(bundle, origin.videos.get())
    shop = make_dataset("shop")
    added_clips(shop, bundle)
    video = shop.videos.get()
    assert not video.file
    assert "no release" in video.warnings[1]


def test_a_video_whose_length_differs_from_the_manifest_is_refused(origin, bundle):
    short = stored(origin)["clips/aisle-c0001.mp4"]
    with zipfile.ZipFile(bundle / "clips.zip") as old:
        names = old.namelist()
    with zipfile.ZipFile(bundle / "clips.zip", "w") as clips:
        for name in names:
            clips.writestr(name, short)
    write_manifest(bundle, origin.videos.get())
    shop = make_dataset("shop")
    with pytest.raises(BundleError, match=r"aisle\.mp4 has 130 frames and not 580"):
        added_clips(shop, bundle)
    assert not shop.videos.exists()


def damaged(bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)


@pytest.mark.parametrize("name", ["clips.zip", "frames.zip"])
def test_a_damaged_file_is_refused_and_nothing_is_stored(bundle, name):
    damaged(bundle, name)
    shop = make_dataset("shop")
    with pytest.raises(BundleError, match="copy it again"):
        added_clips(shop, bundle)
    assert not Video.objects.filter(dataset=shop).exists()
    assert not default_storage.exists("shop")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda b: (b / "manifest.json").unlink(), "no manifest", id="no manifest"),
        pytest.param(lambda b: (b / "frames.zip").unlink(), "is missing", id="no frames"),
        pytest.param(
            lambda b: (b / "manifest.json").write_text(json.dumps({"format": "x/9"})),
            "of format",
            id="another format",
        ),
    ],
)
def test_an_incomplete_bundle_is_refused(bundle, spoil, message):
    spoil(bundle)
    with pytest.raises(BundleError, match=message):
        added_clips(make_dataset("shop"), bundle)


def test_another_rate_of_annotation_frames_is_refused(bundle):
    shop = make_dataset("shop", annotation_fps=10)
    make_video(shop)
    with pytest.raises(BundleError, match="annotation frames a second"):
        added_clips(shop, bundle)


def test_a_dataset_without_videos_adopts_the_rate_of_the_bundle(bundle):
    shop = make_dataset("shop", annotation_fps=10)
    added_clips(shop, bundle)
    shop.refresh_from_db()
    assert shop.annotation_fps == 5


def test_a_rate_that_another_bundle_gave_meanwhile_stays(bundle, monkeypatch):
    shop, store = make_dataset("shop", annotation_fps=10), service.store

    def late(path, name):
        if not shop.videos.exists():
            make_video(shop, "first")
            type(shop).objects.update(annotation_fps=15)
        return store(path, name)

    monkeypatch.setattr(service, "store", late)
    with pytest.raises(BundleError, match="dataset shop has 15"):
        added_clips(shop, bundle)
    shop.refresh_from_db()
    assert (shop.annotation_fps, shop.videos.count()) == (15, 1)


def test_a_zip_with_a_wrong_declared_size_is_refused(origin, bundle):
    path = bundle / "clips.zip"
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        size = archive.getinfo("videos/aisle.mp4").file_size
    path.write_bytes(content.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    write_manifest(bundle, origin.videos.get())
    shop = make_dataset("shop")
    with pytest.raises(BundleError, match=r"aisle\.mp4"):
        added_clips(shop, bundle)
    assert not shop.videos.exists()


def test_a_bundle_that_lacks_a_frame_is_refused_and_no_row_is_left(origin, bundle):
    with zipfile.ZipFile(bundle / "frames.zip", "w") as frames:
        frames.writestr("aisle-c0000/other.jpg", b"")
    write_manifest(bundle, origin.videos.get())
    shop = make_dataset("shop")
    with pytest.raises(
        BundleError, match=r"frames\.zip has no aisle-c0000/aisle-c0000_frame_0000\.jpg"
    ):
        added_clips(shop, bundle)
    assert not shop.videos.exists()


def test_a_zip_bomb_in_a_bundle_is_refused(bundle, settings):
    settings.MAX_VIDEO_BYTES = 1000
    shop = make_dataset("shop")
    with pytest.raises(BundleError, match=r"more than .*AVA_MAX_VIDEO_BYTES"):
        added_clips(shop, bundle)
    assert not shop.videos.exists()


def spoiled(origin, bundle, change):
    """The same frames, those of the first clip changed, and the manifest to match."""
    with zipfile.ZipFile(bundle / "frames.zip") as old:
        contents = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(bundle / "frames.zip", "w", zipfile.ZIP_DEFLATED) as frames:
        for name, content in contents.items():
            frames.writestr(name, change(content) if "c0000_frame_0007" in name else content)
    write_manifest(bundle, origin.videos.get())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda old: b"text", "not a JPEG", id="no image"),
        pytest.param(lambda old: grey_jpeg(1), "640x360", id="another size"),
        pytest.param(lambda old: old + b"\0" * (65 << 20), "more than 64 MB", id="a bomb"),
    ],
)
def test_frames_must_match_the_manifest(origin, bundle, change, message):
    spoiled(origin, bundle, change)
    shop = make_dataset("shop")
    with pytest.raises(BundleError, match=message):
        added_clips(shop, bundle)
    assert not shop.videos.exists()


def test_the_video_of_another_clip_is_refused(origin, bundle):
    with zipfile.ZipFile(bundle / "clips.zip") as old:
        contents = {name: old.read(name) for name in old.namelist()}
    contents["aisle-c0000.mp4"] = contents["aisle-c0001.mp4"]
    with zipfile.ZipFile(bundle / "clips.zip", "w") as clips:
        for name, content in contents.items():
            clips.writestr(name, content)
    write_manifest(bundle, origin.videos.get())
    with pytest.raises(BundleError, match="has 130 frames and not 450"):
        added_clips(make_dataset("shop"), bundle)
