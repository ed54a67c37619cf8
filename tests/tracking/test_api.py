import json

import pytest
from django.urls import reverse

from datasets.accounts.tokens import make_token
from datasets.models import Member
from tests.make import make_dataset, make_user
from tests.stored_files import make_bundled_video
from tracking.models import Bundle
from tracking.services.export_bundle import make_bundle

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin():
    return make_user("boss")


@pytest.fixture
def dataset(admin):
    dataset = make_dataset("shop", owner=admin)
    make_bundled_video(dataset, name="aisle")
    return dataset


def shown(user):
    """The header with the token of `user`."""
    _, token = make_token(user, name="a program", scopes=["read", "manage"], days=1)
    return {"HTTP_AUTHORIZATION": f"Token {token}"}


def address(name, *args):
    if name == "datasets":
        return reverse("api:datasets")
    return reverse(f"tracking:api-{name}", args=args)


def order(client, user, **said):
    return client.post(
        address("bundles", "shop"), json.dumps(said), content_type="application/json",
        **shown(user),
    )  # fmt: skip


def test_a_program_orders_a_bundle_watches_it_and_fetches_its_files(client, admin, dataset):
    (found,) = client.get(address("datasets"), **shown(admin)).json()["results"]
    assert (found["name"], found["can_manage"]) == ("shop", True)
    assert client.get(found["bundles"], **shown(admin)).json()["count"] == 0
    answer = order(client, admin)
    assert answer.status_code == 201
    bundle = answer.json()
    assert (bundle["stage"], bundle["progress"], bundle["files"]) == ("waiting", 0.0, [])
    make_bundle(bundle["pk"])
    bundle = client.get(bundle["url"], **shown(admin)).json()
    assert bundle["stage"] == "done"
    file = next(file for file in bundle["files"] if file["name"] == "manifest.json")
    whole = client.get(file["url"], **shown(admin))
    content = b"".join(whole)
    assert (whole.status_code, len(content)) == (200, file["size"])
    part = client.get(file["url"], headers={"Range": "bytes=10-"}, **shown(admin))
    assert (part.status_code, b"".join(part)) == (206, content[10:])


def test_ordering_again_gives_the_same_bundle(client, admin, dataset):
    first, again = order(client, admin), order(client, admin)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["pk"] == again.json()["pk"]
    assert order(client, admin, with_clips=False).status_code == 201
    assert Bundle.objects.count() == 2


def test_nothing_tracked_is_a_conflict_with_a_sentence(client, admin):
    make_dataset("shop", owner=admin)
    answer = order(client, admin)
    assert answer.status_code == 409
    assert "completely tracked" in answer.json()["detail"]


def test_what_is_asked_for_must_make_sense(client, admin, dataset):
    assert order(client, admin, with_clips="perhaps").status_code == 400


def test_a_reviewer_sees_and_fetches_but_orders_nothing(client, admin, dataset):
    reviewer = make_user("reviewer")
    Member.objects.create(dataset=dataset, user=reviewer, role=Member.Role.REVIEWER)
    (found,) = client.get(address("datasets"), **shown(reviewer)).json()["results"]
    assert found["can_manage"] is False
    assert client.get(address("bundles", "shop"), **shown(reviewer)).status_code == 200
    assert order(client, reviewer).status_code == 404


def test_strangers_see_nothing_of_a_dataset(client, admin, dataset):
    make_bundle(order(client, admin).json()["pk"])
    key, stranger = Bundle.objects.get().pk, make_user("stranger")
    assert client.get(address("datasets"), **shown(stranger)).json()["count"] == 0
    for page in (
        address("bundles", "shop"), address("bundle", "shop", key),
        address("bundle-file", "shop", key, "manifest.json"),
    ):  # fmt: skip
        assert client.get(page, **shown(stranger)).status_code == 404
        assert client.get(page).status_code == 401
    assert order(client, stranger).status_code == 404


def test_a_file_that_no_bundle_has_is_not_found(client, admin, dataset):
    make_bundle(order(client, admin).json()["pk"])
    key = Bundle.objects.get().pk
    for name in ("other.zip", "..%2Fsecret-key", "..%2f..%2fava.sqlite3"):
        page = address("bundle", "shop", key) + name
        assert client.get(page, **shown(admin)).status_code == 404


def test_a_browser_that_is_logged_in_needs_no_token(client, admin, dataset):
    client.force_login(admin)
    assert client.get(address("bundles", "shop")).status_code == 200
