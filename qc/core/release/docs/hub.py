"""The header of `README.md` that the Hugging Face Hub reads, and how it finds the tables.

Format: https://huggingface.co/docs/hub/datasets-cards. The viewer shows the Parquet files of
`formats/parquet/`, if a release has them.
"""

import json
from collections.abc import Sequence

from qc.core.release.packing import NO_LICENCE

SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"),
         (1_000_000, "100K<n<1M"))  # fmt: skip


def hub_header(
    title: str, *, licence: str, labels: int, splits: Sequence[str], has_tables: bool,
    keywords: Sequence[str],
) -> str:  # fmt: skip
    """The header, with the lines of dashes around it.

    Args:
        licence: SPDX identifier, `NO_LICENCE`, or empty if nothing was said.
        labels: Rows of all splits.
        splits: Of train, val and test.
        has_tables: Whether `formats/parquet/` is in the release.

    >>> print(hub_header("shop", licence="CC-BY-4.0", labels=7, splits=["train"],
    ...                  has_tables=True, keywords=["video"]))
    ---
    pretty_name: "shop"
    license: cc-by-4.0
    task_categories:
      - "video-classification"
      - "object-detection"
    tags:
      - "video"
    size_categories:
      - "n<1K"
    configs:
      - config_name: "default"
        data_files:
          - split: "train"
            path: "formats/parquet/train.parquet"
    ---
    <BLANKLINE>
    """
    size = next((name for most, name in SIZES if labels < most), "1M<n<10M")
    tables = [
        line
        for split in splits
        for line in (
            f'      - split: "{SPLIT_NAMES[split]}"',
            f'        path: "formats/parquet/{split}.parquet"',
        )
    ]
    lines = [
        "---",
        f"pretty_name: {json.dumps(title, ensure_ascii=False)}",
        f"license: {'other' if licence == NO_LICENCE else licence.lower() or 'unknown'}",
        *_list("task_categories", ["video-classification", "object-detection"]),
        *_list("tags", keywords),
        *_list("size_categories", [size]),
    ]
    if has_tables:
        lines += ["configs:", '  - config_name: "default"', "    data_files:", *tables]
    return "\n".join([*lines, "---", ""])


def _list(key: str, values: Sequence[str]) -> list[str]:
    items = [f"  - {json.dumps(value, ensure_ascii=False)}" for value in values]
    return [f"{key}:", *items] if items else []


def header_of(text: str) -> str:
    """The YAML of a card's header; empty if it has none.

    >>> header_of("---\\na: 1\\n---\\n# Shop\\n")
    'a: 1\\n'
    """
    return text[4:].partition("\n---\n")[0] + "\n" if text.startswith("---\n") else ""
