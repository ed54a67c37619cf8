"""Pages of the installation: work queues and help."""

import re
from pathlib import Path

import pytest
from django.urls import reverse

from tests.make import make_dataset, make_user, make_video
from workers.help import developer_pages, guide_pages
from workers.selectors import queues, steps, waits

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()

pytestmark = pytest.mark.django_db


def test_a_queue_sums_its_steps():
    dataset = make_dataset()
    make_video(dataset, stage="waiting")
    make_video(dataset, stage="running")
    gpu, cpu = queues(steps())
    assert (gpu.sentence, cpu.sentence) == ("idle", "1 running · 1 waiting")


def test_the_work_page_its_refresh_and_the_sidebar_box(client):
    client.force_login(make_user())
    url = reverse("workers:work")
    assert "<!doctype html>" in client.get(url).content.decode()
    refresh = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Standardise" in refresh
    assert "Detection" in refresh
    assert "GPU" not in refresh  # nobody knows whether there is one
    assert "<!doctype" not in refresh
    box = {"HX-Request": "true", "HX-Target": "worker-box"}
    assert "idle" in client.get(url, headers=box).content.decode()


def test_the_work_page_says_what_keeps_rows_waiting(client):
    dataset, message = make_dataset(), "The database did not answer (server closed)."
    for _ in range(2):
        make_video(dataset, stage="waiting", error=message)
    make_video(dataset, stage="waiting", not_before="2100-01-01T00:00Z", error="No bucket.")
    died = {"worker": "", "lease_until": "2100-01-01T00:00Z"}
    make_video(dataset, stage="running", error="Its worker died.", **died)
    make_video(dataset, stage="failed", error="It is no video.")
    assert (waits()[0].rows, waits()[0].message) == (2, message)
    client.force_login(make_user())
    page = client.get(reverse("workers:work")).content.decode()
    assert f"Standardise: 2 rows wait. {message}" in page
    assert "Standardise: 1 row waits until <time" in page
    assert "No bucket." in page
    assert "Its worker died." in page
    assert "It is no video." not in page


def test_the_pages_need_an_account(client):
    for page in ("work", "help", "password"):
        assert client.get(reverse(f"workers:{page}")).status_code == 302


def test_every_document_of_the_readme_is_a_help_page(client):
    client.force_login(make_user())
    index = client.get(reverse("workers:help")).content.decode()
    listed = [page.slug for page in developer_pages()]
    assert not {*listed} & {page.slug for page in guide_pages()}  # each has its own address
    assert listed == re.findall(r"^- \[docs/(\w+)\.md\]", README, re.MULTILINE)
    for slug in listed:
        url = reverse("workers:help-page", args=[slug])
        assert f'href="{url}"' in index
        text = client.get(url).content.decode()
        assert "<p>" in text.split("prose")[1]
        assert ' style="' not in text
        for target, heading in re.findall(r'href="\.\./([\w-]+)/(?:#([\w-]+))?"', text):
            linked = client.get(reverse("workers:help-page", args=[target]))
            assert linked.status_code == 200
            assert not heading or f'id="{heading}"' in linked.content.decode()


def test_every_decision_is_a_help_page_linked_by_another(client):
    client.force_login(make_user())
    home = client.get(reverse("workers:help-page", args=["development"])).content.decode()
    for path in (ROOT / "docs/decisions").glob("*.md"):
        assert f'href="../{path.stem}/"' in home
        page = client.get(reverse("workers:help-page", args=[path.stem])).content.decode()
        assert "<strong>Context.</strong>" in page
        for target, heading in re.findall(r'href="\.\./([\w-]+)/(?:#([\w-]+))?"', page):
            there = client.get(reverse("workers:help-page", args=[target])).content.decode()
            assert not heading or f'id="{heading}"' in there


@pytest.mark.parametrize("slug", ["nothing", "settings", "0099-nothing"])
def test_only_documents_are_help_pages(client, slug):
    client.force_login(make_user())
    assert client.get(reverse("workers:help-page", args=[slug])).status_code == 404


@pytest.fixture
def guide(settings, tmp_path):
    """Two pages of a guide, which link to each other and show an image."""
    settings.BASE_DIR = tmp_path
    folder = tmp_path / "docs" / "guide"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "upload-page.png").write_bytes(b"\x89PNG")
    (folder / "02-annotate.md").write_text(
        "# Annotate\n\nAssign tasks.\n\n[Back](01-upload.md)\n"
    )
    (folder / "01-upload.md").write_text(
        "# Upload\n\nUpload a zip.\n\n![The page](images/upload-page.png)\n\n"
        "See [tasks](02-annotate.md#tasks) and [the pipeline](../pipeline.md).\n"
    )
    return folder


def test_the_guide_comes_first_in_its_order(client, guide):
    client.force_login(make_user())
    assert [(page.slug, page.title, page.summary) for page in guide_pages()] == [
        ("upload", "Upload", "Upload a zip."),
        ("annotate", "Annotate", "Assign tasks."),
    ]
    index = client.get(reverse("workers:help")).content.decode()
    assert (
        index.index("/help/upload/") < index.index("/help/annotate/") < index.index("Develop")
    )


def test_a_page_of_the_guide_shows_its_images_and_leads_to_the_next(client, guide):
    client.force_login(make_user())
    page = client.get(reverse("workers:help-page", args=["upload"])).content.decode()
    assert 'src="../images/upload-page.png"' in page
    assert 'href="../annotate/#tasks"' in page
    assert 'href="../pipeline/"' in page
    assert "Next: Annotate" in page
    last = client.get(reverse("workers:help-page", args=["annotate"])).content.decode()
    assert 'href="../upload/"' in last
    assert "Next:" not in last
    image = client.get(reverse("workers:help-image", args=["upload-page.png"]))
    assert (image["Content-Type"], b"".join(image)) == ("image/png", b"\x89PNG")


@pytest.mark.parametrize("name", ["none.png", "secret-key", "..", "01-upload.md"])
def test_only_images_of_the_documents_are_served(client, guide, name):
    client.force_login(make_user())
    assert client.get(f"/help/images/{name}").status_code == 404
