"""The whole pipeline through the API, by the client that docs/client.py is."""

import re
import zipfile
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from annotation.services.label_imports import run_import
from datasets.accounts.tokens import make_token
from datasets.models import Notification
from docs.client import ApiError, AvaStudio
from tests.annotation.imports.written_files import coco
from tests.make import make_dataset, make_user
from tests.server_process import tiny_zip, write_detections
from tests.stored_files import make_ready_video
from workers.loop import Loop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

VOCABULARY = """
groups:
  - name: posture
    choice: one
    required: true
    label_type: PERSON_MOVEMENT
    actions: {1: stand, 2: walk}
"""
NAMES = ("annotator", "kim")


SCOPES = ("read", "upload", "label", "review", "manage", "delete")
PASSWORD = {"password1": "walk-sit-stand", "password2": "walk-sit-stand"}


def studio_of(live_server, user):
    """The client of an account, with every scope."""
    _, token = make_token(user, name="walk", scopes=SCOPES, days=1)
    return AvaStudio(live_server.url, token=token)


@pytest.fixture
def studio(live_server):
    cache.clear()
    return studio_of(live_server, make_user("boss"))


def joined(live_server, studio, role):
    """The client of somebody new, called as their role, who has opened an invitation."""
    path = urlsplit(studio.invite("lobby", role)["link"]).path
    answer = Client().post(path, {"username": role, **PASSWORD})
    assert answer.status_code == 302
    return studio_of(live_server, User.objects.get(username=role))


@pytest.fixture(autouse=True)
def detections(settings):
    settings.WEIGHTS_DIR = settings.DATA_DIR / "weights"
    write_detections(settings.WEIGHTS_DIR / "boxes")


def work():
    loop = Loop()
    loop.run(once=True)
    assert loop.failures == []


def answered(package, answer):
    """The XML of a package with one answer to all that is asked."""
    with zipfile.ZipFile(package) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".xml")]
        text = archive.read(name).decode()
    said = f'<attribute name="posture">{answer}</attribute>'
    return re.sub(r"(<box [^>]*>)", rf"\1{said}", text).encode()


def test_programs_of_each_role_walk_from_a_zip_to_a_release(studio, live_server, tmp_path):
    made = studio.create_dataset(
        "lobby", vocabulary="own", vocabulary_text=VOCABULARY, detector="imported",
        weights="boxes", description="One video.",
    )  # fmt: skip
    assert [one["name"] for one in made["groups"]] == ["posture"]
    assert made["role"] == "owner"
    roles = ("manager", "reviewer", "annotator", "viewer")
    manager, reviewer, annotator, viewer = (joined(live_server, studio, role) for role in roles)

    manager.upload("lobby", tiny_zip(tmp_path))
    work()
    [upload] = manager.uploads("lobby")
    assert (upload["stage"], upload["original_name"]) == ("done", "videos.zip")
    [video] = viewer.videos("lobby")
    assert (video["stage"], video["frame_count"]) == ("done", 300)
    [clip] = viewer.clips("lobby")
    assert clip["persons"] == 1
    name = clip["name"]
    assert viewer.clip("lobby", name)["keyframes"]
    [track] = viewer.tracks("lobby", name)["tracks"]
    assert (track["person_id"], len(track["frames"])) == (1, len(track["boxes"]))
    assert viewer.save_clip("lobby", name, tmp_path / "clip.mp4").stat().st_size > 1000
    for refused in (viewer.tasks, annotator.clips, annotator.releases, reviewer.uploads):
        with pytest.raises(ApiError, match="404"):
            refused("lobby")

    plan = manager.assign("lobby", NAMES, overlap=1.0, tool="package", preview=True)
    assert (plan["tasks"], manager.tasks("lobby")) == (2, [])
    manager.assign("lobby", NAMES, overlap=1.0, tool="package", digest=plan["digest"])
    assert {one["name"] for one in manager.annotators("lobby")} == set(NAMES)
    assert [one["clip"] for one in annotator.my_tasks()] == [name]
    work()
    tasks = {one["annotator"]: one["pk"] for one in reviewer.tasks("lobby")}
    for who, answer in zip(NAMES, ("stand", "walk"), strict=True):
        package = reviewer.save_package("lobby", tasks[who], tmp_path / f"{who}.zip")
        found = reviewer.import_answers("lobby", tasks[who], answered(package, answer))
        assert (found["received"], found["refused"]) == (1, [])
    work()
    [version] = reviewer.answers("lobby", tasks["kim"])
    its = reviewer.answers_version("lobby", tasks["kim"], version["number"])["annotations"]
    assert {one["answers"]["posture"] for one in its} == {"walk"}

    assert reviewer.agreement("lobby")
    assert reviewer.agreement("lobby", name)
    questions = list(reviewer.adjudication("lobby"))
    assert {one["group"] for one in questions} == {"posture"}
    seconds = [one["second"] for one in questions]
    decisions = reviewer.adjudicate(
        "lobby", clip=name, seconds=seconds, person_id=1, group="posture", actions=["walk"]
    )
    assert len(decisions) == len(seconds)
    assert list(reviewer.adjudication("lobby")) == []
    labels = [one["labels"][0]["actions"] for one in viewer.consensus("lobby", name)["boxes"]]
    assert set(map(tuple, labels)) == {("walk",)}

    waiting = [one["task"] for one in reviewer.reviews("lobby")]
    assert sorted(waiting) == sorted(tasks.values())
    reviewer.comment("lobby", waiting[0], "Well done.")
    assert reviewer.approve("lobby", waiting, reason="checked by hand") == 2
    assert reviewer.approve("lobby", waiting, reason="checked by hand") == 0

    number = manager.create_release("lobby", frames="annotations", licence="none")["number"]
    work()
    release = viewer.release("lobby", number)
    assert (release["stage"], release["error"]) == ("done", "")
    assert release["counts"]["clips"] == 1
    path = viewer.save_release("lobby", number, tmp_path / "release.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert any(one.endswith("manifest.json") for one in archive.namelist())

    done = [(one["user_name"], one["verb"]) for one in studio.activity("lobby")][::-1]
    assert done == [
        ("boss", "create dataset"),
        *((who, act) for role in roles for who, act in (("boss", "invite"), (role, "join"))),
        ("manager", "upload"),
        ("manager", "assign"),
        ("reviewer", "import answers"),
        ("reviewer", "import answers"),
        ("reviewer", "adjudicate"),
        ("reviewer", "comment"),
        ("reviewer", "approve"),
        ("manager", "request release"),
    ]
    assert studio.me()["usage"]["datasets"] == 1
    kinds = Notification.objects.values_list("user__username", "kind")
    assert set(kinds) == {
        ("annotator", "assigned"), ("boss", "to-review"), ("manager", "to-review"),
        ("reviewer", "to-review"), ("boss", "release-ready"), ("manager", "release-ready"),
    }  # fmt: skip

    studio.delete_dataset("lobby")
    assert studio.datasets() == []


def test_labels_of_another_tool_are_previewed_taken_and_undone(studio, tmp_path):
    dataset = make_dataset("shop", owner=User.objects.get(username="boss"))
    make_ready_video(dataset, name="aisle", frame_count=570)
    path = tmp_path / 'two "labels", früh.json'
    path.write_bytes(coco(video="other.mp4"))
    begun = studio.begin_import("shop", path, source="elsewhere")
    assert (begun["original_name"], begun["size"]) == (path.name, path.stat().st_size)
    number = begun["id"]
    run_import(number)
    assert studio.label_import("shop", number)["preview"]["unplaced"] == ["other.mp4"]
    again = studio.choose_import("shop", number, videos={"other.mp4": "aisle"})
    assert again["choices"]["videos"] == {"other.mp4": "aisle"}
    run_import(number)
    assert studio.label_import("shop", number)["preview"]["unplaced"] == []
    mapping = {"waving: yes": "doing: wave"}
    studio.choose_import("shop", number, mapping=mapping, confirm=True)
    run_import(number)
    assert studio.label_import("shop", number)["outcome"]["versions"] == 1
    with pytest.raises(ApiError, match="409"):
        studio.choose_import("shop", number, confirm=True)
    assert studio.undo_import("shop", number)["undone_at"]
    [row] = studio.imports("shop")
    assert (row["id"], row["source"], row["format"]) == (number, "elsewhere", "coco")


def test_a_file_of_no_known_tool_is_refused(studio, tmp_path):
    studio.create_dataset("lobby")
    (tmp_path / "labels.json").write_bytes(b"{}")
    with pytest.raises(ApiError, match="format"):
        studio.begin_import("lobby", tmp_path / "labels.json", source="us", format="kitti")


def test_what_is_refused_says_why(studio):
    with pytest.raises(ApiError, match="404"):
        studio.dataset("nothing")
    with pytest.raises(ApiError, match="name"):
        studio.create_dataset("not a name")
    studio.create_dataset("lobby")
    with pytest.raises(ApiError, match="already exists"):
        studio.create_dataset("lobby")
    with pytest.raises(ApiError, match="only owner"):
        studio.remove_member("lobby", studio.members("lobby")[0]["pk"])


def test_an_upload_goes_on_where_it_stopped(studio, tmp_path, monkeypatch):
    studio.create_dataset("lobby")
    path = tmp_path / "videos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.mp4", bytes(range(256)) * 40)
    monkeypatch.setattr("docs.client.CHUNK", 4096)
    sent = []

    def send(self, target, file, offset):
        if len(sent) == 1:
            sent.append(None)
            raise ConnectionError
        sent.append(offset)
        return whole(self, target, file, offset)

    whole = AvaStudio._send_chunk
    monkeypatch.setattr(AvaStudio, "_send_chunk", send)
    with pytest.raises(ConnectionError):
        studio.upload("lobby", path)
    studio.upload("lobby", path)
    assert sent[:3] == [0, None, 4096]
    assert [one["original_name"] for one in studio.uploads("lobby")] == ["videos.zip"]


def test_the_token_is_sent_to_no_other_server(studio):
    with pytest.raises(ApiError, match="gets no token"):
        studio._get("https://example.org/api/datasets/")
    with pytest.raises(ApiError, match="gets no token"):
        studio._get("//example.org/api/datasets/")


def test_a_list_is_followed_over_its_pages(studio):
    for number in range(3):
        studio.create_dataset(f"lobby-{number}")
    assert len(studio._all("datasets/", limit="2")) == 3
