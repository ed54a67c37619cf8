"""Checks of the documents of a release: card, methods, citation, settings.

Nothing here knows how the files were written.
"""

from collections.abc import Iterator
from typing import Any

from qc.core.json_shapes import CARD_HEADER, CROISSANT, misfit
from qc.core.release.checks.expectations import expect
from qc.core.release.docs.hub import header_of
from qc.core.release.plain_yaml import PlainYamlError, read_plain_yaml
from qc.core.release.reader import ReleaseReader
from qc.core.release.writer import DATASET_HEADER

Faults = Iterator[str]


def check_documents(release: ReleaseReader) -> str:
    """Card, methods, citation and settings are there and can be read."""

    def faults() -> Faults:
        for name in ("README.md", "card.html", "METHODS.md"):
            if not release.words(name).strip():
                yield f"{name} is empty"
        yield from _hub_faults(release)
        if "cff-version" not in release.yaml("CITATION.cff"):
            yield "CITATION.cff is not a citation"
        if not {"dataset", "release"} <= release.json("settings.json").keys():
            yield "settings.json has no settings of the dataset and the release"

    return expect(faults(), "Card, citation and settings are valid.")


def _hub_faults(release: ReleaseReader) -> Faults:
    """What a hub would not find: the tables that the card's header names."""
    try:
        header = read_plain_yaml(header_of(release.words("README.md")))
    except PlainYamlError as error:
        yield f"README.md has a header that cannot be read: {error}"
        return
    if fault := misfit(header, CARD_HEADER):
        yield f"README.md has a header that cannot be understood: {fault}"
        return
    for config in header.get("configs") or []:
        for table in config.get("data_files") or []:
            if table.get("path") not in release.sums():
                yield f"README.md names {table.get('path')}, which is not in the release"


def check_croissant(release: ReleaseReader) -> str:
    """`croissant.json` names files of the release by their sums, and columns that they have."""
    if "croissant.json" not in release.sums():
        return "This release was made before it had a croissant.json."
    content = release.shaped("croissant.json", CROISSANT)

    def faults() -> Faults:
        for key in ("@context", "name", "description", "conformsTo", "version", "creator"):
            if not content.get(key):
                yield f"croissant.json has no {key}"
        for one in content.get("distribution", []):
            path, digest = one.get("contentUrl"), one.get("sha256")
            if digest and release.sums().get(path) != digest:
                yield f"croissant.json has another sha256 of {path} than the manifest"
        for column in sorted(_columns(content) - set(DATASET_HEADER.split(","))):
            yield f"croissant.json has the column {column}, no csv has"

    return expect(faults(), "croissant.json describes the files that are here.")


def _columns(content: dict[str, Any]) -> set[str]:
    """The columns that the record sets of Croissant read."""
    return {
        str(its.get("source", {}).get("extract", {}).get("column"))
        for records in content.get("recordSet", [])
        for its in records.get("field", [])
    }
