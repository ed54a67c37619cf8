import pickle
import tracemalloc

import numpy as np
import pytest

from datasets.core.formats.ava import (
    AvaFormatError,
    TrackedBox,
    dump_proposals,
    dump_track_proposals,
    load_arrays,
    load_track_proposals,
)

BOX = TrackedBox("a_frame_0010.jpg", 7, (1.0, 2.5, 30.0, 40.0), 0.75)


def test_proposals_are_read_back_as_plain_lists():
    content = dump_track_proposals(
        {"a": [("a_frame_0010.jpg", [BOX]), ("a_frame_0015.jpg", [])]}
    )
    assert load_track_proposals(content) == pickle.loads(content)
    assert load_track_proposals(content)["a"] == {
        "a_frame_0010.jpg": [[1.0, 2.5, 30.0, 40.0, 0.75, 7]],
        "a_frame_0015.jpg": [],
    }


# A tuple of twice a tuple of twice a tuple ...: a few hundred bytes stand for 2^60 numbers.
TOWER = b"K\x01\x85" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60))
RAW = bytes(1000)


class ManyTimes:
    """An array of numpy whose buffer is in the pickle once, however many there are."""

    def __reduce__(self):
        make, arguments, state = np.zeros(1000, np.uint8).__reduce__()
        return make, arguments, (*state[:-1], RAW)


class Hostile:
    def __reduce__(self):
        return (print, ("called",))


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_of_numpy_are_read_as_plain_ones(protocol):
    row = [1.0, 2.0, 3.0, 4.0, 0.5, 7]
    content = {
        "a": {
            "lists": [row],
            "numbers": [[*map(np.float32, row[:5]), np.int64(7)]],
            "arrays": [np.array(row)],
            "one array": np.array([row], dtype=">f4"),
            "by columns": np.asfortranarray(np.array([row, row])),
            "tuples": (tuple(row),),
        }
    }
    found = load_track_proposals(pickle.dumps(content, protocol=protocol))["a"]
    assert found.pop("by columns") == [row, row]
    assert all(rows == [row] for rows in found.values())


def test_the_arrays_of_mmaction2_are_refused_since_they_have_no_track_ids():
    content = dump_proposals({"a-c0000,0902": np.array([[0.1, 0.1, 0.2, 0.2, 0.9]])})
    with pytest.raises(AvaFormatError, match="have no track ids"):
        load_track_proposals(content)


def test_one_box_many_times_is_no_way_to_fill_the_memory():
    frame = [[1.0, 2.0, 3.0, 4.0, 0.5, 7]] * 1000
    content = pickle.dumps({"a": dict.fromkeys(map(str, range(1000)), frame)})
    with pytest.raises(AvaFormatError, match="more boxes than it has bytes"):
        load_track_proposals(content)


def test_one_buffer_many_times_is_no_way_either():
    content = pickle.dumps({"a": {"b": [ManyTimes() for _ in range(100)]}})
    assert len(content) < 10_000
    with pytest.raises(AvaFormatError, match="more numbers than it has bytes"):
        load_track_proposals(content)


def test_a_memo_with_holes_takes_no_memory():
    tracemalloc.start()
    assert load_track_proposals(b"\x80\x03}r\xff\xff\xff\x7f.") == {}
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_nothing_of_this_process_can_be_changed():
    for name in (b"numpy._core.multiarray\n_reconstruct", b"_codecs\nencode"):
        content = b"\x80\x03c" + name + b"\nN}X\x07\0\0\0__doc__X\3\0\0\0bads\x86b."
        with pytest.raises(AvaFormatError, match="changes what is not an array"):
            load_track_proposals(content)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([1, 2, 3, 4], id="too short"),
        pytest.param([1, 2, 3, float("nan"), 0.5, 1], id="nan"),
        pytest.param([1, 2, float("inf"), 4, 0.5, 1], id="infinite"),
        pytest.param([1, 2, "3", 4, 0.5, 1], id="text"),
        pytest.param([1, 2, True, 4, 0.5, 1], id="truth"),
        pytest.param(None, id="nothing"),
        pytest.param([1, 2, 3, 10**400, 0.5, 1], id="a number beyond all pictures"),
        pytest.param(np.array(["a"] * 6), id="array of texts"),
        pytest.param(np.array([None] * 6), id="array of objects"),
    ],
)
def test_a_row_that_is_no_box_is_refused(row):
    with pytest.raises(AvaFormatError):
        load_track_proposals(pickle.dumps({"a": {"a_frame_0001.jpg": [row]}}))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps({"a": Hostile()}), id="calls a function"),
        pytest.param(
            pickle.dumps({"a": {"b": Hostile()}}, protocol=0), id="calls, old protocol"
        ),
        pytest.param(b"cos\nsystem\n(S'true'\ntR.", id="os.system"),
        pytest.param(b"cnumpy\nload\n(S'/etc/passwd'\ntR.", id="loads with numpy"),
        pytest.param(b"\x80\x05\x96" + b"\xff" * 7 + b"\x0f.", id="a buffer of exabytes"),
        pytest.param(b"\x80\x02K\x05\x82\x01.", id="an extension"),
        pytest.param(b"\x80\x03}" + TOWER + b"K\x01s.", id="a key that takes years to hash"),
        pytest.param(b"\x80\x03(" + TOWER + b"K\x01d.", id="the same in another way"),
        pytest.param(
            b"\x80\x03}X\x01\0\0\0a}X\x01\0\0\0b" + TOWER + b"ss.", id="boxes without end"
        ),
        pytest.param(
            b"\x80\x03cnumpy\ndtype\n" + TOWER + b"\x85R.", id="a dtype that takes years"
        ),
        pytest.param(pickle.dumps(2**100000), id="a huge number"),
        pytest.param(b"\x80\x03" + b"]" * 100_000 + b"a" * 99_999 + b".", id="deep lists"),
        pytest.param(pickle.dumps([1]), id="no dict"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x03garbage", id="garbage"),
    ],
)
def test_a_hostile_pickle_is_refused_and_calls_nothing(content, capsys):
    with pytest.raises(AvaFormatError):
        load_track_proposals(content)
    assert "called" not in capsys.readouterr().out


def test_dicts_may_have_numbers_as_keys():
    content = {"a": {3: [np.zeros((2, 5), np.float32)]}}
    (found,) = load_arrays(pickle.dumps(content))["a"][3]
    assert (found.dtype, found.shape) == (np.float32, (2, 5))


def test_an_array_without_columns_takes_no_memory():
    content = pickle.dumps({"a": {"b": np.empty((10**9, 0))}})
    with pytest.raises(AvaFormatError, match="more numbers than it has bytes"):
        load_track_proposals(content)
