"""Imported boxes that are tracked already: their ids are kept."""

import gzip
import json

import pytest
from django.urls import reverse

from avaproject.base.work import Stage
from datasets.models import Dataset
from tests.make import make_clips, make_dataset, make_user, make_video
from tests.tracking.fake_detectors import HEIGHT, WIDTH, stored
from tracking.core.tracks_file import load
from tracking.detectors.registry import ClipFrames, DetectorError, open_detector
from tracking.models import Person, Proposal
from tracking.services.assign_identities import assign_video_identities, plan_identity_runs
from tracking.services.experiments import ExperimentError, start_experiment
from tracking.services.track import plan_runs, track_clip
from tracking.services.tracking_configs import config_key_of

pytestmark = pytest.mark.django_db

# Two ids change places between two keyframes: a tracker would say the opposite.
CROSSING = [(60, 7, 10), (60, 3, 40), (90, 3, 10), (90, 7, 40), (510, 7, 20)]


def mot(rows, *, name="1"):
    return "".join(f"{f + 1},{n},{x},5,10,20,-1,{name},1\n" for f, n, x in rows)


def coco(rows, *, key="track_id"):
    return json.dumps(
        [
            {"image_id": f, "category_id": 1, "bbox": [x, 5, 10, 20], "score": -1, key: n}
            for f, n, x in rows
        ]
    )


def coco_data_set(rows):
    return json.dumps(
        {
            "images": [{"id": f, "frame_id": f, "file_name": "a.jpg"} for f in range(511)],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": [
                {"image_id": f, "category_id": 1, "bbox": [x, 5, 10, 20], "instance_id": n}
                for f, n, x in rows
            ],
        }
    )


@pytest.fixture
def video(tmp_path):
    dataset = make_dataset(detector="imported", weights=str(tmp_path), keep_ids=True)
    video = make_video(
        dataset, "walk", width=WIDTH, height=HEIGHT, frame_count=900, frame_rate=30
    )
    make_clips(video)
    return video


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def tracked(video):
    """Track its clips and identify its persons; return the runs."""
    plan_runs()
    runs = [track_clip(clip.tracking_runs.latest("pk").pk) for clip in video.clips.all()]
    if all(run.stage == Stage.DONE for run in runs):
        plan_identity_runs()
        assert assign_video_identities(video.identity_runs.latest("pk").pk).error == ""
    return runs


def proposed(video):
    rows = Proposal.objects.filter(run__clip__video=video).order_by(
        "run__clip__index", "second", "person_id"
    )
    return list(rows.values_list("run__clip__index", "second", "person_id", "x1"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("walk.txt", mot(CROSSING)),
        ("walk/gt/gt.txt", mot(CROSSING).replace("-1,1,1", "1,1,1")),
        ("walk.json", coco(CROSSING)),
        ("walk.json", coco(CROSSING, key="instance_id")),
        ("walk.json", coco_data_set(CROSSING)),
    ],
    ids=["MOT", "gt", "COCO results", "instance_id", "COCO data set"],
)
def test_the_ids_of_a_file_for_a_video_are_its_persons(video, tmp_path, name, text):
    write(tmp_path, name, text)
    first, second = tracked(video)
    assert [run.track_count for run in (first, second)] == [2, 1]
    assert first.made_by["ids"] == "video"
    tracks = load(stored(first)).tracks
    assert [(one.track_id, one.frames.tolist()) for one in tracks] == [
        (3, [60, 90]), (7, [60, 90]),
    ]  # fmt: skip
    assert tracks[0].boxes.tolist() == [[40, 5, 50, 25], [10, 5, 20, 25]]
    assert proposed(video) == [
        (0, 2, 3, 40), (0, 2, 7, 10), (0, 3, 3, 10), (0, 3, 7, 40), (1, 2, 7, 20),
    ]  # fmt: skip
    persons = Person.objects.order_by("run", "person_id").values_list("track_id", "person_id")
    assert list(persons) == [(3, 3), (7, 7), (7, 7)]
    assert list(video.persons.values_list("person_id", flat=True)) == [3, 7]


def test_nothing_is_filled_in_between_boxes_far_apart_or_of_low_score(video, tmp_path):
    write(tmp_path, "walk.txt", "61,1,10,5,10,20,0.01\n121,1,40,5,10,20,0.9\n")
    tracked(video)
    assert proposed(video) == [(0, 2, 1, 10), (0, 4, 1, 40)]


def test_the_ids_of_a_file_for_a_clip_are_of_the_clip(video, tmp_path):
    first, second = video.clips.all()
    write(tmp_path, f"{first.name}.txt", mot([(f, 2, 10) for f in range(400, 450)]))
    rows = [(f, 2, 90) for f in range(50)] + [(f, 5, 10) for f in range(50)]
    write(tmp_path, f"{second.name}.txt", mot(rows))
    tracked(video)
    found = Person.objects.order_by("run", "track_id").values_list("track_id", "person_id")
    assert list(found) == [(2, 1), (2, 2), (5, 1)]


def test_a_clip_tracked_again_shows_the_same_persons(video, tmp_path):
    write(tmp_path, "walk.txt", mot(CROSSING))
    _, second = tracked(video)
    clip, key = second.clip, second.config_key
    second.delete()
    plan_runs()
    assert track_clip(clip.tracking_runs.get(config_key=key).pk).stage == Stage.DONE
    run = video.identity_runs.get()
    run.stage = Stage.WAITING
    run.save()
    assign_video_identities(run.pk)
    assert Person.objects.get(run__clip=clip).person_id == 7


def test_persons_of_an_earlier_tracking_keep_their_numbers(video, tmp_path):
    video.dataset.keep_ids = False
    video.dataset.save()
    write(tmp_path, "walk.txt", mot([(f, 40 + f // 300, 10) for f in range(600)]))
    before = tracked(video)
    assert list(video.persons.values_list("person_id", flat=True)) == [1]
    video.dataset.keep_ids = True
    video.dataset.save()
    again = tracked(video)
    assert before[0].config_key != again[0].config_key
    assert set(Person.objects.filter(run__in=again).values_list("track_id", "person_id")) == {
        (40, 1), (41, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("walk.txt", mot([(0, -1, 1), (1, -1, 1)]), r"walk\.txt has no ids to keep\. Add them"),
        ("walk.json", json.dumps({"format": "ava-studio-detections/1",
                                  "frames": {"0": [[1, 2, 3, 4, 0.5]]}}),
         r"walk\.json has no ids to keep"),
        ("walk.txt", mot([(0, 1, 1), (4, -1, 1)]),
         r"walk\.txt, line 2, frame 5: it has no id\. .* from 1 to"),
        ("walk.txt", "\n" + mot([(0, 0, 1)]), r"line 2, frame 1: its id is 0\."),
        ("walk.json", coco([(0, 1, 1), (4, 2**31, 1)]),
         r"walk\.json, entry 2, frame 4: its id is 2147483648\."),
        ("walk.txt", mot([(0, 4, 1), (8, 4, 1), (8, 5, 9), (8, 4, 5)]),
         r"line 4, frame 9: the id 4 is in this frame already\. Keep one"),
        ("walk.txt", mot([(9, 4, 1)], name=3) + mot([(0, 4, 1)]),
         r"line 1, frame 10: the id 4 is of the class vehicle, but person before\."),
        ("walk.txt", mot([(0, 1.5, 1)]), r"ids that are no whole numbers"),
        ("walk.txt", mot([(0, "nan", 1)]), r"ids, boxes or scores that are not finite"),
    ],
    ids=["none", "our own", "missing", "zero", "large", "twice", "class", "half", "nan"],
)  # fmt: skip
def test_ids_that_cannot_be_kept_are_named(video, tmp_path, name, text, said):
    video.dataset.classes = "person, vehicle"
    video.dataset.save()
    write(tmp_path, name, text)
    detector = open_detector(
        "imported", weights=str(tmp_path), threshold=0.1, classes=video.dataset.class_names
    )
    with pytest.raises(DetectorError, match=said):
        detector.tracks_of_clip(
            ClipFrames("walk-c0000", "walk", "walk.mp4", 0, 450, 900, (640, 360))
        )
    run = tracked(video)[0]
    assert run.stage == Stage.FAILED
    assert name in run.error


def test_a_file_without_rows_has_no_tracks(video, tmp_path):
    write(tmp_path, "walk.txt", "")
    assert [run.track_count for run in tracked(video)] == [0, 0]


def test_ids_make_a_configuration_that_scores_and_strides_do_not_change(tmp_path):
    own = {"detector": "imported", "weights": str(tmp_path)}
    dataset = make_dataset(keep_ids=True, **own)
    key = config_key_of(dataset)
    assert key.endswith(" ids")
    dataset.threshold, dataset.frame_stride = 0.9, 7
    assert config_key_of(dataset) == key
    assert config_key_of(make_dataset(**own)) != key
    assert "ids" not in config_key_of(make_dataset(keep_ids=True))


def test_a_comparison_keeps_ids_of_imported_boxes_only(tmp_path):
    dataset = make_dataset()
    common = {"threshold": 0.5, "frame_stride": 1, "keep_ids": True}
    with pytest.raises(ExperimentError, match="Only imported boxes have ids"):
        start_experiment(dataset, detector="rfdetr-nano", weights="", **common)
    made = start_experiment(dataset, detector="imported", weights=str(tmp_path), **common)
    assert config_key_of(made).endswith(" ids")


def test_tracks_of_kept_ids_are_read_as_any_others(video, tmp_path):
    write(tmp_path, "walk.txt", mot(CROSSING))
    content = json.loads(gzip.decompress(stored(tracked(video)[0])))
    assert content["made_by"]["ids"] == "video"
    assert "tracker" not in content["made_by"]


def test_a_new_dataset_keeps_ids_on_its_page_and_by_the_api(client, own_files, settings):
    settings.WEIGHTS_DIR = own_files
    (own_files / "boxes").mkdir()
    user = make_user(is_superuser=True)
    client.force_login(user)
    posted = {
        "name": "yard", "vocabulary": "street", "detector": "imported", "weights": "boxes",
        "threshold": "0.4", "longest_side": "640", "clip_seconds": "15",
        "annotation_fps": "5", "frame_stride": "1", "keep_ids": "on",
    }  # fmt: skip
    page = client.get(reverse("datasets:new")).content.decode()
    assert "Keep the ids of the file" in page
    assert 'data-shown-for="id_detector=imported"' in page
    wrong = client.post(reverse("datasets:new"), posted | {"detector": "rfdetr-nano"})
    assert "Only imported boxes have ids that can be kept." in wrong.content.decode()
    assert client.post(reverse("datasets:new"), posted).status_code == 302
    assert Dataset.objects.get(name="yard").keep_ids
    assert (
        "ids of the file"
        in client.get(reverse("datasets:settings", args=["yard"])).content.decode()
    )
    more = {"name": "hall", "detector": "imported", "weights": "boxes", "keep_ids": True}
    made = client.post(reverse("api:datasets"), more, content_type="application/json")
    assert made.json()["keep_ids"] is True
