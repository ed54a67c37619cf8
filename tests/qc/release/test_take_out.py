"""What is taken out of releases: they are marked, and one without it follows."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from qc.core.release.options import ReleaseOptions
from qc.models import Release, Review, TakenOut
from qc.services.release.bucket_sync import SyncError, request_sync
from qc.services.release.make_release import make_release, request_release
from qc.services.release.take_out import TakeOutError, take_out
from tests import make
from tests.qc.release.corner import add_person, consensus_of, files_of, made

pytestmark = pytest.mark.django_db


def videos_of(files):
    return {one["video_id"] for one in json.loads(files["manifest.json"])["videos"]}


@pytest.mark.parametrize(
    ("what", "left"),
    [
        pytest.param("shop-c0001", {"shop-c0000", "yard-c0000"}, id="a clip"),
        pytest.param("yard", {"shop-c0000", "shop-c0001"}, id="a video"),
        pytest.param("shop:2", {"shop-c0000", "yard-c0000"}, id="a person, where it is shown"),
    ],
)
def test_what_is_taken_out_is_in_no_later_release(dataset, what, left):
    add_person(consensus_of("shop-c0001"), 2, 2, left=120)
    first = made(dataset)
    result = take_out(dataset, what, reason="Consent was withdrawn.")
    assert [release.number for release in result.marked] == [1]
    after = make_release(result.successor.pk)
    assert after.error == ""
    files = files_of(after)
    assert videos_of(files) == left
    manifest = json.loads(files["manifest.json"])
    assert [one["what"] for one in manifest["errata"]] == [what]
    assert manifest["version"] == "2.0.0"
    assert "Consent was withdrawn." in files["README.md"].decode()
    first.refresh_from_db()
    assert first.errata[0]["successor"] == after.number
    again = take_out(dataset, what, reason="Once more.")
    assert (again.marked, again.successor, TakenOut.objects.count()) == ([], None, 1)


def test_a_release_that_never_held_it_is_not_marked(dataset):
    Review.objects.filter(task__clip__name="shop-c0001").update(verdict="rejected")
    made(dataset)
    result = take_out(dataset, "shop-c0001", reason="It shows a plate.")
    assert (result.marked, result.successor) == ([], None)
    assert "None that exists holds it." in result.sentence


@pytest.mark.parametrize(
    ("what", "reason", "sentence"),
    [
        ("lane", "why", "has no video and no clip 'lane'"),
        ("shop:77", "why", "shop has no person '77'"),
        ("shop", "  ", "Say why"),
    ],
)
def test_what_cannot_be_meant_is_refused(dataset, what, reason, sentence):
    with pytest.raises(TakeOutError, match=sentence):
        take_out(dataset, what, reason=reason)
    with pytest.raises(CommandError, match=sentence):
        call_command("take_out", what, "--dataset", "corner", "--reason", reason)
    assert not TakenOut.objects.exists()


def test_a_marked_release_is_not_passed_on(dataset, client):
    first = made(dataset)
    client.force_login(make.make_user("boss", is_superuser=True))
    download = reverse("qc:release-download", args=["corner", first.number])
    assert client.get(download).status_code == 200
    form = {"what": "yard", "reason": "Consent was withdrawn."}
    answer = client.post(reverse("qc:release-take-out", args=["corner"]), form, follow=True)
    page = answer.content.decode()
    assert "Release 1 held it and can" in page
    assert "yard was taken out on" in page
    assert client.get(download).status_code == 404
    first.refresh_from_db()
    with pytest.raises(SyncError):
        request_sync(first, prefix="corner/1", parts=[])


def test_a_public_release_needs_a_licence_and_the_whole_datasheet(dataset, client):
    with pytest.raises(CommandError, match="a public release needs a licence"):
        call_command("make_release", "--dataset", "corner", "--public", "--licence", "none")
    with pytest.raises(CommandError, match=r"open are: Who was filmed\?"):
        call_command(
            "make_release", "--dataset", "corner", "--public", "--licence", "CC-BY-4.0"
        )
    client.force_login(make.make_user("boss", is_superuser=True))
    form = {"is_public": "on", "licence": "CC-BY-4.0"}
    answer = client.post(reverse("qc:release-create", args=["corner"]), form)
    assert (answer.status_code, "Who was filmed?" in answer.content.decode()) == (422, True)
    assert not Release.objects.exists()
    page = client.get(reverse("qc:datasheet", args=["corner"])).content.decode()
    answers = {name: f"Our {name}." for name in (
        "people", "consent", "identity", "place", "uses", "refused_uses", "maintainer",
        "errata")}  # fmt: skip
    assert all(f'name="{name}"' in page for name in answers)
    saved = client.post(reverse("qc:datasheet-save", args=["corner"]), answers, follow=True)
    assert "Every question is answered." in saved.content.decode()
    options = ReleaseOptions(is_public=True, licence="CC-BY-4.0", formats=("parquet",))
    release = make_release(request_release(dataset, options=options).pk)
    assert release.error == ""
    files = files_of(release)
    assert json.loads(files["manifest.json"])["public"] is True
    assert "**Did they consent, and to what?** Our consent." in files["README.md"].decode()
    described = json.loads(files["croissant.json"])
    assert described["rai:personalSensitiveInformation"] == ["Our identity. Our consent."]
    assert described["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert files["README.md"].startswith(b"---\npretty_name:")


def test_the_command_takes_out(dataset):
    made(dataset)
    out = StringIO()
    call_command("take_out", "yard", "--dataset", "corner", "--reason", "A plate.", stdout=out)
    assert "yard is taken out. Release 1 held it" in out.getvalue()
