import cv2
import numpy as np
import pytest
from django.urls import reverse

from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video
from tracking.models import PersonCorrection, Proposal, TrackingRun, VideoPerson

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    user = make_user("boss")
    client.force_login(user)
    return user


@pytest.fixture
def video(owner):
    """Three persons who stand through a video of two clips; P2 is in doubt."""
    made = make_ready_video(make_dataset("shop", owner=owner), name="aisle", persons=3)
    VideoPerson.objects.filter(video=made).update(doubt=0.1)
    VideoPerson.objects.filter(video=made, person_id=2).update(
        doubt=0.8, doubt_reason="hidden by somebody at 3.0 s"
    )
    return made


def page(client, video, **query):
    return client.get(reverse("tracking:people", args=["shop", video.name]), query)


def correct(client, video, **posted):
    url = reverse("tracking:correct", args=["shop", video.name])
    return client.post(url, posted, follow=True)


def said(answer):
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_most_doubtful_person_comes_first_with_its_reason(client, video):
    answer = page(client, video)
    assert [row.person.person_id for row in answer.context["rows"]] == [2, 1, 3]
    assert "hidden by somebody at 3.0 s" in answer.text
    assert "1 doubtful person" in answer.text


def test_whoever_was_looked_at_comes_last(client, video):
    answer = correct(client, video, act="check", person="2")
    assert said(answer) == "P2 is right."
    assert [row.person.person_id for row in answer.context["rows"]] == [1, 3, 2]


def test_the_overview_asks_to_look_before_tasks_are_assigned(client, video):
    text = client.get(reverse("qc:overview", args=["shop"])).text
    assert "doubtful person in 1 video" in text
    correct(client, video, act="check", person="2")
    assert "doubtful person" not in client.get(reverse("qc:overview", args=["shop"])).text


def test_a_row_shows_crops_over_time(client, video):
    answer = client.get(reverse("tracking:person-crops", args=["shop", video.name, 1]))
    image = cv2.imdecode(np.frombuffer(b"".join(answer), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == 9 * 108 - 4
    one = client.get(
        reverse("tracking:person-crops", args=["shop", video.name, 1]), {"one": "1"}
    )
    assert cv2.imdecode(np.frombuffer(b"".join(one), np.uint8), 1).shape[1] == 104


def test_a_split_at_an_image_gives_the_rest_a_new_number(client, video):
    crop = page(client, video).context["rows"][0].crops[4]
    answer = correct(client, video, act="split", person="2", clip=crop.name, frame=crop.frame)
    assert said(answer) == f"From frame {crop.frame} of {crop.name} on, P2 is P4."
    assert VideoPerson.objects.filter(video=video, person_id=4).exists()
    assert "Undo: P2 split" in answer.text
    assert said(correct(client, video, act="undo")) == "Undone: P2 split."


def test_a_number_that_is_none_is_said(client, video):
    answer = correct(client, video, act="merge", person="2", other="nobody")
    assert said(answer) == "nobody is not a person's number."
    answer = correct(client, video, act="merge", person="2", other="P77")
    assert "no person 77" in said(answer)
    assert not PersonCorrection.objects.exists()


def test_a_merge_by_number_is_carried_out(client, video):
    assert said(correct(client, video, act="merge", person="3", other="P1")) == "P3 is P1 now."
    runs = TrackingRun.objects.filter(clip__video=video)
    assert not runs.filter(persons__person_id=3).exists()


def test_videos_with_doubtful_persons_come_first(client, video):
    answer = client.get(reverse("tracking:people-videos", args=["shop"]))
    assert [(v.name, v.tracked, v.doubtful) for v in answer.context["page"]] == [
        ("aisle", 3, 1)
    ]


def test_a_video_without_persons_says_so(client, owner):
    made = make_ready_video(make_dataset("shop", owner=owner), name="empty", persons=0)
    assert "No persons" in page(client, made).text


def test_only_who_is_of_the_same_class_may_be_the_same(client, video):
    first, *later = TrackingRun.objects.filter(clip__video=video).order_by("clip__index")
    first.proposals.exclude(person_id=1).delete()
    Proposal.objects.filter(run__in=later, person_id=1).delete()
    similar = {row.person.person_id: row.similar for row in page(client, video).context["rows"]}
    assert similar[1] == [2, 3]
    VideoPerson.objects.filter(video=video, person_id=2).update(label="car")
    similar = {row.person.person_id: row.similar for row in page(client, video).context["rows"]}
    assert (similar[1], similar[2], similar[3]) == ([3], [], [1])


@pytest.fixture
def vehicle(video):
    """The video with P3 as a vehicle."""
    VideoPerson.objects.filter(video=video, person_id=3).update(label="vehicle")
    return video


def test_a_merge_with_another_class_is_refused_by_both_names(client, vehicle):
    answer = correct(client, vehicle, act="merge", person="1", other="3")
    assert said(answer) == (
        "P1 can't be merged with P3 vehicle: one is of the class person, the other of the "
        "class vehicle."
    )
    assert not PersonCorrection.objects.exists()


def test_what_is_no_person_is_called_by_its_class_in_every_sentence(client, vehicle):
    text = page(client, vehicle).text
    for words in ("Images of P3 vehicle", "P3 vehicle over time", "No vehicle", "Images of P1"):
        assert words in text
    assert said(correct(client, vehicle, act="check", person="3")) == "P3 vehicle is right."
    renamed = correct(client, vehicle, act="rename", person="3", name="van")
    assert said(renamed) == "P3 vehicle is called van."
    assert "Undo: P3 vehicle renamed" in renamed.text
    assert said(correct(client, vehicle, act="undo")) == "Undone: P3 vehicle renamed."
    dropped = correct(client, vehicle, act="drop", person="3")
    assert said(dropped) == "P3 is no vehicle."
    assert "Undo: P3 no vehicle" in dropped.text
    assert said(correct(client, vehicle, act="undo")) == "Undone: P3 no vehicle."
    crop = page(client, vehicle).context["rows"][0].crops[4]
    answer = correct(client, vehicle, act="split", person="3", clip=crop.name, frame=crop.frame)
    assert said(answer).endswith("on, P3 vehicle is P4 vehicle.")


def test_a_correction_that_changes_nothing_is_said(client, video):
    correct(client, video, act="merge", person="3", other="1")
    assert "changes nothing" not in page(client, video).text
    VideoPerson.objects.filter(video=video, person_id=3).update(label="vehicle")
    text = page(client, video).text
    assert "1 correction changes nothing in the tracks in use:" in text
    assert "P3 vehicle merged with P1: P3 vehicle and P1 are of different classes" in text


def test_who_looks_alike_in_other_videos_is_found_and_not_merged(client, owner, video):
    other = make_ready_video(video.dataset, name="street", persons=2)
    looks = {1: [1.0, 0.0], 2: [0.0, 1.0]}
    for number, vector in looks.items():
        VideoPerson.objects.filter(person_id=number).update(
            look=np.array(vector, np.float16).tobytes(), look_parts=1
        )
    answer = client.get(reverse("tracking:people-alike", args=["shop", "aisle", 1]))
    found = [(one.video, one.person_id, one.alike) for one in answer.context["found"]]
    assert found == [(other, 1, 1.0), (other, 2, 0.0)]
    VideoPerson.objects.filter(video=other, person_id=1).update(label="car")
    answer = client.get(reverse("tracking:people-alike", args=["shop", "aisle", 1]))
    assert [one.person_id for one in answer.context["found"]] == [2]
    without = client.get(reverse("tracking:people-alike", args=["shop", "aisle", 3]))
    assert without.context["found"] == []
