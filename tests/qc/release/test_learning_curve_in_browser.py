"""The learning curve in a real browser: the newest figure is in sight on a telephone too."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from qc.models import Release
from qc.services.release.evaluations import record_evaluation
from tests import make
from tests.browser import CHROMIUM, chromium_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's package chromium"),
]
# Points beyond what is seen of the chart, and the height of a figure of its axes in pixels.
SEEN = """() => {
    const place = document.querySelector("#learning-curve .tw").getBoundingClientRect();
    const points = [...document.querySelectorAll(".learning circle")];
    return {points: points.length,
        hidden: points.filter((one) => one.getBoundingClientRect().right > place.right).length,
        text: document.querySelector(".learning text").getBoundingClientRect().height}}"""


@pytest.mark.parametrize("width", [390, 1440, 2560])
def test_every_point_is_in_sight_and_figures_can_be_read(live_server, monkeypatch, width):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    dataset = make.make_dataset("corner")
    for number, keyframes in ((1, 1800), (2, 14000)):
        release = Release.objects.create(
            dataset=dataset, number=number, stage="done",
            counts={"splits": {"train": {"keyframes": keyframes}}},
        )  # fmt: skip
        record_evaluation(release, model="r3d", mean_ap=0.2 * number)
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    with chromium_page() as page:
        cookie = client.cookies["sessionid"].value
        page.context.add_cookies(
            [{"name": "sessionid", "value": cookie, "url": live_server.url}]
        )
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(live_server.url + reverse("qc:releases", args=["corner"]))
        seen = page.evaluate(SEEN)
    assert (seen["points"], seen["hidden"]) == (2, 0)
    assert seen["text"] >= 9
