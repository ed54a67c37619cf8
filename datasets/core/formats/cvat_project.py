"""CVAT's export of a whole project, taken apart into the exports of its tasks.

The file names its tasks in `<meta><project><tasks>`; each track or image has the `task_id` it
belongs to. Frames run on from task to task of a subset, in the order of the file; a task takes
`start_frame + step * size` numbers. So measured with CVAT 2.73, and so written in its
`ProjectData._init_task_frame_offsets`. The file may be hostile, and larger than memory.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from datasets.core.formats.cvat_xml import (
    FORMAT_HINT,
    MAX_DEPTH,
    VERSION,
    CvatXmlError,
    frame_step,
    whole,
)

HEAD = 4096  # bytes in which `<project>` stands
MAX_TASKS = 20_000


class _Task(NamedTuple):
    name: str
    meta: bytes
    offset: int  # of its frames


def is_project_export(file: IO[bytes]) -> bool:
    """Whether the XML in `file` is that of a project; reads its beginning."""
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return b"<annotations" in head and b"<project>" in head


def task_exports(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """Name and XML of each task in the export of a project. Raises CvatXmlError."""
    with TemporaryDirectory() as folder:
        try:
            tasks = _write_parts(file, Path(folder))
        except (DefusedXmlException, ParseError, LookupError, ValueError) as error:
            if isinstance(error, CvatXmlError):
                raise
            raise CvatXmlError(f"it is not XML ({error}); {FORMAT_HINT}") from error
        for key, task in tasks.items():
            part = Path(folder) / key
            content = part.read_bytes() if part.exists() else b""
            head = f"<annotations><version>{VERSION}</version>".encode()
            yield task.name, head + task.meta + content + b"</annotations>"


def _write_parts(file: IO[bytes], folder: Path) -> dict[str, _Task]:
    """Write the tracks and images of each task to a file; the tasks by id."""
    tasks: dict[str, _Task] = {}
    depth = 0
    for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise CvatXmlError(f"its elements are nested more than {MAX_DEPTH} levels deep")
        if event == "start" or depth != 1:
            continue
        if element.tag == "meta":
            tasks = _tasks(element)
        elif element.tag in ("track", "image"):
            key = element.get("task_id", "")
            if key not in tasks:
                raise CvatXmlError(f'it has a {element.tag} of an unknown task "{key}"')
            for one in (element, *element):
                _shift(one, tasks[key].offset)
            with (folder / key).open("ab") as part:
                part.write(tostring(element))
        element.clear()
    return tasks


def _shift(element: Element, offset: int) -> None:
    key = "id" if element.tag == "image" else "frame"
    frame = element.get(key, "")
    if frame.isdecimal() and int(frame) >= offset:
        element.set(key, str(int(frame) - offset))


def _tasks(meta: Element) -> dict[str, _Task]:
    found: dict[str, _Task] = {}
    offset, subset = 0, None
    labels = meta.find("project/labels")
    for task in meta.iterfind("project/tasks/task"):
        key = (task.findtext("id") or "").strip()
        if not key.isdecimal() or len(found) == MAX_TASKS:
            raise CvatXmlError(f'it has a task with the id "{key}", or more than {MAX_TASKS}')
        if labels is not None and task.find("labels") is None:
            task.append(labels)
        head = Element("meta")
        head.append(task)
        if (pixels := meta.find("project/original_size")) is not None:
            SubElement(head, "original_size").extend(pixels)
        if task.findtext("subset") != subset:
            offset, subset = 0, task.findtext("subset")
        found[key] = _Task((task.findtext("name") or "").strip(), tostring(head), offset)
        size, start = (whole(task.findtext(tag), tag) for tag in ("size", "start_frame"))
        offset += start + frame_step(task.findtext("frame_filter") or "") * size
    return found
