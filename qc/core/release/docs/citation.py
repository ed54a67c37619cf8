"""`CITATION.cff` (version 1.2.0): how to name a release in a paper."""

import json
from collections.abc import Sequence


def citation(title: str, *, version: int, authors: Sequence[str], licence: str) -> str:
    """The text of the file; without authors, the dataset's annotators are named as one.

    >>> print(citation("shop", version=2, authors=["Ada Lovelace"], licence="CC-BY-4.0"))
    cff-version: 1.2.0
    message: "If you use this dataset, please cite it as below."
    type: dataset
    title: "shop"
    version: "2"
    license: CC-BY-4.0
    authors:
      - name: "Ada Lovelace"
    <BLANKLINE>
    """
    names = authors or [f"The annotators of {title}"]
    lines = [
        "cff-version: 1.2.0",
        'message: "If you use this dataset, please cite it as below."',
        "type: dataset",
        f"title: {json.dumps(title)}",
        f'version: "{version}"',
        *([f"license: {licence}"] if licence else []),
        "authors:",
        *(f"  - name: {json.dumps(name, ensure_ascii=False)}" for name in names),
    ]
    return "\n".join(lines) + "\n"
