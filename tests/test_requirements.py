"""The lock of the tests holds that of the product, so that both can be installed together."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def pinned(path):
    return set(re.findall(r"^([A-Za-z0-9_.-]+==[^ \\;]+)", path.read_text(), re.MULTILINE))


def test_the_lock_of_the_tests_holds_that_of_the_product():
    product, tests = pinned(ROOT / "requirements.txt"), pinned(ROOT / "tests/requirements.txt")
    assert product
    assert product <= tests
    assert any(one.startswith("krippendorff==") for one in tests - product)
