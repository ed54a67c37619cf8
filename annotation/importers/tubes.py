"""Importer of action tubes (UCF101-24, MultiSports)."""

from annotation.importers.importer import Files, Importer, merged, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.tubes import read_tubes


def _fits(files: Files) -> bool:
    return any(b"gttubes" in file.content for file in with_ending(files, ".pkl"))


def _read(files: Files) -> ImportedDocument:
    return merged([read_tubes(file.content) for file in with_ending(files, ".pkl")])


IMPORTER = Importer("tubes", "Action tubes", "tubes.pkl of UCF101-24.", _fits, _read)
