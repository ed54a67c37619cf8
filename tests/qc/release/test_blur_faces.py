"""Releases with blurred faces: frames and clips alike, whatever finds the faces."""

import json
from dataclasses import replace

import av
import numpy as np
import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from avaproject.base.work import Stage
from datasets.core.media.standard_video import read_frames
from datasets.core.media.stills import decode_jpeg
from datasets.models import Clip
from demo.world.frame_number import draw_frame_number, read_frame_number
from qc.core.release.checks.run_checks import check_release
from qc.core.release.options import OptionsError, ReleaseOptions
from qc.models import ClipExport, Consensus, Release, Review
from qc.services.release import export_media
from qc.services.release.make_release import make_release, request_release
from tests.core.qc.release.tiny_release import make_video_file
from tests.make import make_user
from tests.qc.release.corner import SIZE, add_person, folder_of, made
from tests.tracking.detectors.test_onnx_with_nms import f32, save
from tracking.core.tracks_file import Track, TracksFile, dump
from tracking.models import TrackingRun, VideoPerson
from tracking.selectors import tracks_of

pytestmark = pytest.mark.django_db
TRACKED = (120.0, 20.0, 150.0, 90.0)  # no annotator drew this person
HEAD, TRUNK = np.s_[26:36, 125:145], np.s_[60:85, 125:145]
DRAWN_HEAD, DRAWN_TRUNK = np.s_[24:40, 26:54], np.s_[58:78, 26:54]  # of the consensus
FACE = np.s_[40:56, 80:100]  # what the face detector of the tests finds


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    """Standard videos of noise, by their length."""
    folder = tmp_path_factory.mktemp("textures")
    paths = {}
    for count in (285, 150):
        random = np.random.default_rng(count)
        noise = random.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
        frames = []
        for number in range(count):
            frame = noise.copy()
            draw_frame_number(frame, number)
            frames.append(frame)
        paths[count] = make_video_file(folder / f"{count}.mp4", frames)
    return paths


@pytest.fixture
def tracked(dataset, textures):
    """The dataset with videos of noise, and with the tracks of one more person in each clip."""
    for name, count in (("shop", 285), ("yard", 150)):
        default_storage.delete(f"corner/videos/{name}.mp4")
        with textures[count].open("rb") as file:
            default_storage.save(f"corner/videos/{name}.mp4", file)
    for run in TrackingRun.objects.select_related("clip"):
        frames = np.arange(0, run.clip.frame_count, 2)
        boxes = np.repeat(np.array([TRACKED]), len(frames), axis=0)
        track = Track(7, frames, boxes, np.ones(len(frames)))
        file = TracksFile(run.clip.name, *SIZE, run.clip.frame_count, [track])
        run.tracks.save("tracks.json.gz", ContentFile(dump(file)))
    return dataset


def detail(image, where):
    """Grey levels from one pixel to the next: of noise many, of what is blurred few."""
    return float(np.abs(np.diff(image[where].astype(float), axis=0)).mean())


def released(dataset, **options):
    release = make_release(request_release(dataset, options=ReleaseOptions(**options)).pk)
    assert release.error == ""
    return release, folder_of(release)


def frame_of(folder, clip, number):
    return decode_jpeg((folder / f"rawframes/{clip}/img_{number + 1:05d}.jpg").read_bytes())


def test_heads_are_blurred_on_every_frame_and_clip_and_nothing_else_is(tracked):
    _, folder = released(tracked, blur_faces="heads")
    for clip, count in (("shop-c0000", 210), ("shop-c0001", 195), ("yard-c0000", 150)):
        shown = dict(read_frames(folder / f"clips/{clip}.mp4"))
        assert list(shown) == list(range(count))
        for number in (0, 61, 100, count - 1):
            image = frame_of(folder, clip, number)
            for head, trunk in ((HEAD, TRUNK), (DRAWN_HEAD, DRAWN_TRUNK)):
                if head == DRAWN_HEAD and not 45 < number < 90:
                    continue  # drawn at keyframes alone, and kept for half a second
                for rgb in (image, shown[number]):
                    assert detail(rgb, head) < 12, (clip, number, head)
                    assert detail(rgb, trunk) > 40, (clip, number, trunk)
    assert read_frame_number(frame_of(folder, "shop-c0001", 61)) == 90 + 61


def test_a_blurred_clip_has_the_frames_times_and_keyframes_of_the_clip(tracked):
    _, plain = released(tracked)
    _, blurred = released(tracked, blur_faces="heads")
    read = []
    for folder in (plain, blurred):
        with av.open(str(folder / "clips/shop-c0001.mp4")) as video:
            stream = video.streams.video[0]
            times = sorted(
                float(p.pts * stream.time_base) for p in video.demux(stream) if p.size
            )
            read.append((times, stream.frames, stream.average_rate, stream.codec_context.name))
    assert read[0] == read[1]
    with av.open(str(blurred / "clips/shop-c0001.mp4")) as video:
        keys = [round(float(p.pts * p.time_base) * 30) for p in video.demux(video=0)
                if p.is_keyframe]  # fmt: skip
    assert keys == list(range(0, 195, 30))


def test_the_release_says_how_faces_were_blurred(tracked):
    release, folder = released(tracked, blur_faces="heads")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["faces"]["blurred"] == "heads"
    said = "no face was looked for; the upper part of the box of every person"
    for name in ("README.md", "METHODS.md", "card.html", "croissant.json"):
        assert said in " ".join((folder / name).read_text().replace("&#x27;", "'").split()), (
            name
        )
    assert any(said in warning for warning in release.counts["warnings"])
    checks = {check["name"]: check for check in check_release(folder)}
    assert [name for name, check in checks.items() if not check["passed"]] == []
    assert "heads are blurred" in checks["blurring"]["sentence"]


def test_only_heads_of_persons_are_blurred(tracked):
    """What is no person has no head, whether it was tracked or drawn."""
    tracked.classes = "person, vehicle"
    tracked.save()
    for run in TrackingRun.objects.select_related("clip"):
        frames = np.arange(run.clip.frame_count)
        boxes = np.repeat(np.array([(64.0, 20.0, 110.0, 90.0)]), len(frames), axis=0)
        vehicle = Track(8, frames, boxes, np.ones(len(frames)), label="vehicle")
        file = replace(tracks_of(run), tracks=[*tracks_of(run).tracks, vehicle])
        run.tracks.save("tracks.json.gz", ContentFile(dump(file)))
    for consensus in Consensus.objects.select_related("clip__video"):
        for second in consensus.clip.keyframes():
            add_person(consensus, second, 9, left=150)
        VideoPerson.objects.get_or_create(
            video=consensus.clip.video, person_id=9,
            defaults={"label": "vehicle", "is_drawn": True},
        )  # fmt: skip
    _, folder = released(tracked, blur_faces="heads")
    image = frame_of(folder, "yard-c0000", 61)
    for head in (HEAD, DRAWN_HEAD):
        assert detail(image, head) < 12
    for bonnet in (np.s_[26:40, 66:108], np.s_[24:40, 158:186]):
        assert detail(image, bonnet) > 40
    checks = {check["name"]: check for check in check_release(folder)}
    assert [one["sentence"] for one in checks.values() if not one["passed"]] == []


def test_a_run_that_followed_no_persons_knows_of_no_heads(tracked):
    tracked.classes = "person, vehicle"
    tracked.save()
    runs = TrackingRun.objects.filter(clip__name__startswith="shop")
    runs.filter(clip__index=1).update(made_by={"classes": ["vehicle"]})
    runs.filter(clip__index=0).update(made_by={"classes": ["person", "vehicle"]})
    request = request_release(tracked, options=ReleaseOptions(blur_faces="heads"))
    said = make_release(request.pk).error
    assert "shop-c0001 was tracked when no persons were followed" in said
    Review.objects.filter(task__clip__name="shop-c0001").update(verdict="rejected")
    _, folder = released(tracked, blur_faces="heads")
    assert detail(frame_of(folder, "shop-c0000", 100), TRUNK) > 40
    assert detail(frame_of(folder, "shop-c0000", 180), TRUNK) < 12


def test_heads_are_refused_where_no_person_is_followed(dataset):
    heads = ReleaseOptions(blur_faces="heads")
    request_release(dataset, options=heads)
    dataset.classes = "vehicle, dog"
    dataset.save()
    with pytest.raises(OptionsError, match="follows no persons, but vehicle, dog"):
        request_release(dataset, options=heads)


def test_faces_are_blurred_where_a_detector_finds_them(tracked):
    settings.WEIGHTS_DIR.mkdir(parents=True, exist_ok=True)
    table = f32(
        [40, 20, 50, 28, 0.9, 1], [4, 4, 30, 30, 0.9, 0]
    )  # in an image of half the size
    save(
        settings.WEIGHTS_DIR / "faces.onnx", [1, 3, 48, 96], {"output0": table},
        names="{0: 'hand', 1: 'face'}",
    )  # fmt: skip
    _, folder = released(tracked, blur_faces="faces.onnx")
    image = frame_of(folder, "yard-c0000", 70)
    assert detail(image, FACE) < 12
    assert detail(image, HEAD) > 40
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["faces"]["file"], len(manifest["faces"]["sha256"])) == ("faces.onnx", 64)
    assert "where the face detector faces.onnx" in (folder / "README.md").read_text()
    assert all(check["passed"] for check in check_release(folder))


def test_clips_without_frames_are_blurred_too(tracked):
    _, folder = released(tracked, blur_faces="heads", with_frames=False)
    assert not (folder / "rawframes").exists()
    shown = dict(read_frames(folder / "clips/yard-c0000.mp4"))
    assert detail(shown[100], HEAD) < 12


def test_blurred_clips_are_made_once_and_again_when_tracks_change(tracked, monkeypatch):
    released(tracked, blur_faces="heads")
    count = ClipExport.objects.count()
    with monkeypatch.context() as patch:
        patch.delattr(export_media.FaceBlurring, "write_clip")
        released(tracked, blur_faces="heads")
    run = TrackingRun.objects.get(clip__name="yard-c0000")
    track = Track(1, np.arange(150), np.full((150, 4), (60.0, 20, 90, 90)), np.ones(150))
    run.tracks.save("tracks.json.gz", ContentFile(dump(
        TracksFile("yard-c0000", *SIZE, 150, [track]))))  # fmt: skip
    _, folder = released(tracked, blur_faces="heads")
    assert ClipExport.objects.count() == count + 1
    assert detail(frame_of(folder, "yard-c0000", 100), np.s_[26:36, 64:86]) < 12


def test_tracks_that_change_while_clips_are_exported_are_noticed(tracked):
    request = request_release(tracked, options=ReleaseOptions(blur_faces="heads"))
    clip = Clip.objects.get(name="yard-c0000")
    blurring = export_media.blurring_of("heads")
    export = export_media.request_clip_export(
        clip, video_sum=export_media.video_sum(clip.video), longest_side=None, blurring=blurring
    )
    TrackingRun.objects.filter(clip=clip).update(tracks="")
    assert "changed while the release was made" in export_media.export_clip(export.pk).error
    assert "yard-c0000 has no tracks" in make_release(request.pk).error
    assert not ClipExport.objects.filter(pk=export.pk).exists()


def test_frames_of_which_nobody_knows_anything_are_blurred_as_a_whole(tracked):
    TrackingRun.objects.filter(clip__name="shop-c0001").update(tracks="")
    Review.objects.filter(task__clip__name="shop-c0001").update(verdict="rejected")
    _, folder = released(tracked, blur_faces="heads")
    assert detail(frame_of(folder, "shop-c0000", 100), TRUNK) > 40
    assert detail(frame_of(folder, "shop-c0000", 180), TRUNK) < 12


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"blur_faces": "heads", "with_frames": False, "with_clips": False},
                     "no frames and no clips whose faces", id="annotations"),
        pytest.param({"blur_faces": "people"}, "neither heads nor the name of an ONNX file",
                     id="no file"),
        pytest.param({"blur_faces": "../faces.onnx"}, "neither heads nor", id="a path"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(options, sentence):
    with pytest.raises(OptionsError, match=sentence):
        ReleaseOptions(**options)


def test_a_face_detector_that_is_missing_is_refused_at_once(dataset):
    with pytest.raises(OptionsError, match=r"faces cannot be blurred with mine\.onnx"):
        request_release(dataset, options=ReleaseOptions(blur_faces="mine.onnx"))
    assert not Release.objects.exists()


def test_the_page_offers_what_can_be_used(client, dataset):
    settings.WEIGHTS_DIR.mkdir(parents=True, exist_ok=True)
    (settings.WEIGHTS_DIR / "mine.onnx").write_bytes(b"no model")
    client.force_login(make_user(is_superuser=True))
    page = client.get(reverse("qc:release-new", args=[dataset.name])).content.decode()
    assert "Blur what mine.onnx finds" in page
    url = reverse("qc:release-create", args=[dataset.name])
    refused = client.post(
        url, {"frames": "annotations", "licence": "none", "blur_faces": "heads"}
    )
    assert refused.status_code == 422
    assert "whose faces could be blurred" in refused.content.decode()
    refused = client.post(url, {"licence": "none", "blur_faces": "mine.onnx"})
    assert (refused.status_code, "is not an ONNX model" in refused.content.decode()) == (
        422,
        True,
    )
    assert client.post(url, {"licence": "none", "blur_faces": "heads"}).status_code == 302
    assert Release.objects.get().options["blur_faces"] == "heads"


def test_releases_without_the_option_are_as_before(dataset):
    assert "blur_faces" not in ReleaseOptions().as_json()
    manifest = json.loads((folder_of(made(dataset)) / "manifest.json").read_text())
    assert "faces" not in manifest
    assert Release.objects.get().stage == Stage.DONE
