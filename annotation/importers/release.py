"""Importer of whole releases made here, by their manifest, and of their Parquet files."""

from annotation.importers import ava
from annotation.importers.importer import Files, Importer, json_of, with_ending
from datasets.core.formats.external.ava_rows import read_ava
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.release_formats import read_parquet

FORMAT = "ava-studio-release"
UNLABELLED = "unlabelled_boxes.csv"


def _has_manifest(files: Files) -> bool:
    manifests = [file for file in files if file.name == "manifest.json"]
    contents = [json_of(file) for file in manifests]
    return any(
        isinstance(one, dict) and str(one.get("format", "")).startswith(FORMAT)
        for one in contents
    )


def _fits(files: Files) -> bool:
    return _has_manifest(files) and bool(ava.tables(files))


def _read(files: Files) -> ImportedDocument:
    """Labels and persons without one; the further formats in a release say the same again."""
    found = ava.tables(files)
    found |= {file.path: file.content for file in files if file.name == UNLABELLED}
    return read_ava(
        found, names=ava.action_names(files), is_release=True, classes=ava.classes(files)
    )


def _fits_parquet(files: Files) -> bool:
    return bool(with_ending(files, ".parquet"))


def _read_parquet(files: Files) -> ImportedDocument:
    found = with_ending(files, ".parquet")
    return read_parquet({one.path: one.content for one in found if one.stem != "provenance"})


IMPORTER = Importer(
    "release", "Release of AVA Studio",
    "The zip of a release, or its folder without frames and clips.", _fits, _read,
)  # fmt: skip
PARQUET = Importer(
    "parquet", "Parquet of a release", "train.parquet and val.parquet of formats/parquet.",
    _fits_parquet, _read_parquet,
)  # fmt: skip
