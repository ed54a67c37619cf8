"""MOTChallenge: `gt.txt` with identities, `seqinfo.ini` with rate and size, if it is there.

A row is `frame,id,left,top,width,height[,conf,class,visibility]`, frames from 1, or from 0 if
there is a frame 0; names of the columns may stand above. Rows with a conf of 0 are not to be
counted (MOT16 and later), and are left out. `labels.txt` beside it, as CVAT writes it, names
the classes. MOT has no place for actions.
"""

import configparser
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from datasets.core.formats.external.document import (
    Builder,
    ImportedBox,
    ImportedDocument,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    VideoBuilder,
    columns,
    number,
    text_of,
)

MAX_LINE = 400  # characters of a row that are read
SEQUENCE_FILES = ("gt", "det")  # of one sequence; a file called otherwise is called like it
CLASSES = {  # of MOT16 and later
    1: "pedestrian", 2: "person on vehicle", 3: "car", 4: "bicycle", 5: "motorbike",
    6: "non motorized vehicle", 7: "static person", 8: "distractor", 9: "occluder",
    10: "occluder on the ground", 11: "occluder full", 12: "reflection",
}  # fmt: skip


def is_mot(content: bytes) -> bool:
    """Whether the first row is that of a box, with a whole frame and id."""
    head = content[: 4 * MAX_LINE].decode("utf-8-sig", "replace")
    try:
        _, words = next(mot_rows(head))
        return all(number(word, "") % 1 == 0 for word in words[:2])
    except (ImportFileError, StopIteration):
        return False


def mot_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row of a box with its line, from 1. Raises ImportFileError."""
    is_begun = False
    for row, line in enumerate(text.splitlines(), start=1):
        words = columns(line[:MAX_LINE].rstrip(" ,;\t"))
        if not any(words):
            continue
        is_header, is_begun = not is_begun and not _is_number(words[0]), True
        if len(words) < 6:
            raise ImportFileError(
                f"row {row} is not frame,id,left,top,width,height,...: {line[:60]!r}"
            )
        if is_header:
            continue
        yield row, words


def read_mot(files: Mapping[str, bytes], *, name: str = "") -> ImportedDocument:
    """The people of every sequence in `files`, by path. Raises ImportFileError.

    Args:
        files: `.../<sequence>/gt/gt.txt` with `<sequence>/seqinfo.ini`, or a single text.
        name: What a text without a folder is called.
    """
    builder = Builder()
    for path, content in files.items():
        if path.endswith(".txt") and PurePosixPath(path).name != "labels.txt":
            _read_sequence(builder, path, content, files, name)
    return builder.document()


def _read_sequence(
    builder: Builder, path: str, content: bytes, files: Mapping[str, bytes], name: str
) -> None:
    folders = PurePosixPath(path).parent
    above = folders.parent if folders.name in SEQUENCE_FILES else folders
    is_of_folder = PurePosixPath(path).stem in SEQUENCE_FILES
    called = above.name or name if is_of_folder else path.removesuffix(".txt")
    about = sequence_info(files.get((above / "seqinfo.ini").as_posix(), b""))
    names = _class_names(files.get((folders / "labels.txt").as_posix(), b""))
    video = builder.video(text_of(about.get("name") or called), TimeUnit.FRAME)
    _describe(video, about)
    text = content.decode("utf-8-sig", "replace")
    starts = (number(words[0], f"{path} row {row}") for row, words in mot_rows(text))
    first = 1 if min(starts, default=1) > 0 else 0
    for row, words in mot_rows(text):
        where = f"{path} row {row}"
        if len(words) > 6 and number(words[6], where) == 0:
            builder.leave_out("rows with a conf of 0, which are not to be counted")
            continue
        frame, person, left, top, width, height = (number(one, where) for one in words[:6])
        labels: tuple[ImportedLabel, ...] = ()
        if len(words) > 7 and (kind := int(number(words[7], where))) > 0:
            labels = (ImportedLabel("", names.get(kind) or f"class {kind}"),)
        box = (left - 1, top - 1, left - 1 + width, top - 1 + height)  # they count from 1
        key = str(int(person)) if person >= 0 else ""
        builder.add(video, key, ImportedBox(frame - first, box, labels))


def _describe(video: VideoBuilder, about: Mapping[str, str]) -> None:
    try:
        video.fps = float(about.get("framerate", 0))
        video.width, video.height = int(about.get("imwidth", 0)), int(about.get("imheight", 0))
        video.frame_count = int(about.get("seqlength", 0))
    except ValueError as error:
        raise ImportFileError(
            f"its seqinfo.ini has a value that is no number: {error}"
        ) from error


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def sequence_info(content: bytes) -> Mapping[str, str]:
    """The values of `seqinfo.ini`, keys in small letters. Raises ImportFileError."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(content.decode("utf-8-sig", "replace"))
    except configparser.Error as error:
        raise ImportFileError(f"its seqinfo.ini can't be read: {error}") from error
    return dict(parser["Sequence"]) if parser.has_section("Sequence") else {}


def _class_names(content: bytes) -> dict[int, str]:
    names = [text_of(one) for one in content.decode("utf-8-sig", "replace").splitlines()]
    return dict(enumerate(names, start=1)) if any(names) else CLASSES
