"""Readers of data from outside, fed with hostile data under limits of memory and CPU time.

    python -m tests.core.hostile_readers NAME

Every reader either reads or raises its own error, with a short message. Run in a process of its
own, since one that exceeds a limit is ended.
"""

import gzip
import io
import json
import pickle
import resource
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.core import guidelines, label_document
from annotation.core.cvat_issues import parse_issues
from annotation.core.label_state import LabelState, LabelTask
from annotation.core.webhook import parse_event
from datasets.core.formats import bundle_manifest, cvat_xml
from datasets.core.formats.ava import dense_proposals, lists, rows
from datasets.core.formats.cvat_document import Document, Shape, XmlTrack
from datasets.core.formats.cvat_json import LabelIds, document_from
from datasets.core.formats.cvat_project import task_exports
from datasets.core.formats.external import (
    ava_rows,
    boris,
    coco,
    cvat,
    elan,
    label_studio,
    mot,
    release_formats,
    tubes,
    via,
)
from datasets.core.untrusted import (
    MAX_MESSAGE,
    UntrustedDataError,
    gunzip,
    read_json,
    read_yaml,
)
from datasets.core.vocabulary import parse_yaml
from datasets.core.vocabulary_lists import (
    parse_action_list,
    parse_cvat_labels,
    parse_vocabulary,
)
from datasets.core.zip_reader import ArchiveLimits, extract, list_videos
from qc.core.quality.rules import read_rules
from qc.core.release.options import read_split_list
from tracking.core import tracks_file, tracks_json

MEMORY = 3 << 30  # bytes of address space; Python, numpy and OpenBLAS take half of it
SECONDS = 40  # of CPU time for one reader and all of its examples
EXAMPLES = 60
LARGE = 60_000  # bytes of a bomb
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


class Reader(NamedTuple):
    """What reads, and a small file that it accepts."""

    read: Callable[[bytes], object]
    good: bytes
    errors: tuple[type[Exception], ...] = (UntrustedDataError,)


def text_of(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def read_zip(content: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.zip"
        path.write_bytes(content)
        limits = ArchiveLimits(members=50, member_bytes=1 << 20)
        for number, member in enumerate(list_videos(path, limits).videos):
            extract(path, member, Path(folder) / f"{number}")
        return None


def read_cvat_json(content: bytes) -> object:
    ids = LabelIds(1, {"person_id": 2, "posture": 3}, {})
    found = read_json(content, max_bytes=1 << 20)
    return document_from(found, ids, task_name="a", frame_count=75)


def small_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 500)
    return file.getvalue()


TRACK = tracks_file.Track(1, np.array([0]), np.array([[0.0, 0, 5, 5]]), np.array([0.5]))
TRACKS = tracks_file.TracksFile("a-c0000", 64, 36, 450, [TRACK])
SHAPE = Shape(0, (1.0, 1.0, 9.0, 9.0), False, True, {"person_id": "1"})
XML = cvat_xml.dump(Document("a--ann", 75, 64, 36, (), (XmlTrack((SHAPE,)),)))
PROJECT = (
    b"<annotations><version>1.1</version><meta><project><tasks><task><id>1</id><name>a</name>"
    b"<size>5</size><start_frame>0</start_frame></task></tasks></project></meta>"
    b'<track id="0" task_id="1"><box frame="0"><attribute name="b">c</attribute></box></track>'
    b"</annotations>"
)
CVAT_JSON = json.dumps({
    "tracks": [{
        "label_id": 1, "frame": 0, "attributes": [{"spec_id": 2, "value": "1"}],
        "shapes": [{
            "type": "rectangle", "frame": 0, "points": [1, 1, 9, 9], "outside": False,
            "attributes": [{"spec_id": 3, "value": "walk"}],
        }],
    }],
    "shapes": [], "tags": [],
}).encode()  # fmt: skip
YAML = b"groups: [{name: a, choice: one, label_type: PERSON_MOVEMENT, actions: {1: stand}}]"
BOX = dense_proposals.TrackedBox("a_frame_0010.jpg", 3, (1.0, 2.0, 3.0, 4.0), 0.5)

READERS = {
    "yaml": Reader(lambda content: read_yaml(text_of(content)), YAML),
    "json": Reader(lambda content: read_json(content, max_bytes=1 << 20), CVAT_JSON),
    "gzip": Reader(lambda content: gunzip(content, max_bytes=1 << 20), gzip.compress(YAML)),
    "vocabulary-yaml": Reader(lambda content: parse_yaml(text_of(content)), YAML),
    "vocabulary-pbtxt": Reader(
        lambda content: parse_vocabulary(text_of(content)),
        b'label {\n  name: "stand"\n  label_id: 1\n  label_type: PERSON_MOVEMENT\n}\n',
    ),
    "quality-rules": Reader(
        lambda content: read_rules(text_of(content)),
        b"[{name: too-fast, severity: warns, sentence: Quick, limit: 0.1}]",
    ),
    "split-list": Reader(
        lambda content: read_split_list(text_of(content), known=["shop"]), b"shop,val\n"
    ),
    "cvat-xml": Reader(cvat_xml.load, XML),
    "cvat-project": Reader(lambda content: list(task_exports(io.BytesIO(content))), PROJECT),
    "cvat-json": Reader(read_cvat_json, CVAT_JSON),
    "webhook": Reader(
        parse_event, b'{"event": "update:job", "job": {"id": 1, "state": "new"}}'
    ),
    "manifest": Reader(
        bundle_manifest.load, bundle_manifest.dump(bundle_manifest.Manifest("shop", "test", 5))
    ),
    "tracks": Reader(tracks_file.load, tracks_file.dump(TRACKS)),
    "tracks-json": Reader(tracks_file.parse, gzip.decompress(tracks_file.dump(TRACKS))),
    "tracked-boxes": Reader(
        lambda content: list(tracks_json.load_boxes(content)),
        tracks_json.dump_boxes("a", [BOX]),
        (UntrustedDataError, ValueError),
    ),
    "label-page": Reader(
        label_document.load, label_document.dump(LabelState(), LabelTask((), (), 60, 6))
    ),
    "proposals": Reader(
        dense_proposals.load_proposals, pickle.dumps({"a,0902": np.zeros((1, 5))}, protocol=3)
    ),
    "track-proposals": Reader(
        dense_proposals.load_track_proposals, pickle.dumps({"a": {"f": [[1, 2, 3, 4, 0.5, 1]]}})
    ),
    "ava-labels": Reader(rows.load_labels, b"a,0902,0.1000,0.1000,0.2000,0.2000,1,1\n"),
    "ava-predicted": Reader(
        rows.load_predicted, b"a,0902,0.1000,0.1000,0.2000,0.2000,,0.5000\n"
    ),
    "ava-actions": Reader(lists.load_actions, b'item {\n  name: "a"\n  id: 1\n}\n'),
    "zip": Reader(read_zip, small_zip()),
    "action-list": Reader(parse_action_list, b"1: stand\n2: walk  # on foot\n"),
    "cvat-labels": Reader(
        lambda content: parse_cvat_labels(text_of(content)),
        b'[{"name": "person", "attributes": [{"name": "pose", "values": ["sit"]}]}]',
    ),
    "guidelines": Reader(
        lambda content: guidelines.other_images(text_of(content)),
        b'![a [small] hand](image-3.jpg "hand") ![b](https://example.org/x.png)',
    ),
    "review": Reader(
        lambda content: parse_issues(text_of(content), [1, 2, 3]),
        b"Second 3: she sits. Seconds 1, 2 and 3, person 2: too large.",
    ),
    "import-ava": Reader(
        lambda content: ava_rows.read_ava({"a.csv": content}),
        b"a,0902,0.1000,0.1000,0.2000,0.2000,1,1\n",
    ),
    "import-proposals": Reader(
        lambda content: ava_rows.read_ava({}, proposals=[content]),
        pickle.dumps({"a,0902": np.array([[0.1, 0.1, 0.5, 0.5, 0.9]])}, protocol=3),
    ),
    "import-cvat-xml": Reader(cvat.read_cvat_xml, XML),
    "import-cvat-json": Reader(
        lambda content: cvat.read_cvat_json({"a.json": content}), CVAT_JSON
    ),
    "import-via": Reader(
        via.read_via,
        b'{"attribute": {"1": {"aname": "pose", "type": 1}}, "file": {"1": {"fname": "a.mp4", '
        b'"type": 4}}, "metadata": {"a": {"vid": "1", "z": [1], "xy": [2, 1, 1, 5, 5], '
        b'"av": {"1": "sit"}}}}',
    ),
    "import-coco": Reader(
        coco.read_coco,
        b'{"images": [{"id": 1, "file_name": "a_0001.jpg", "width": 9, "height": 9}], '
        b'"annotations": [{"image_id": 1, "bbox": [1, 1, 5, 5], "category_id": 1}]}',
    ),
    "import-mot": Reader(lambda content: mot.read_mot({"a.txt": content}), b"1,1,0,0,5,5,1\n"),
    "import-label-studio": Reader(
        label_studio.read_label_studio,
        b'[{"data": {"video": "a.mp4"}, "annotations": [{"result": [{"id": "r", "value": '
        b'{"start": 1, "end": 2, "labels": ["sit"]}, "from_name": "pose"}]}]}]',
    ),
    "import-boris": Reader(
        boris.read_boris,
        b'{"behaviors_conf": {}, "observations": {"a": {"file": {"1": ["a.mp4"]}, "events": '
        b'[[1, "kim", "sit", ""], [2, "kim", "sit", ""]]}}}',
    ),
    "import-boris-table": Reader(
        boris.read_boris_table,
        b"Media file,Subject,Behavior,Start (s),Stop (s)\na.mp4,kim,sit,1.0,2.0\n",
    ),
    "import-elan": Reader(
        elan.read_elan,
        b'<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="t" TIME_VALUE="9"/>'
        b'</TIME_ORDER><TIER TIER_ID="pose"><ANNOTATION><ALIGNABLE_ANNOTATION '
        b'ANNOTATION_ID="a" TIME_SLOT_REF1="t" TIME_SLOT_REF2="t"><ANNOTATION_VALUE>sit'
        b"</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>",
    ),
    "import-tubes": Reader(
        tubes.read_tubes,
        pickle.dumps(
            {"labels": ["sit"], "gttubes": {"a": {0: [np.array([[1.0, 1, 1, 5, 5]])]}}},
            protocol=3,
        ),
    ),
    "import-activitynet": Reader(
        release_formats.read_activitynet,
        b'{"database": {"a": {"duration": 9, "annotations": [{"segment": [1, 2], '
        b'"label": "sit"}]}}}',
    ),
    "import-fiftyone": Reader(
        lambda content: release_formats.read_fiftyone({"a.json": content}),
        b'{"frames": {"1": {"frame_number": 1, "objects": {"objects": [{"bounding_box": '
        b'{"top_left": {"x": 0.1, "y": 0.1}, "bottom_right": {"x": 0.5, "y": 0.5}}}]}}}}',
    ),
}


def bombs(good: bytes) -> list[bytes]:
    """Large inputs of one kind of trouble each, alone and in the middle of a good file."""
    doubling = "a: &a [x, x]\n" + "".join(
        f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]\n" for n in range(12)
    )
    many = [b"[", b"{", b'{"a":', b"<a>", b"(", b"- ", b"? ", b"&a ", b"!!", b'"', b"'", b"\\",
            b"1", b"9", b"1:", b"a,", b"\n", b" ", b"\t", b":", b"#", b"a: ", b"name:",
            b'name:"', b"label {", b"}", b"\0", b"\xff", b"\x80", b"e", b"&#9;",
            b"<![CDATA[", b"![", b"sec "]  # fmt: skip
    found = [doubling.encode()]
    for piece in many:
        run = piece * (LARGE // len(piece))
        found += [run, good[: len(good) // 2] + run + good[len(good) // 2 :]]
    zeros = gzip.compress(bytes(64 << 20))
    return [*found, zeros, good * (LARGE // len(good)), good[: len(good) // 2], b""]


def check(reader: Reader, content: bytes) -> None:
    try:
        reader.read(content)
    except reader.errors as error:
        if len(str(error)) > MAX_MESSAGE:
            raise AssertionError(f"a message of {len(str(error))} characters") from error


def fuzz(reader: Reader) -> None:
    """Random bytes, random JSON, and good files with parts replaced, repeated or removed."""
    profile = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )

    @profile
    @given(st.binary(max_size=200))
    def random_bytes(content: bytes) -> None:
        check(reader, content)

    @profile
    @given(VALUE)
    def random_values(value: object) -> None:
        check(reader, json.dumps(value).encode())

    @profile
    @given(
        st.integers(0, len(reader.good)),
        st.integers(0, 30),
        st.binary(max_size=8)
        | st.sampled_from([b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'""', b"9" * 5000]),
        st.integers(1, 3),
    )
    def changed(place: int, removed: int, new: bytes, times: int) -> None:
        check(reader, reader.good[:place] + new * times + reader.good[place + removed :])

    random_bytes()
    random_values()
    changed()


def main(name: str) -> None:
    reader = READERS[name]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    reader.read(reader.good)
    for content in bombs(reader.good):
        check(reader, content)
    fuzz(reader)


if __name__ == "__main__":
    main(sys.argv[1])
