"""What every importer is: a format by name, how it is recognised, and how it is read."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from annotation.importers.source_files import SourceFile
from datasets.core.formats.external.document import ImportedDocument
from datasets.core.untrusted import UntrustedDataError, read_json

MAX_JSON = 512 << 20

Files = Sequence[SourceFile]


class Importer(NamedTuple):
    """One format that can be imported.

    `fits` says whether files are of it, by their names and beginnings; `read` raises
    ImportFileError.
    """

    name: str
    title: str
    what: str  # one sentence for the page: which files to choose
    fits: Callable[[Files], bool]
    read: Callable[[Files], ImportedDocument]


def with_ending(files: Files, *endings: str) -> list[SourceFile]:
    return [file for file in files if file.ending in endings]


@lru_cache(maxsize=4)  # several importers look at the same file
def json_of(file: SourceFile) -> Any:
    """The value of a JSON file; None if it is none."""
    try:
        return read_json(file.content, max_bytes=MAX_JSON)
    except UntrustedDataError:
        return None


def merged(documents: Sequence[ImportedDocument]) -> ImportedDocument:
    """Several documents of one format as one; videos of one name stay apart."""
    if len(documents) == 1:
        return documents[0]
    return ImportedDocument(
        tuple(video for one in documents for video in one.videos),
        tuple(text for one in documents for text in one.left_out),
        any(one.is_complete for one in documents),
        any(one.is_release for one in documents),
        all(one.is_of_persons for one in documents),
    )
