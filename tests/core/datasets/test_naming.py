import pytest

from datasets.core.naming import MAX_LENGTH, clip_name, frame_name, safe_name


@pytest.mark.parametrize(
    ("original", "name"),
    [
        pytest.param("Vidéo n°1 - копия (最終版).mp4", "video-n-1", id="accents and scripts"),
        pytest.param("クリップ.mp4", "video", id="nothing left"),
        pytest.param("My_Street.Walk.MOV", "my-street-walk", id="underscores and dots"),
        pytest.param("..\\..\\evil.mp4", "evil", id="path of Windows"),
        pytest.param("a/b/deep.mp4", "deep", id="path"),
        pytest.param("=cmd()|.mp4", "cmd", id="formula"),
        pytest.param("", "video", id="empty"),
        pytest.param("--..--", "video", id="only signs"),
        pytest.param("aisle", "aisle", id="no ending"),
    ],
)
def test_a_name_is_plain_ascii(original, name):
    assert safe_name(original, taken=()) == name


def test_a_long_name_is_cut_and_ends_in_a_letter():
    name = safe_name("x" * 38 + "-and more.mp4", taken=())
    assert name == "x" * 38 + "-a"
    assert len(name) <= MAX_LENGTH


def test_names_differ_even_when_cut():
    taken = set()
    for _ in range(12):
        taken.add(safe_name("y" * 60, taken=taken))
    assert len(taken) == 12
    assert max(map(len, taken)) == MAX_LENGTH
    assert "y" * 37 + "-12" in taken


def test_the_same_arguments_give_the_same_name():
    assert (
        safe_name("a.mp4", taken={"a", "a-2"})
        == safe_name("a.mp4", taken={"a-2", "a"})
        == "a-3"
    )


def test_clip_and_frame_names_sort_as_they_run():
    clips = [clip_name("aisle", index) for index in range(120)]
    frames = [frame_name(clips[0], index) for index in range(450)]
    assert clips == sorted(clips)
    assert frames == sorted(frames)
