"""`CITATION.cff` (version 1.2.0): how to name a release in a paper."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

KEYWORDS = ("spatio-temporal action localisation", "video", "AVA")


@dataclass(frozen=True)
class CitationFacts:
    """What a citation says.

    Attributes:
        version: Semantic version.
        authors: Names, in their order.
        licence: SPDX identifier; empty if nothing was said.
        released: Day of the release, `2026-01-31`; empty leaves it out.
        abstract: One paragraph; empty leaves it out.
        doi: Such as 10.5281/zenodo.1234; empty leaves it out.
    """

    title: str
    version: str
    authors: Sequence[str]
    licence: str = ""
    released: str = ""
    abstract: str = ""
    keywords: Sequence[str] = KEYWORDS
    doi: str = ""


def citation(facts: CitationFacts) -> str:
    """The text of the file; without authors, the dataset's annotators are named as one.

    >>> print(citation(CitationFacts("shop", "1.2.0", ["Ada Lovelace"], "CC-BY-4.0",
    ...     "2026-01-31", keywords=["video"], doi="10.5281/zenodo.1")))
    cff-version: 1.2.0
    message: "If you use this dataset, please cite it as below."
    type: dataset
    title: "shop"
    version: "1.2.0"
    date-released: "2026-01-31"
    doi: "10.5281/zenodo.1"
    license: CC-BY-4.0
    keywords:
      - "video"
    authors:
      - name: "Ada Lovelace"
    <BLANKLINE>
    """
    names = facts.authors or [f"The annotators of {facts.title}"]
    keywords = [f"  - {_text(word)}" for word in facts.keywords]
    lines = [
        "cff-version: 1.2.0",
        'message: "If you use this dataset, please cite it as below."',
        "type: dataset",
        f"title: {_text(facts.title)}",
        f'version: "{facts.version}"',
        *([f'date-released: "{facts.released}"'] if facts.released else []),
        *([f"doi: {_text(facts.doi)}"] if facts.doi else []),
        *([f"license: {facts.licence}"] if facts.licence else []),
        *([f"abstract: {_text(' '.join(facts.abstract.split()))}"] if facts.abstract else []),
        *(["keywords:", *keywords] if keywords else []),
        "authors:",
        *(f"  - name: {_text(name)}" for name in names),
    ]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
