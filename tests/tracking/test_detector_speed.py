"""How fast detectors are is measured once, and shown beside their choice."""

from itertools import count

import pytest
from django.urls import reverse

from tests.make import make_user
from tracking.core.boxes import no_detections
from tracking.services.detector_speed import detector_speeds, measure_detectors
from workers.management.commands.up import programs


class Stand:
    """A detector that takes two seconds for a batch of four frames, by a clock of its own."""

    batch_size = 4

    def __init__(self) -> None:
        self.about = {}

    def detect(self, frames):
        assert frames[0].shape == (720, 1280, 3)
        return [no_detections() for _ in frames]


def measure():
    ticks = count(step=2)
    return measure_detectors(lambda name: Stand(), lambda: float(next(ticks)))


@pytest.mark.django_db
def test_the_page_shows_hours_once_they_are_measured(client):
    client.force_login(make_user())
    page = reverse("tracking:speeds")
    assert "detector-speeds" not in client.get(page).content.decode()
    assert measure() == {"rfdetr-nano": 0.5, "rfdetr-medium": 0.5, "rfdetr-large": 0.5}
    shown = client.get(page).content.decode()
    assert "<b>Balanced</b>: 15.0 h" in shown
    assert page in client.get(reverse("datasets:new")).content.decode()


def test_another_device_is_measured_anew(settings, own_files):
    measure()
    settings.DEVICE = "mps"
    assert detector_speeds() == {}


def test_a_broken_file_is_as_none(own_files):
    (own_files / "detector-speeds.json").write_text("[")
    assert detector_speeds() == {}


def test_up_measures_once_and_only_if_it_may(settings, own_files):
    def names():
        return [one.name for one in programs("127.0.0.1", 8000, workers=1)]

    settings.MEASURE_DETECTORS = True
    assert names() == ["web", "detector", "worker", "measurement"]
    settings.MEASURE_DETECTORS = False
    assert "measurement" not in names()
    settings.MEASURE_DETECTORS = True
    measure()
    assert "measurement" not in names()
