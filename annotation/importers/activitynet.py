"""Importer of temporal segments in the form of ActivityNet."""

from annotation.importers.importer import Files, Importer, json_of, merged, with_ending
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.formats.external.release_formats import is_activitynet, read_activitynet


def _fits(files: Files) -> bool:
    return any(is_activitynet(json_of(file)) for file in with_ending(files, ".json"))


def _read(files: Files) -> ImportedDocument:
    found = [one for one in with_ending(files, ".json") if is_activitynet(json_of(one))]
    return merged([read_activitynet(file.content) for file in found])


IMPORTER = Importer(
    "activitynet", "ActivityNet", "activity_net.json: segments of whole videos.", _fits, _read
)
