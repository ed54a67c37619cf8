import pytest
from django.urls import reverse

from tests.make import make_dataset, make_user, make_video
from workers.selectors import queues, steps

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
    assert client.get(reverse("workers:work")).status_code == 302
