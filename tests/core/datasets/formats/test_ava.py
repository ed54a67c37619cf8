import io
import pickle
import pickletools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.core.formats import ava

ACTIONS = [
    ava.AvaAction(1, "stand", "PERSON_MOVEMENT"),
    ava.AvaAction(2, "bend/bow (at the waist)", "PERSON_MOVEMENT"),
    ava.AvaAction(3, "carry/hold (an object)", "OBJECT_MANIPULATION"),
]
BOX = "0.1000,0.2000,0.3000,0.9000"
LABELS = [
    ava.LabelRow("shop-c0000", 902, BOX, 1, 1),
    ava.LabelRow("shop-c0000", 902, BOX, 3, 1),
    ava.LabelRow("shop-c0000", 903, "0.0000,0.0000,1.0000,1.0000", 2, 20000),
]


def read_labelmap(text):
    """The line scanner that SlowFast, pytorchvideo, MMAction2 and the evaluator share."""
    names, name, action_id = {}, "", ""
    for line in text.split("\n"):
        if line.startswith("  name:"):
            name = line.split('"')[1]
        elif line.startswith(("  id:", "  label_id:")):
            action_id = int(line.strip().split(" ")[-1])
            names[action_id] = name
    return names


@pytest.mark.parametrize(
    ("box", "text"),
    [
        pytest.param([64, 36, 320, 180], "0.1000,0.1000,0.5000,0.5000", id="inside"),
        pytest.param([-5, -9, 700, 400], "0.0000,0.0000,1.0000,1.0000", id="cut at the edges"),
        pytest.param([10, 10, 10.001, 40], "0.0156,0.0278,0.0157,0.1111", id="thin"),
        pytest.param([700, 10, 800, 40], "0.9999,0.0278,1.0000,0.1111", id="beside the image"),
    ],
)
def test_a_box_is_normalised_by_the_frame_size(box, text):
    assert ava.format_box(box, width=640, height=360) == text


@settings(deadline=None)
@given(
    st.lists(st.floats(-2000, 2000), min_size=4, max_size=4),
    st.integers(2, 4096),
    st.integers(2, 4096),
)
def test_every_box_has_an_area_inside_the_frame_and_is_read_back(box, width, height):
    text = ava.format_box(box, width=width, height=height)
    x1, y1, x2, y2 = ava.parse_box(text)
    assert 0 <= x1 < x2 <= 1
    assert 0 <= y1 < y2 <= 1
    assert ava.format_box([x1, y1, x2, y2], width=1, height=1) == text


def test_what_is_no_box_is_refused():
    with pytest.raises(ValueError, match="four finite numbers"):
        ava.format_box([0, 0, float("nan"), 1], width=10, height=10)


def test_label_rows_read_back():
    assert ava.load_labels(ava.dump_labels(LABELS)) == LABELS


def test_mmaction2_groups_the_rows_of_a_person_by_its_box():
    records = defaultdict(list)
    for line in ava.dump_labels(LABELS).decode().split("\n")[:-1]:
        parts = line.strip().split(",")
        key = f"{parts[0]},{int(parts[1]):04d}"
        records[key].append((tuple(map(float, parts[2:6])), int(parts[6]), int(parts[7])))
    assert len({box for box, _, _ in records["shop-c0000,0902"]}) == 1
    assert [action for _, action, _ in records["shop-c0000,0902"]] == [1, 3]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(f"shop-c0000,902,{BOX},1,1", id="short timestamp"),
        pytest.param(f"shop-c0000,0902,{BOX},0,1", id="action 0"),
        pytest.param(f"shop-c0000,0902,{BOX},1,0", id="person 0"),
        pytest.param(f"shop-c0000,0902,{BOX},,1", id="no action"),
        pytest.param("shop-c0000,0902,10,20,30,40,1,1", id="pixels"),
        pytest.param(f"shop c,0902,{BOX},1,1", id="space in the name"),
        pytest.param("", id="blank line"),
        pytest.param(f"shop-c0000,0902,{BOX},1,1\r", id="carriage return"),
    ],
)
def test_a_bad_row_is_named(row):
    content = ava.dump_labels(LABELS[:1]) + f"{row}\n".encode()
    with pytest.raises(ava.AvaFormatError, match="row 2 is not a label row"):
        ava.load_labels(content)


def test_text_needs_ascii_and_a_newline_at_the_end():
    with pytest.raises(ava.AvaFormatError, match="newline"):
        ava.load_labels(ava.dump_labels(LABELS)[:-1])
    with pytest.raises(ava.AvaFormatError, match="ASCII"):
        ava.load_labels("é\n".encode())


def test_predicted_boxes_have_an_empty_action_and_read_back():
    rows = [
        ava.PredictedRow("a-c0000", 902, BOX, 0.5),
        ava.PredictedRow("a-c0000", 903, BOX, 1.0),
    ]
    content = ava.dump_predicted(rows)
    assert content.splitlines()[0] == f"a-c0000,0902,{BOX},,0.5000".encode()
    assert ava.load_predicted(content) == rows


def test_unlabelled_boxes_read_back():
    rows = [ava.UnlabelledRow("a-c0000", 902, BOX, 7)]
    assert ava.load_unlabelled(ava.dump_unlabelled(rows)) == rows


def test_no_excluded_timestamps_are_no_bytes():
    assert ava.dump_keyframes([]) == b""
    rows = [ava.Keyframe("a-c0000", 902)]
    assert ava.load_keyframes(ava.dump_keyframes(rows)) == rows


def test_the_evaluation_file_includes_keyframes_without_actions():
    rows = [LABELS[0], ava.Keyframe("shop-c0000", 905)]
    content = ava.dump_evaluation(rows)
    assert content.endswith(b"\nshop-c0000,0905\n")
    assert ava.load_evaluation(content) == rows


@pytest.mark.parametrize("for_evaluator", [True, False])
def test_every_known_reader_scans_the_action_list(for_evaluator):
    content = ava.dump_actions(ACTIONS, for_evaluator=for_evaluator)
    assert read_labelmap(content.decode()) == {
        action.action_id: action.name for action in ACTIONS
    }


def test_action_lists_read_back():
    assert ava.load_actions(ava.dump_actions(ACTIONS)) == ACTIONS
    short = ava.load_actions(ava.dump_actions(ACTIONS, for_evaluator=True))
    assert [action[:2] for action in short] == [action[:2] for action in ACTIONS]


@pytest.mark.parametrize("name", ['say "hi"', "", " "])
def test_an_action_name_must_be_readable_for_all(name):
    with pytest.raises(ava.AvaFormatError, match="plain ASCII"):
        ava.dump_actions([ava.AvaAction(1, name, "PERSON_MOVEMENT")])


def test_names_of_other_scripts_are_written_in_ascii():
    named = [(1, "größer"), (2, "歩く"), (3, "hé")]
    actions = [ava.AvaAction(*one, "PERSON_MOVEMENT") for one in named]
    assert ava.dump_label_map(actions) == b"1: action 1\n2: action 2\n3: he\n"
    assert [one.name for one in ava.load_actions(ava.dump_actions(actions))] == [
        "action 1", "action 2", "he",
    ]  # fmt: skip


def test_action_ids_end_at_32767():
    high = ava.AvaAction(32_767, "fly", "PERSON_MOVEMENT")
    assert ava.load_actions(ava.dump_actions([high])) == [high]
    assert ava.load_label_map(ava.dump_label_map([high])) == [(32_767, "fly")]
    row = ava.LabelRow("a-c0000", 902, "0.1000,0.1000,0.2000,0.2000", 32_767, 1)
    assert ava.load_labels(ava.dump_labels([row])) == [row]
    with pytest.raises(ava.AvaFormatError, match="32768"):
        ava.dump_actions([high._replace(action_id=32_768)])


def test_the_label_map_is_what_the_demo_of_mmaction2_splits():
    lines = ava.dump_label_map(ACTIONS).decode().splitlines()
    assert {int(a): b for a, b in (line.split(": ") for line in lines)}[2] == ACTIONS[1].name


def test_a_frame_list_has_five_words_a_row_and_reads_back():
    content = f"{ava.FRAME_HEADER}\n".encode() + ava.dump_frames(
        "a-c0000", number=0, frame_count=2
    )
    assert [len(line.split()) for line in content.decode().splitlines()] == [5, 5, 5]
    content += ava.dump_frames("b-c0000", number=1, frame_count=1)
    assert ava.load_frames(content) == {"a-c0000": 2, "b-c0000": 1}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        pytest.param(b"original", b"", "row 1 is not 'original_vido_id", id="header"),
        pytest.param(
            b"a-c0000 0 1", b"a-c0000 0 2", "row 3 is not frame 1 of video 0", id="gap"
        ),
        pytest.param(b"img_00002", b"img_00003", "row 3 is not frame 1 of video 0", id="path"),
        pytest.param(
            b"b-c0000 1", b"b-c0000 7", "row 4 is not frame 0 of video 1", id="number"
        ),
        pytest.param(b' ""\n', b"\n", "row 2 is not a frame", id="four words"),
    ],
)
def test_a_frame_list_that_readers_would_count_wrongly_is_refused(old, new, sentence):
    content = f"{ava.FRAME_HEADER}\n".encode() + ava.dump_frames(
        "a-c0000", number=0, frame_count=2
    )
    content += ava.dump_frames("b-c0000", number=1, frame_count=1)
    with pytest.raises(ava.AvaFormatError, match=sentence):
        ava.load_frames(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"\n  ", b"\n    ", id="wider"),
        pytest.param(b"\n  ", b"\n\t", id="tabs"),
        pytest.param(b'"', b"'", id="single quotes"),
        pytest.param(b"id: 1\n", b"id:1\n", id="no room before the id"),
        pytest.param(b"id: 1\n", b"id: 1 \n", id="room after the id"),
        pytest.param(b"}\n", b"}\r\n", id="CRLF"),
        pytest.param(b"}\n", b"}\n\n", id="blank row"),
    ],
)
@pytest.mark.parametrize("for_evaluator", [False, True])
def test_an_action_list_in_another_form_is_refused(old, new, for_evaluator):
    content = ava.dump_actions(ACTIONS, for_evaluator=for_evaluator)
    with pytest.raises(ava.AvaFormatError, match=r"row \d does not start an action"):
        ava.load_actions(content.replace(old, new, 1))


PROPOSALS = {
    "a-c0000,0902": np.array([[0.1, 0.2, 0.3, 0.4, 0.9], [0.5, 0.5, 1.0, 1.0, 0.25]]),
    "a-c0000,0903": np.array([[0.0, 0.0, 1.0, 1.0, 1.0]]),
}


def test_proposals_read_back_here_and_with_plain_pickle():
    content = ava.dump_proposals(PROPOSALS)
    for loaded in (ava.load_proposals(content), pickle.loads(content)):
        assert list(loaded) == list(PROPOSALS)
        for key, boxes in PROPOSALS.items():
            assert loaded[key].dtype == np.float64
            assert np.array_equal(loaded[key], boxes)


def test_old_numpy_can_load_the_proposals():
    operations = list(pickletools.genops(ava.dump_proposals(PROPOSALS)))
    assert [argument for code, argument, _ in operations if code.name == "GLOBAL"] == [
        "numpy.core.multiarray _reconstruct",
        "numpy ndarray",
        "numpy dtype",
    ]
    assert operations[0][1] == 3
    assert not [code for code, _, _ in operations if code.name == "STACK_GLOBAL"]


def test_the_same_proposals_give_the_same_bytes():
    other = {key: np.asfortranarray(boxes.copy()) for key, boxes in PROPOSALS.items()}
    shared = np.array([[0.0, 0.0, 1.0, 1.0, 1.0]])
    assert ava.dump_proposals(PROPOSALS) == ava.dump_proposals(other)
    once = ava.dump_proposals({"a,0902": shared, "a,0903": shared})
    assert once == ava.dump_proposals({"a,0902": shared, "a,0903": shared.copy()})


def test_no_proposals_at_all_are_an_empty_mapping():
    assert ava.load_proposals(ava.dump_proposals({})) == {}


@pytest.mark.parametrize(
    ("key", "boxes"),
    [
        pytest.param("a,902", [[0, 0, 1, 1, 1.0]], id="key"),
        pytest.param("a,0902", np.empty((0, 5)), id="no box"),
        pytest.param("a,0902", [[0, 0, 1, 1.0]], id="no score"),
        pytest.param("a,0902", [[0, 0, 640, 360, 0.5]], id="pixels"),
        pytest.param("a,0902", [[0, 0, 1, 1, 0.5], [0, 0, 1, 1, 0.6]], id="not sorted"),
        pytest.param("a,0902", [[0, 0, 1, 1, float("nan")]], id="nan"),
    ],
)
def test_proposals_that_mmaction2_would_misread_are_refused(key, boxes):
    with pytest.raises(ava.AvaFormatError):
        ava.dump_proposals({key: np.array(boxes, dtype=np.float64)})


class Hostile:
    def __reduce__(self):
        return print, ("never",)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps({"a,0902": Hostile()}), id="a call"),
        pytest.param(pickle.dumps([1, 2]), id="a list"),
        pytest.param(pickle.dumps({"a,0902": [1, 2]}), id="no array"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04", id="a zip"),
        pytest.param(ava.dump_proposals(PROPOSALS)[:-40], id="cut off"),
    ],
)
def test_only_arrays_are_loaded_from_a_pickle(content, capsys):
    with pytest.raises(ava.AvaFormatError):
        ava.load_proposals(content)
    assert capsys.readouterr().out == ""


def test_a_pickle_of_new_numpy_is_read_too():
    buffer = io.BytesIO()
    pickle.dump(PROPOSALS, buffer, protocol=3)
    assert ava.load_proposals(buffer.getvalue()).keys() == PROPOSALS.keys()
