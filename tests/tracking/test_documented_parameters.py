"""What docs/tracking.md prints is what a new dataset is tracked with, and what was chosen."""

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from datasets.models import Dataset
from tracking.services.tracking_configs import tracker_parameters

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([a-z_.]+)` \| ([0-9.]+) \|", re.MULTILINE)
CHOSEN = ROOT / "benchmarks" / "tracking_baselines" / "mot_search.json"


def parameters():
    found = {}
    for name, value in asdict(tracker_parameters(Dataset())).items():
        inner = value if isinstance(value, dict) else {"": value}
        found |= {f"{name}.{key}".rstrip("."): one for key, one in inner.items()}
    return found


def test_the_printed_parameters_are_those_of_a_new_dataset():
    section = (ROOT / "docs" / "tracking.md").read_text().partition("\n## Parameters\n")[2]
    printed = ROW.findall(section.partition("\n## ")[0])
    assert {name: float(value) for name, value in printed} == pytest.approx(parameters())


def test_what_the_search_chose_is_what_a_new_dataset_runs():
    chosen, runs = json.loads(CHOSEN.read_text())["all"], parameters()
    assert chosen == pytest.approx({name: runs[name] for name in chosen})
