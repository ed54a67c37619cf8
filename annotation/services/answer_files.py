"""Answer files: CVAT exports in a folder, in zips, and in zips of zips, and their tasks.

A file belongs to the task that it, a folder or a zip around it is named after, else to the task
whose name CVAT wrote inside, else to the one whose persons are where its own are. What a file
manager adds when it zips (`__MACOSX`, a folder level, capital letters in the ending) changes
nothing. The export of a whole project is taken apart into its tasks; those that still are as
they were sent count as unchanged.
"""

import shutil
import tempfile
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from annotation.models import AnnotationTask
from annotation.services.answer_fit import AnswersError
from annotation.services.answer_matching import task_by_content
from annotation.services.answer_rows import xml_document
from annotation.services.answers import MAX_SIZE, receive_answers
from annotation.services.packages import PackageError, task_document
from datasets.accounts.activity import record
from datasets.core.formats.cvat_json import fingerprint
from datasets.core.formats.cvat_labels import LabelsError
from datasets.core.formats.cvat_project import is_project_export, task_exports
from datasets.core.formats.cvat_xml import CvatXmlError, load
from datasets.core.zip_reader import ZIP_ERRORS
from datasets.models import Dataset
from tracking.core.tracks_file import TracksFileError

MAX_ZIP_SIZE = 4 << 30  # bytes of a zip in a zip
MAX_ENTRIES = 20_000
MAX_DEPTH = 3  # zips in zips
FILE_NAMES = gettext_noop(
    "an answer file is named <clip>--<annotator>.xml or .zip, is CVAT's export of a task of "
    "that name, or of a job whose persons are those of one clip"
)


class Refusal(NamedTuple):
    file: str
    reason: str


@dataclass
class Imported:
    """The outcome of importing the files in a folder."""

    received: int = 0
    unchanged: int = 0  # say the same as the newest version, or still the package
    refused: list[Refusal] = field(default_factory=list)


class FoundFile(NamedTuple):
    """One answer file, or what is wrong with it."""

    shown: str  # its path for people, through all zips
    names: tuple[str, ...]  # what it and all around it are called, the innermost first
    content: bytes | None  # None for a package that was not replaced by an export
    error: str = ""
    is_of_project: bool = False  # one task of the export of a whole project


def import_answers(dataset: Dataset, folder: Path) -> Imported:
    """Import every answer file in `folder`; refused files are listed with a reason.

    Subfolders and hidden files are ignored.
    """
    tasks = {
        str(task): task
        for task in AnnotationTask.objects.of(dataset).select_related(
            "clip__video__dataset", "annotator"
        )
    }
    named = [_task_name(dataset, found, tasks) for found in find_answer_files(folder)]
    files_of = Counter(name for name, _ in named)
    imported = Imported()
    # Read a second time rather than keep hundreds of files in memory.
    for found, (name, reason) in zip(find_answer_files(folder), named, strict=True):
        try:
            if found.error or reason:
                raise AnswersError(found.error or reason)
            if name not in tasks:
                raise AnswersError(
                    _("no task of this dataset is called %(name)s; %(hint)s")
                    % {"name": name, "hint": _(FILE_NAMES)}
                )
            if files_of[name] > 1:
                raise AnswersError(_("there are two files for this task; remove one of them"))
            content = found.content
            if content is None or (found.is_of_project and _is_as_sent(tasks[name], content)):
                imported.unchanged += 1
                continue
            version = receive_answers(tasks[name], content)
        except AnswersError as error:
            imported.refused.append(Refusal(found.shown, str(error)))
        else:
            imported.received += version is not None
            imported.unchanged += version is None
    _record(dataset, imported)
    return imported


def _record(dataset: Dataset, imported: Imported) -> None:
    if imported.received:
        noun = "file" if imported.received == 1 else "files"
        record("import answers", f"{imported.received} {noun}", dataset=dataset)


def find_answer_files(folder: Path) -> Iterator[FoundFile]:
    """The answer files in `folder` and in the zips there, by name."""
    for path in sorted(folder.iterdir()):
        shown, names = path.name, _names(path.name)
        if not path.is_file() or _is_hidden(shown):
            continue
        with path.open("rb") as file:
            if path.suffix.lower() == ".xml":
                yield from _xml_files(file, shown, names)
            elif path.suffix.lower() == ".zip":
                yield from _in_zip(file, shown, names, depth=1)
            else:
                yield FoundFile(
                    shown,
                    names,
                    None,
                    _("it is neither XML nor zip; %(hint)s") % {"hint": _(FILE_NAMES)},
                )


def _in_zip(
    file: BinaryIO, shown: str, around: tuple[str, ...], *, depth: int
) -> Iterator[FoundFile]:
    """The answer files in a zip; one with an error if it has none."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [one for one in archive.infolist() if not _is_hidden(one.filename)]
            packages = {_parent(one) for one in entries if _leaf(one) == "labels.json"}
            wanted = [
                one
                for one in entries
                if _suffix(one) in (".xml", ".zip") and _parent(one) not in packages
            ]
            _check_entries(wanted, packages)
            for package in sorted(packages):
                names = (*_names(f"{package}/labels"), *around)
                yield FoundFile(f"{shown}/{package}".rstrip("/"), names, None)
            for entry in wanted:
                is_only = len(wanted) == 1 and _leaf(entry) == "annotations.xml"
                inside = shown if is_only else f"{shown}/{entry.filename}"
                names = (*_names(entry.filename), *around)
                with archive.open(entry) as opened:
                    yield from _entry_files(opened, entry, inside, names, depth)
    except AnswersError as error:
        yield FoundFile(shown, around, None, str(error))
    except (*ZIP_ERRORS, OSError) as error:  # damaged bzip2 is an OSError
        yield FoundFile(
            shown, around, None, _("the zip cannot be opened: %(error)s") % {"error": error}
        )


def _check_entries(wanted: Sequence[zipfile.ZipInfo], packages: Collection[str]) -> None:
    if len(wanted) > MAX_ENTRIES:
        raise AnswersError(
            _("the zip has more than %(most)s answer files") % {"most": MAX_ENTRIES}
        )
    if not wanted and not packages:
        raise AnswersError(
            _(
                "there is no annotations.xml in it: export the task from CVAT as "
                '"CVAT for video 1.1"'
            )
        )


def _entry_files(
    opened: IO[bytes], entry: zipfile.ZipInfo, shown: str, names: tuple[str, ...], depth: int
) -> Iterator[FoundFile]:
    if _suffix(entry) == ".xml":
        yield from _xml_files(opened, shown, names)
    elif depth == MAX_DEPTH or entry.file_size > MAX_ZIP_SIZE:
        yield FoundFile(shown, names, None, _("the zip is too large, or too deep in others"))
    else:
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(opened, copy)
            yield from _in_zip(copy, shown, names, depth=depth + 1)


def _xml_files(file: IO[bytes], shown: str, names: tuple[str, ...]) -> Iterator[FoundFile]:
    """The XML of a task, or that of each task of a project."""
    if not is_project_export(file):
        yield FoundFile(shown, names, file.read(MAX_SIZE + 1))
        return
    try:
        for name, content in task_exports(file):
            own = unicodedata.normalize("NFC", name)
            yield FoundFile(f"{shown}: {name}", (own,), content, is_of_project=True)
    except CvatXmlError as error:
        yield FoundFile(shown, names, None, str(error))


def _is_as_sent(task: AnnotationTask, content: bytes) -> bool:
    """Whether the answers are still the pre-annotation: the task was not started."""
    try:
        return fingerprint(xml_document(task, content)) == fingerprint(task_document(task))
    except (CvatXmlError, PackageError, LabelsError, TracksFileError):
        return False


def _task_name(
    dataset: Dataset, found: FoundFile, tasks: Mapping[str, AnnotationTask]
) -> tuple[str, str]:
    """The task a file belongs to, or what the file is called; and why none was chosen."""
    for name in found.names:
        if name in tasks:
            return name, ""
    own = [name for name in found.names if name not in ("annotations", "labels")]
    called = (own or [found.shown])[0]
    try:
        document = load(found.content or b"")
        if document.task_name in tasks:
            return document.task_name, ""
        task = None
        if not document.task_name:  # another name is that of a task elsewhere
            task = task_by_content(dataset, tasks, document, found.names)
    except CvatXmlError:
        return called, ""
    except AnswersError as error:
        return called, str(error)
    return str(task or called), ""


def _names(path: str) -> tuple[str, ...]:
    """What a file and the folders around it are called, without endings, innermost first.

    Some file systems decompose accented letters.

    >>> _names("back/hall-c0000--ann/annotations.xml")
    ('annotations', 'hall-c0000--ann', 'back')
    """
    parts = PurePosixPath(unicodedata.normalize("NFC", path)).parts
    return (PurePosixPath(parts[-1]).stem, *reversed(parts[:-1]))


def _is_hidden(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return path.endswith("/") or any(one[0] == "." or one == "__MACOSX" for one in parts)


def _suffix(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).suffix.lower()


def _leaf(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).name.lower()


def _parent(entry: zipfile.ZipInfo) -> str:
    parent = PurePosixPath(entry.filename).parent.as_posix()
    return "" if parent == "." else parent
