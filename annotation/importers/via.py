"""Importer of VIA 3 projects, those of the AVA recipe among them."""

from annotation.importers.importer import Files, Importer, json_of, merged, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.via import is_via, read_via


def _fits(files: Files) -> bool:
    return any(is_via(json_of(file)) for file in with_ending(files, ".json"))


def _read(files: Files) -> ImportedDocument:
    found = [file for file in with_ending(files, ".json") if is_via(json_of(file))]
    return merged([read_via(file.content, name=file.stem) for file in found])


IMPORTER = Importer(
    "via", "VIA 3", "The project (JSON) of VIA 3, for images or videos.", _fits, _read
)
