import re
from pathlib import Path

import pytest
from django.urls import reverse

from tests.make import make_dataset, make_user, make_video
from workers.help import help_pages
from workers.selectors import queues, steps

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()

pytestmark = pytest.mark.django_db


def test_the_queues_add_up_their_steps():
    dataset = make_dataset()
    make_video(dataset, stage="waiting")
    make_video(dataset, stage="running")
    gpu, cpu = queues(steps())
    assert (gpu.sentence, cpu.sentence) == ("idle", "1 running · 1 waiting")


def test_the_page_its_refresh_and_the_box_of_the_sidebar(client):
    client.force_login(make_user())
    url = reverse("workers:work")
    assert "<!doctype html>" in client.get(url).content.decode()
    refresh = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Standardise" in refresh
    assert "<!doctype" not in refresh
    box = {"HX-Request": "true", "HX-Target": "worker-box"}
    assert "idle" in client.get(url, headers=box).content.decode()


def test_it_is_not_for_everybody(client):
    for page in ("work", "help", "password"):
        assert client.get(reverse(f"workers:{page}")).status_code == 302


def test_every_document_of_the_readme_is_a_page_of_help(client):
    client.force_login(make_user())
    index = client.get(reverse("workers:help")).content.decode()
    listed = [page.slug for page in help_pages()]
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


def test_every_decision_is_a_page_to_which_another_leads(client):
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
def test_only_documents_are_pages_of_help(client, slug):
    client.force_login(make_user())
    assert client.get(reverse("workers:help-page", args=[slug])).status_code == 404
