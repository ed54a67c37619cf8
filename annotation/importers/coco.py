"""Importer of COCO and COCO-video."""

from annotation.importers.importer import Files, Importer, json_of, merged, with_ending
from datasets.core.formats.external.coco import is_coco, read_coco
from datasets.core.formats.external.document import ImportedDocument


def _fits(files: Files) -> bool:
    return any(is_coco(json_of(file)) for file in with_ending(files, ".json"))


def _read(files: Files) -> ImportedDocument:
    found = [file for file in with_ending(files, ".json") if is_coco(json_of(file))]
    return merged([read_coco(file.content, name=file.stem) for file in found])


IMPORTER = Importer(
    "coco", "COCO and COCO-video",
    "JSON with images or videos, boxes, and identities where there are some.", _fits, _read,
)  # fmt: skip
