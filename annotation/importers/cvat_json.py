"""Importer of CVAT backups of tasks and projects, and of the JSON of a job."""

from annotation.importers.importer import Files, Importer, json_of, with_ending
from datasets.core.formats.external.cvat import is_cvat_json, read_cvat_json
from datasets.core.formats.external.document import ImportedDocument

BACKUP = ("annotations.json", "task.json", "project.json", "manifest.jsonl")


def _fits(files: Files) -> bool:
    found = with_ending(files, ".json")
    if any(file.name == "task.json" for file in found):
        return True
    return len(found) == 1 and is_cvat_json(json_of(found[0]))


def _read(files: Files) -> ImportedDocument:
    found = with_ending(files, ".json", ".jsonl")
    kept = [file for file in found if file.name in BACKUP] or found
    name = found[0].stem if len(found) == 1 else ""
    return read_cvat_json({file.path: file.content for file in kept}, name=name)


IMPORTER = Importer(
    "cvat-json", "CVAT backup or JSON",
    "The backup of a task or project, or the annotations of a job as JSON.", _fits, _read,
)  # fmt: skip
