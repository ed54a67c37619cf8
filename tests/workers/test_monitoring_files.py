import json
import re
from pathlib import Path

import pytest
import yaml

from workers.monitoring.metrics import exposition

DOCS = Path(__file__).resolve().parents[2] / "docs"
NAME = re.compile(r"\bava_\w+")


@pytest.fixture
def exposed(db) -> set[str]:
    kinds = re.findall(r"^# TYPE (\w+) ", exposition().decode(), re.MULTILINE)
    return set(kinds)


def test_the_dashboard_shows_metrics_that_exist(exposed):
    panels = json.loads((DOCS / "monitoring/dashboard.json").read_text())["panels"]
    shown = {
        name
        for panel in panels
        for one in panel["targets"]
        for name in NAME.findall(one["expr"])
    }
    assert shown <= exposed
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_the_alerts_ask_for_metrics_that_exist(exposed):
    [group] = yaml.safe_load((DOCS / "monitoring/alerts.yml").read_text())["groups"]
    for rule in group["rules"]:
        assert set(NAME.findall(rule["expr"])) <= exposed, rule["alert"]
        assert rule["annotations"]["summary"].endswith((".", "?"))


def test_the_page_explains_every_metric(exposed):
    text = (DOCS / "monitoring.md").read_text()
    assert exposed == set(re.findall(r"`(ava_\w+)", text))
