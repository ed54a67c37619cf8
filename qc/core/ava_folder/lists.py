"""Action lists, frame lists, exclusions and proposals of any AVA folder, as they are read.

Action lists are scanned line by line for `  name:` and `  id:` or `  label_id:`, two spaces in
front, by every one of the four.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from datasets.core.formats import ava
from datasets.core.sizes import size_text
from datasets.core.untrusted import shown
from qc.core.ava_folder.faults import (
    CONSUMERS,
    EVALUATOR,
    MMACTION2,
    PYTORCHVIDEO,
    SLOWFAST,
    FaultLog,
)
from qc.core.ava_folder.label_rows import IN_PIXELS, MAX_ACTION_ID, Key, read_lines

MAX_LIST = 4 << 20  # bytes of an action list
MAX_PICKLE = 1 << 30
NUMPY_2 = b"numpy._core"  # a module that numpy 1 does not have
_ID = re.compile(r"\b(?:label_)?id\s*:\s*(\d+)")


@dataclass
class FrameListFacts:
    videos: dict[str, int] = field(default_factory=dict)  # rows of each
    first: dict[str, str] = field(default_factory=dict)  # path of its first frame


class ProposalFacts(NamedTuple):
    keyframes: frozenset[str]  # `video_id,0902`


def read_action_list(path: Path, name: str, log: FaultLog) -> dict[int, str]:
    """The actions of an action list as its readers see them, by id."""
    if path.stat().st_size > MAX_LIST:
        log.add(
            "size",
            name,
            f"it is no action list: it has more than {size_text(MAX_LIST)}",
            "Check the file.",
        )
        return {}
    actions: dict[int, str] = {}
    label, there, numbers = "", 0, Counter[int]()
    for number, line in read_lines(path):
        there += len(_ID.findall(line))
        if line.startswith("  name:"):
            label = _action_name(line, number, name, log)
        elif line.startswith(("  id:", "  label_id:")):
            last = line.strip().split(" ")[-1]
            if last.isdecimal():
                numbers[int(last)] += 1
                actions[int(last)] = label
            else:
                log.add(
                    "id", name, f"the id of an action is {last[:40]!r}",
                    "Write `  id: 1`, with a space before the number and nothing behind it.",
                    row=number, stops=CONSUMERS,
                )  # fmt: skip
    if there > numbers.total():
        log.add(
            "layout", name, f"its readers find {numbers.total()} of its {there} actions",
            "Write each action on lines of their own: `item {`, `  name: \"stand\"`, "
            "`  id: 1`, `}`, with two spaces in front.", misleads=CONSUMERS,
        )  # fmt: skip
    _check_ids(numbers, name, log)
    return actions


def _action_name(line: str, number: int, name: str, log: FaultLog) -> str:
    """The name between the first two quotes; readers stop without one."""
    parts = line.split('"')
    label = parts[1] if len(parts) > 1 else ""
    if not label or not label.isascii():
        log.add(
            "name", name, f"the name of an action is {line.strip()[:60]!r}",
            'Write name: "stand" in plain ASCII, in double quotes.', row=number,
            stops=CONSUMERS if len(parts) < 2 else (),
            misleads=() if len(parts) < 2 else [EVALUATOR],
        )  # fmt: skip
    return label


def _check_ids(numbers: Counter[int], name: str, log: FaultLog) -> None:
    for action, count in sorted(numbers.items()):
        if count > 1:
            log.add("repeated", name, f"the id {action} occurs {count} times",
                    "Give every action its own id.", misleads=CONSUMERS)  # fmt: skip
        if action < 1:
            log.add("zero", name, f"an action has the id {action}",
                    "Number the actions from 1: 0 is the background.", stops=[SLOWFAST],
                    misleads=[MMACTION2])  # fmt: skip
        if action > MAX_ACTION_ID:
            log.add("80", name, f"an action has the id {action}, SlowFast takes 80 at most",
                    "Use ids up to 80.", stops=[SLOWFAST])  # fmt: skip


def read_frame_list(path: Path, name: str, log: FaultLog) -> FrameListFacts:
    """The videos of a frame list, which SlowFast and pytorchvideo read."""
    facts = FrameListFacts()
    both = [SLOWFAST, PYTORCHVIDEO]
    for number, line in read_lines(path):
        words = line.split()
        if number == 1:
            if words[:1] != ["original_vido_id"]:
                log.add(
                    "header", name, "the first line is dropped, and it is no header",
                    f"Write {ava.FRAME_HEADER!r} as the first line.", row=1, misleads=both,
                )  # fmt: skip
            continue
        if len(words) != 5:
            log.add(
                "columns", name, f"the row has {len(words)} words instead of 5",
                'Write video_id, its number, the frame, the path and "" with spaces between.',
                row=number, stops=both,
            )  # fmt: skip
            continue
        video, frame, file = words[0], words[2], words[3]
        wanted = facts.videos.get(video, 0)
        if frame != str(wanted) and frame.isdecimal():
            log.add(
                "order", name, f"frame {frame} of {video} stands where {wanted} should be",
                "List all frames of a video one after the other, from 0: rows are counted.",
                row=number, misleads=both,
            )  # fmt: skip
        facts.videos[video] = wanted + 1
        facts.first.setdefault(video, file)
    return facts


def read_exclusions(path: Path, name: str, log: FaultLog) -> set[Key]:
    """The excluded keyframes of a file."""
    found: set[Key] = set()
    for number, line in read_lines(path):
        words = line.split(",")
        if len(words) != 2 or not words[1].strip().isdecimal():
            log.add(
                "row", name, f"the row is {line[:60]!r}, not video_id,timestamp",
                "Write one video_id,timestamp a row, without a header.", row=number,
                stops=[MMACTION2, SLOWFAST, EVALUATOR],
            )  # fmt: skip
            continue
        found.add((words[0], int(words[1])))
    return found


def read_proposals(path: Path, name: str, log: FaultLog) -> ProposalFacts:
    """The keyframes of a pickle of proposals, which MMAction2 reads; it is read safely."""
    if path.stat().st_size > MAX_PICKLE:
        log.add(
            "size",
            name,
            f"it has more than {size_text(MAX_PICKLE)} and was not read",
            "Check it by hand.",
        )
        return ProposalFacts(frozenset())
    content = path.read_bytes()
    try:
        table = ava.load_arrays(content)
    except ava.AvaFormatError as error:
        log.add(
            "pickle", name, f"it is no pickle of proposals: {error}",
            'Write {"video_id,0902": array of x1, y1, x2, y2, score} with pickle.',
            stops=[MMACTION2],
        )  # fmt: skip
        return ProposalFacts(frozenset())
    if table and all(isinstance(boxes, dict) for boxes in table.values()):
        return ProposalFacts(frozenset())  # ours with tracks, which MMAction2 is not given
    if NUMPY_2 in content:
        log.add(
            "numpy", name, "it was written with numpy 2",
            "Write it with numpy 1, as the environments of MMAction2 have.",
            stops=[f"{MMACTION2} with numpy 1"],
        )  # fmt: skip
    for key, boxes in table.items():
        _check_proposals(key, boxes, name, log)
    return ProposalFacts(frozenset(str(key) for key in table))


def _check_proposals(key: Any, boxes: Any, name: str, log: FaultLog) -> None:
    if not isinstance(key, str) or not re.fullmatch(r".+,\d{4,}", key):
        log.add(
            "key", name, f"a key is {shown(key)}, which is never found",
            'Write keys as "video_id,0902", the timestamp with four digits.',
            misleads=[MMACTION2],
        )  # fmt: skip
    if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or boxes.shape[1] not in (4, 5):
        log.add(
            "shape", name, f"{shown(key)} holds no array of n boxes",
            "Write numpy arrays of the shape (n, 5): x1, y1, x2, y2, score.", stops=[MMACTION2],
        )  # fmt: skip
    elif not len(boxes):
        log.add(
            "none", name, f"{shown(key)} has no box at all",
            "Leave out keyframes without a proposal.", stops=[MMACTION2],
        )  # fmt: skip
    elif boxes.max() > IN_PIXELS:
        log.add(
            "pixels", name, f"{shown(key)} has boxes in pixels",
            "Divide x by the width and y by the height of the frame.", misleads=[MMACTION2],
        )  # fmt: skip
    elif boxes.max() > 1 or boxes.min() < 0:
        log.add(
            "range", name, f"{shown(key)} has values outside 0 to 1", "Clip them to 0 to 1.",
            misleads=[MMACTION2],
        )  # fmt: skip
