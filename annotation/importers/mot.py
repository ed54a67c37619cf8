"""Importer of MOTChallenge sequences, with identities."""

import re

from annotation.importers.importer import Files, Importer, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.mot import read_mot

_ROW = re.compile(rb"\s*\d+(?:\.0+)?\s*[, ]\s*-?\d+(?:\.0+)?\s*[, ]\s*-?[\d.]+\s*[, ]")
_NAMES = ("gt.txt", "det.txt")


def _fits(files: Files) -> bool:
    texts = with_ending(files, ".txt")
    if any(file.name in _NAMES for file in texts):
        return True
    return len(texts) == 1 and _ROW.match(texts[0].content[:200]) is not None


def _read(files: Files) -> ImportedDocument:
    kept = with_ending(files, ".txt", ".ini")
    if any(file.name == "gt.txt" for file in kept):
        kept = [file for file in kept if file.name in ("gt.txt", "seqinfo.ini", "labels.txt")]
    return read_mot({file.path: file.content for file in kept}, name=kept[0].stem)


IMPORTER = Importer(
    "mot", "MOT", "gt.txt of a sequence, with seqinfo.ini; a zip may hold many.", _fits, _read
)
