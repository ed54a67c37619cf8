"""Importer of MOTChallenge sequences, with identities."""

from annotation.importers.importer import Files, Importer, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.mot import is_mot, read_mot

_NAMES = ("gt.txt", "det.txt")
LABELS = "labels.txt"


def _fits(files: Files) -> bool:
    texts = with_ending(files, ".txt")
    if any(file.name in _NAMES for file in texts):
        return True
    rows = [file for file in texts if file.name != LABELS]
    return bool(rows) and all(is_mot(file.content) for file in rows)


def _read(files: Files) -> ImportedDocument:
    kept = with_ending(files, ".txt", ".ini")
    if any(file.name == "gt.txt" for file in kept):
        kept = [file for file in kept if file.name in ("gt.txt", "seqinfo.ini", LABELS)]
    return read_mot({file.path: file.content for file in kept}, name=kept[0].stem)


IMPORTER = Importer(
    "mot", "MOT", "gt.txt of a sequence, with seqinfo.ini; a zip may hold many.", _fits, _read
)
