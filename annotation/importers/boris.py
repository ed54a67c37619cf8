"""Importer of BORIS projects and tables of events."""

from annotation.importers.importer import Files, Importer, json_of, merged, with_ending
from datasets.core.formats.external.boris import (
    is_boris,
    is_boris_table,
    read_boris,
    read_boris_table,
)
from datasets.core.formats.external.document import ImportedDocument


def _fits(files: Files) -> bool:
    projects = with_ending(files, ".boris", ".json")
    found = with_ending(files, ".csv", ".tsv", ".txt")
    return any(is_boris(json_of(file)) for file in projects) or any(
        is_boris_table(file.content) for file in found
    )


def _read(files: Files) -> ImportedDocument:
    documents = [
        read_boris(file.content)
        for file in with_ending(files, ".boris", ".json")
        if is_boris(json_of(file))
    ]
    documents += [
        read_boris_table(file.content, name=file.stem)
        for file in with_ending(files, ".csv", ".tsv", ".txt")
        if is_boris_table(file.content)
    ]
    return merged(documents)


IMPORTER = Importer(
    "boris", "BORIS",
    "The project (.boris), or its tabular or aggregated events as CSV or TSV.", _fits, _read,
)  # fmt: skip
