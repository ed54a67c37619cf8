"""Sizes in sentences: the same units as on pages, and the largest that fits."""

import pytest

from avaproject.base.template_tags import size
from datasets.core.sizes import size_text


@pytest.mark.parametrize(
    "count", [0, 1, 999, 1024, 1300, 999_999, 40_000_000, 3 << 30, 7 << 40]
)
def test_a_sentence_has_the_size_that_a_page_has(count):
    on_page = size(count).replace("\xa0", " ")
    assert on_page.replace(".0 ", " ") == size_text(count)


def test_a_size_that_rounds_up_takes_the_next_unit():
    assert [size_text((1 << power) - 1) for power in (20, 30)] == ["1 MB", "1 GB"]
