import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse

from qc.core.release.options import ReleaseOptions
from qc.core.release.packing import dump_index, part_sizes, sum_of
from qc.models import Release
from tests.make import (
    make_user,
)

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def page_text(response):
    return response.content.decode()


def test_admins_create_releases_and_reviewers_can_not(client, admin, reviewer, dataset):
    client.force_login(reviewer)
    assert client.post(url("release-create")).status_code == 404
    client.force_login(admin)
    answer = client.post(url("release-create"), {"licence": "none"})
    assert answer["Location"] == url("releases")
    release = Release.objects.get()
    assert (release.number, release.created_by, release.stage) == (1, admin, "waiting")


def test_a_finished_release_is_downloaded_and_its_download_goes_on(client, admin, dataset):
    name = default_storage.save("shop/releases/1/r.zip", ContentFile(b"0123456789"))
    Release.objects.create(dataset=dataset, number=1, stage="done", archive=name)
    client.force_login(admin)
    response = client.get(url("release-download", 1), headers={"Range": "bytes=5-"})
    assert (response.status_code, b"".join(response.streaming_content)) == (206, b"56789")
    assert "shop-release-1.zip" in response["Content-Disposition"]


@pytest.fixture
def stored_release(dataset):
    """A release on local disk: a card, a film and a picture."""
    folder = Path(default_storage.path("shop/releases/1"))
    files = {
        "README.md": b"a card", "clips/a.mp4": b"film", "rawframes/a/img_00001.jpg": b"jpeg",
        "card.html": b"<h1>card</h1>",
    }  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sums = {name: sum_of(folder / name) for name in sorted(files)}
    folder.with_name("1.index").write_bytes(dump_index(sums))
    return Release.objects.create(
        dataset=dataset, number=1, stage="done", folder="shop/releases/1",
        counts={"clips": 1, "manifest": "ab" * 32, "parts": part_sizes(sums)},
    )  # fmt: skip


def names_in(response):
    content = b"".join(response.streaming_content)
    assert int(response["Content-Length"]) == len(content)
    names = zipfile.ZipFile(BytesIO(content)).namelist()
    assert all(name.startswith("shop-release-1/") for name in names)
    return [name.removeprefix("shop-release-1/") for name in names]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", {"README.md", "card.html", "clips/a.mp4", "rawframes/a/img_00001.jpg"},
                     id="all"),
        pytest.param("?part=annotations", {"README.md", "card.html"}, id="annotations alone"),
        pytest.param("?part=clips", {"README.md", "card.html", "clips/a.mp4"}, id="with clips"),
    ],
)  # fmt: skip
def test_a_download_holds_the_parts_asked_for(client, admin, stored_release, query, expected):
    client.force_login(admin)
    response = client.get(url("release-download", 1) + query)
    assert set(names_in(response)) == expected


def test_a_broken_download_goes_on_where_it_was(client, admin, stored_release):
    client.force_login(admin)
    whole = b"".join(client.get(url("release-download", 1)).streaming_content)
    first = client.get(url("release-download", 1), headers={"Range": "bytes=0-99"})
    assert (first.status_code, first["Content-Range"]) == (206, f"bytes 0-99/{len(whole)}")
    headers = {"Range": "bytes=100-", "If-Range": first["ETag"]}
    rest = client.get(url("release-download", 1), headers=headers)
    both = b"".join(first.streaming_content) + b"".join(rest.streaming_content)
    assert both == whole
    other = client.get(url("release-download", 1) + "?part=annotations", headers=headers)
    assert other.status_code == 200  # another zip: it begins anew
    beyond = client.get(url("release-download", 1), headers={"Range": "bytes=99999-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(whole)}")
    known = client.get(url("release-download", 1), headers={"If-None-Match": first["ETag"]})
    assert known.status_code == 304


def test_the_page_of_releases_shows_sizes_and_the_card(client, reviewer, stored_release):
    client.force_login(reviewer)
    page = page_text(client.get(url("releases")))
    assert url("release-download", 1) + "?part=frames" in page
    assert url("release-delete-files", 1) not in page
    card = client.get(url("release-card", 1))
    assert b"".join(card.streaming_content) == b"<h1>card</h1>"
    assert "attachment" in card["Content-Disposition"]


def test_only_an_admin_who_types_the_number_deletes_a_release(
    client, admin, reviewer, stored_release
):
    client.force_login(reviewer)
    assert client.post(url("release-delete-files", 1), {"confirm": "1"}).status_code == 404
    client.force_login(admin)
    client.post(url("release-delete-files", 1), {"confirm": "yes"})
    assert client.get(url("release-download", 1)).status_code == 200
    client.post(url("release-delete-files", 1), {"confirm": "1"})
    assert client.get(url("release-download", 1)).status_code == 404
    assert not Path(default_storage.path("shop/releases/1")).exists()
    assert "Files deleted" in page_text(client.get(url("releases")))
    again = client.post(url("release-delete-files", 1), {"confirm": "1"}, follow=True)
    assert "The files of release 1 were already deleted." in again.content.decode()


def test_a_new_release_is_chosen_on_a_page(client, admin, reviewer, disputed):
    client.force_login(reviewer)
    assert client.get(url("release-new")).status_code == 404
    approved = {"tasks": [task.pk for task in disputed], "verdict": "approved"}
    client.post(url("verdict"), approved)
    client.force_login(admin)
    page = page_text(client.get(url("release-new")))
    assert "COCO-video" in page
    client.post(
        url("release-create"),
        {"frames": "640", "formats": ["mot", "coco"], "licence": "CC0-1.0",
         "authors": "Ada\n\nBob ", "seed": "3"},
    )  # fmt: skip
    options = ReleaseOptions.read(Release.objects.get().options)
    assert options == ReleaseOptions(
        formats=("coco", "mot"), longest_side=640, licence="CC0-1.0", authors=("Ada", "Bob"),
        seed=3,
    )  # fmt: skip


def test_a_split_list_that_cannot_be_meant_is_shown_again(client, admin, dataset):
    client.force_login(admin)
    response = client.post(
        url("release-create"), {"split_list": "nowhere,val", "licence": "none"}
    )
    assert response.status_code == 422
    assert "names nowhere, which is no video" in page_text(response)
    assert "nowhere,val" in page_text(response)
    assert not Release.objects.exists()


def test_a_failed_release_shows_the_reason_and_no_download(client, admin, dataset):
    Release.objects.create(
        dataset=dataset, number=1, stage="failed", error="A picture is missing.",
        checks=[{"name": "frames", "passed": False, "sentence": "img_00361.jpg"}],
    )  # fmt: skip
    client.force_login(admin)
    page = page_text(client.get(url("releases")))
    assert "A picture is missing." in page
    assert "img_00361.jpg" in page
    assert url("release-download", 1) not in page
    assert client.get(url("release-download", 1)).status_code == 404


def test_a_stranger_downloads_nothing(client, dataset):
    Release.objects.create(dataset=dataset, number=1, stage="done", archive="r.zip")
    client.force_login(make_user())
    assert client.get(url("release-download", 1)).status_code == 404


def test_a_failed_release_is_sent_back(client, admin, dataset):
    release = Release.objects.create(dataset=dataset, number=1, stage="failed")
    client.force_login(admin)
    client.post(url("retry", "release"), {"pk": release.pk})
    release.refresh_from_db()
    assert release.stage == "waiting"
