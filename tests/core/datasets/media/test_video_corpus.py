"""Every video of the shared corpus gets the expected result, to the frame."""

import json
from fractions import Fraction

import pytest

from datasets.core.media.standard_video import read_frames
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import MediaError, VideoLimits
from demo.world.frame_number import read_frame_number

HALF_A_FRAME = Fraction(1, 60)

pytestmark = [pytest.mark.slow, pytest.mark.shared]


@pytest.fixture(scope="module")
def results(shared, tmp_path_factory):
    """Name of each video -> its entry in the manifest, and the result."""
    corpus, folder = shared / "data" / "video-corpus", tmp_path_factory.mktemp("corpus")
    results = {}
    for video in json.loads((corpus / "manifest.json").read_text()):
        path = corpus / video["file"]
        results[path.name] = video, result_of(path, folder / "standard.mp4")
    return results


def result_of(path, target):
    """What was made of the video, with the number of each frame; or the error message."""
    try:
        made = standardise(path, target, longest_side=1280, limits=VideoLimits())
    except MediaError as error:
        return str(error)
    return made, [read_frame_number(rgb) for _, rgb in read_frames(target)]


def outcome(result):
    if isinstance(result, str):
        return "reject"
    return "warn" if result[0].warnings else "ok"


def right_times(video):
    """The time of each source frame, if the manifest knows it."""
    if "src_pts_ms" in video:
        return [Fraction(tick, 1000) for tick in video["src_pts_ms"]]
    if "src_fps" in video and "src_frames" in video:
        return [number / Fraction(video["src_fps"]) for number in range(video["src_frames"])]
    return []


def test_each_video_gets_its_outcome(results):
    expected = {name: video["expect"] for name, (video, _) in results.items()}
    # The manifest expects a warning, though most of it cannot be read.
    expected["bitflips.ts"] = "reject"
    assert {name: outcome(result) for name, (_, result) in results.items()} == expected


def test_a_refusal_names_the_video(results):
    refused = {name: result for name, (_, result) in results.items() if isinstance(result, str)}
    assert all(sentence.startswith(name) for name, sentence in refused.items())


def test_each_frame_of_a_good_video_is_the_one_shown_at_its_time(results):
    """Frame `k` is the last source frame whose time, to half a frame, is not after `k / 30`."""
    for name, (video, result) in results.items():
        times = right_times(video)
        if video["expect"] != "ok" or not times:
            continue
        made, numbers = result
        slack = HALF_A_FRAME + Fraction(video.get("tol_ms", 1), 1000)
        assert made.frame_count == len(numbers), name
        assert video["out_frames"] in (None, made.frame_count), name
        for index, number in enumerate(numbers):
            now = Fraction(index, 30)
            assert number is not None, (name, index)
            assert times[number] <= now + slack, (name, index)
            if number + 1 < len(times):
                assert times[number + 1] >= now - slack, (name, index)


def test_the_frames_before_a_cut_are_the_right_ones(results):
    """Whether or not the loss is visible, the frames are at their indices."""
    _, (made, numbers) = results["truncated_faststart.mp4"]
    assert numbers == list(range(made.frame_count))


def test_the_shown_size_is_kept(results):
    for name, (video, result) in results.items():
        if video["expect"] == "ok" and "display" in video:
            size = [result[0].width, result[0].height]
            assert size == [side // 2 * 2 for side in video["display"]], name


def test_a_video_that_depends_on_corrupt_frames_for_more_than_half_is_refused(results):
    _, sentence = results["bitflips.ts"]
    assert sentence.startswith(
        "bitflips.ts is damaged: more than half of it is unreadable at 0.3"
    )


def test_no_frame_of_a_corrupt_video_is_unreadable(results):
    for name, (video, result) in results.items():
        if video["expect"] == "warn" and not isinstance(result, str):
            assert None not in result[1], name
