"""Importer of FiftyOne video labels, as releases have them."""

from annotation.importers.importer import Files, Importer, json_of, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.release_formats import read_fiftyone


def _fits(files: Files) -> bool:
    return any(
        isinstance(value, dict) and isinstance(value.get("frames"), dict)
        for value in map(json_of, with_ending(files, ".json")[:5])
    )


def _read(files: Files) -> ImportedDocument:
    return read_fiftyone({file.path: file.content for file in with_ending(files, ".json")})


IMPORTER = Importer(
    "fiftyone", "FiftyOne", "A folder of FiftyOneVideoLabelsDataset, as a zip.", _fits, _read
)
