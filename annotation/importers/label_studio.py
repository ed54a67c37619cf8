"""Importer of Label Studio exports."""

from annotation.importers.importer import Files, Importer, json_of, merged, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.label_studio import is_label_studio, read_label_studio


def _fits(files: Files) -> bool:
    return any(is_label_studio(json_of(file)) for file in with_ending(files, ".json"))


def _read(files: Files) -> ImportedDocument:
    found = [one for one in with_ending(files, ".json") if is_label_studio(json_of(one))]
    return merged([read_label_studio(file.content, name=file.stem) for file in found])


IMPORTER = Importer(
    "label-studio", "Label Studio", "The export as JSON or JSON-MIN.", _fits, _read
)
