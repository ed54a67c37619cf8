"""Importer of ELAN files."""

from annotation.importers.importer import Files, Importer, merged, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.elan import read_elan


def _fits(files: Files) -> bool:
    return bool(with_ending(files, ".eaf"))


def _read(files: Files) -> ImportedDocument:
    return merged([read_elan(one.content, name=one.stem) for one in with_ending(files, ".eaf")])


IMPORTER = Importer("elan", "ELAN", "One or more .eaf files.", _fits, _read)
