"""The files of an import: one, a zip, or a folder of them, bounded before they are read.

Only files that an importer may want are read; images and videos are passed over. Names inside a
zip are never used as paths.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from django.utils.translation import gettext as _

from datasets.core.formats.external.document import ImportFileError
from datasets.core.sizes import size_text
from datasets.core.zip_reader import ZIP_ERRORS

ENDINGS = (
    ".csv", ".tsv", ".txt", ".xml", ".json", ".jsonl", ".pbtxt", ".pkl", ".ini", ".eaf",
    ".boris", ".parquet",
)  # fmt: skip
MAX_FILE = 512 << 20  # bytes, unpacked
MAX_TOTAL = 1 << 30
MAX_FILES = 20_000
MAX_DEPTH = 8


class SourceFile(NamedTuple):
    """One file by its path in the zip or folder, `/` between the parts."""

    path: str
    content: bytes

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def ending(self) -> str:
        return PurePosixPath(self.path).suffix.lower()


def read_files(path: Path, name: str = "") -> list[SourceFile]:
    """The files at `path`, by path. Raises ImportFileError if there are none, or too many.

    Args:
        name: What the file is called, if not like `path`.
    """
    if path.is_dir():
        found = list(_bounded(_in_folder(path)))
    elif zipfile.is_zipfile(path):
        found = list(_bounded(_in_zip(path)))
    else:
        found = list(_bounded(iter([_single(path, name or path.name)])))
    if not found:
        raise ImportFileError(
            _("there is no file of annotations in it; known are %(endings)s")
            % {"endings": ", ".join(ENDINGS)}
        )
    return sorted(found)


def _bounded(files: Iterator[SourceFile]) -> Iterator[SourceFile]:
    total = 0
    for count, file in enumerate(files, start=1):
        total += len(file.content)
        if count > MAX_FILES or total > MAX_TOTAL:
            raise ImportFileError(
                _("it has more than %(max_files)s files, or %(max_total)s of them; split it")
                % {"max_files": MAX_FILES, "max_total": size_text(MAX_TOTAL)}
            )
        yield file


def _single(path: Path, name: str) -> SourceFile:
    with path.open("rb") as file:
        content = file.read(MAX_FILE + 1)
    return SourceFile(name, _checked(name, content))


def _checked(name: str, content: bytes) -> bytes:
    if len(content) > MAX_FILE:
        raise ImportFileError(
            _("%(name)s has more than %(max_file)s")
            % {"name": name, "max_file": size_text(MAX_FILE)}
        )
    return content


def _in_folder(folder: Path) -> Iterator[SourceFile]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        is_wanted = path.suffix.lower() in ENDINGS and len(inside.parts) <= MAX_DEPTH
        if is_wanted and path.is_file() and not _is_hidden(inside.as_posix()):
            yield _single(path, inside.as_posix())


def _in_zip(path: Path) -> Iterator[SourceFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > 50 * MAX_FILES:
                raise ImportFileError(
                    _("the zip has %(count)s entries, which is too many")
                    % {"count": len(entries)}
                )
            for entry in _wanted(entries):
                with archive.open(entry) as file:
                    content = file.read(MAX_FILE + 1)
                yield SourceFile(entry.filename, _checked(entry.filename, content))
    except (*ZIP_ERRORS, OSError, NotImplementedError) as error:
        raise ImportFileError(
            _("the zip cannot be read: %(error)s") % {"error": error}
        ) from error


def _wanted(entries: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    return [
        one
        for one in entries
        if PurePosixPath(one.filename).suffix.lower() in ENDINGS
        and not one.is_dir()
        and not _is_hidden(one.filename)
    ]


def _is_hidden(path: str) -> bool:
    return any(part[:1] == "." or part == "__MACOSX" for part in PurePosixPath(path).parts)
