"""ELAN (`.eaf`): what stands on the tiers, as intervals.

A tier with a participant is about that person, every other one about the whole frame. Times are
milliseconds of the first media file, its `TIME_ORIGIN` added; moments without one lie evenly
between their neighbours. Annotations that refer to others have their times.
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from datasets.core.formats.external.document import (
    Builder,
    ImportedDocument,
    ImportedInterval,
    ImportedLabel,
    ImportFileError,
    TimeUnit,
    text_of,
)
from datasets.core.untrusted import check_size

MAX_BYTES = 128 << 20
MAX_DEPTH = 32
MAX_CHAIN = 50  # annotations that refer one to the other
Slots = Mapping[str, float]


def read_elan(content: bytes, *, name: str = "") -> ImportedDocument:
    """The annotations of all tiers. Raises ImportFileError.

    Args:
        name: Of the file; the video is called so if no media file is named.
    """
    check_size(content, max_bytes=MAX_BYTES)
    try:
        root = _parse(content)
    except DefusedXmlException as error:
        raise ImportFileError("it declares entities or a DTD, which ELAN never does") from error
    except (ParseError, LookupError, UnicodeError) as error:
        raise ImportFileError(f"it is not XML: {error}") from error
    builder = Builder()
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    url = (
        ""
        if media is None
        else media.get("MEDIA_URL", "") or media.get("RELATIVE_MEDIA_URL", "")
    )
    origin = 0.0 if media is None else _milliseconds(media.get("TIME_ORIGIN", "0"))
    path = PurePosixPath(unquote(url).replace("\\", "/"))
    video = builder.video(text_of(path.name) or name, TimeUnit.SECOND)
    moments = _moments(root.findall("TIME_ORDER/TIME_SLOT"))
    times = _times(root, moments)
    for tier in root.iterfind("TIER"):
        tier_id = text_of(tier.get("TIER_ID", ""))
        subject = text_of(tier.get("PARTICIPANT", ""))
        for one in tier.iterfind("ANNOTATION/*"):
            text = text_of(one.findtext("ANNOTATION_VALUE") or "")
            stretch = times.get(one.get("ANNOTATION_ID", ""))
            if not text or stretch is None:
                builder.leave_out("annotations without a text or a time")
                continue
            start, stop = (one + origin for one in stretch)
            label = ImportedLabel(tier_id, text)
            video.intervals.append(ImportedInterval(subject, start, stop, label))
    return builder.document()


def _parse(content: bytes) -> Element:
    depth, root = 0, None
    for event, element in iterparse(BytesIO(content), events=("start", "end"), forbid_dtd=True):
        depth += 1 if event == "start" else -1
        if root is None:
            root = element
            if root.tag != "ANNOTATION_DOCUMENT":
                raise ImportFileError(f"it is no file of ELAN: it begins with <{root.tag}>")
        if depth > MAX_DEPTH:
            raise ImportFileError(f"its elements are nested more than {MAX_DEPTH} levels deep")
    if root is None:
        raise ImportFileError("it is empty")
    return root


def _milliseconds(text: str) -> float:
    try:
        return int(text) / 1000
    except ValueError as error:
        raise ImportFileError(f"it has a time {text[:40]!r}, not milliseconds") from error


def _moments(moments: Sequence[Element]) -> Slots:
    """Every time slot in seconds; those without a time between the neighbours that have one."""
    names = [slot.get("TIME_SLOT_ID", "") for slot in moments]
    values = [slot.get("TIME_VALUE") for slot in moments]
    known = [(place, _milliseconds(value)) for place, value in enumerate(values) if value]
    found: dict[str, float] = {}
    at = 0
    for place, name in enumerate(names):
        while at + 1 < len(known) and known[at + 1][0] <= place:
            at += 1
        if not known:
            break
        first, begin = known[at]
        last, end = known[min(at + 1, len(known) - 1)]
        share = (place - first) / (last - first) if last > first else 0.0
        found[name] = begin + min(max(share, 0.0), 1.0) * (end - begin)
    return found


def _times(root: Element, moments: Slots) -> dict[str, tuple[float, float]]:
    """The time of every annotation by its id; those that refer to others have theirs."""
    found: dict[str, tuple[float, float]] = {}
    refers: dict[str, str] = {}
    for one in root.iterfind("TIER/ANNOTATION/*"):
        key = one.get("ANNOTATION_ID", "")
        first, last = (one.get(f"TIME_SLOT_REF{n}", "") for n in (1, 2))
        if first in moments and last in moments:
            found[key] = (moments[first], moments[last])
        elif other := one.get("ANNOTATION_REF", ""):
            refers[key] = other
    for key in refers:
        chain = [key]
        while refers.get(chain[-1]) not in (None, *chain[-1:]) and len(chain) <= MAX_CHAIN:
            chain.append(refers[chain[-1]])
            if chain[-1] in found:
                break
        if chain[-1] in found:
            found |= dict.fromkeys(chain, found[chain[-1]])
    return found
