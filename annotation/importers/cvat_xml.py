"""Importer of CVAT XML: tasks, jobs and projects that were not made here."""

from annotation.importers.importer import Files, Importer, merged, with_ending
from datasets.core.formats.external.cvat import read_cvat_xml
from datasets.core.formats.external.document import ImportedDocument


def _fits(files: Files) -> bool:
    return any(b"<annotations" in file.content[:4096] for file in with_ending(files, ".xml"))


def _read(files: Files) -> ImportedDocument:
    found = with_ending(files, ".xml")
    return merged([read_cvat_xml(file.content, name=file.stem) for file in found])


IMPORTER = Importer(
    "cvat-xml", "CVAT XML",
    "CVAT for video 1.1 or CVAT for images 1.1, of a task, a job or a whole project.",
    _fits, _read,
)  # fmt: skip
