"""Locks that can be installed together, and one version of the product."""

import re
import tomllib
from pathlib import Path

from avaproject import VERSION

ROOT = Path(__file__).parents[1]


def pinned(path):
    return set(re.findall(r"^([A-Za-z0-9_.-]+==[^ \\;]+)", path.read_text(), re.MULTILINE))


def test_the_lock_of_the_tests_holds_that_of_the_product():
    product, tests = pinned(ROOT / "requirements.txt"), pinned(ROOT / "tests/requirements.txt")
    assert product
    assert product <= tests
    assert any(one.startswith("krippendorff==") for one in tests - product)


def test_the_version_stands_once_and_the_changelog_knows_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    changes = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert "version" not in project
    assert project["dynamic"] == ["version"]
    assert VERSION in changes[:2]  # below what is not released yet
