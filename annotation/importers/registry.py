"""All importers, in the order in which files are tried."""

from django.utils.translation import gettext as _

from annotation.importers import (
    activitynet,
    ava,
    boris,
    coco,
    cvat_json,
    cvat_xml,
    elan,
    fiftyone,
    label_studio,
    mot,
    release,
    tubes,
    via,
)
from annotation.importers.importer import MAX_JSON, Files, Importer, json_of, with_ending
from datasets.core.formats.external.document import ImportFileError
from datasets.core.untrusted import UntrustedDataError, read_json

IMPORTERS: dict[str, Importer] = {
    one.name: one
    for one in (
        release.IMPORTER, elan.IMPORTER, cvat_json.IMPORTER, via.IMPORTER, coco.IMPORTER,
        label_studio.IMPORTER, boris.IMPORTER, activitynet.IMPORTER, fiftyone.IMPORTER,
        cvat_xml.IMPORTER, tubes.IMPORTER, ava.IMPORTER, mot.IMPORTER, release.PARQUET,
    )
}  # fmt: skip


def importer_of(files: Files, name: str = "") -> Importer:
    """The importer called `name`, or the first that the files fit. Raises ImportFileError."""
    if name:
        if name not in IMPORTERS:
            raise ImportFileError(
                _("there is no format %(name)s; there are %(importers)s")
                % {"name": name, "importers": ", ".join(IMPORTERS)}
            )
        return IMPORTERS[name]
    try:
        for importer in IMPORTERS.values():
            if importer.fits(files):
                return importer
    finally:
        json_of.cache_clear()
    for file in with_ending(files, ".json"):
        try:
            read_json(file.content, max_bytes=MAX_JSON)
        except UntrustedDataError as error:
            raise ImportFileError(f"{file.name}: {error}") from error
    shown = ", ".join(file.name for file in files[:3])
    raise ImportFileError(
        _("%(shown)s is of no format that can be imported: %(importers)s")
        % {"shown": shown, "importers": ", ".join(IMPORTERS)}
    )
