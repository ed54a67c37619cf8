"""Every film of the corpus beside the repository gets its verdict, to the frame."""

import json
from fractions import Fraction

import pytest

from datasets.core.media.standard_video import Limits, MediaError, read_frames, standardise
from demo.world.frame_number import read_frame_number

HALF_A_FRAME = Fraction(1, 60)

pytestmark = [pytest.mark.slow, pytest.mark.shared]


@pytest.fixture(scope="module")
def results(shared, tmp_path_factory):
    """Name of each film -> its entry in the manifest, and what came of it."""
    corpus, folder = shared / "data" / "video-corpus", tmp_path_factory.mktemp("corpus")
    results = {}
    for film in json.loads((corpus / "manifest.json").read_text()):
        path = corpus / film["file"]
        results[path.name] = film, result_of(path, folder / "standard.mp4")
    return results


def result_of(path, target):
    """What was made of the film, with the number of each frame; or the sentence of refusal."""
    try:
        made = standardise(path, target, longest_side=1280, limits=Limits())
    except MediaError as error:
        return str(error)
    return made, [read_frame_number(rgb) for _, rgb in read_frames(target)]


def verdict(result):
    if isinstance(result, str):
        return "reject"
    return "warn" if result[0].warnings else "ok"


def right_times(film):
    """The time of each source picture, if the manifest knows it."""
    if "src_pts_ms" in film:
        return [Fraction(tick, 1000) for tick in film["src_pts_ms"]]
    if "src_fps" in film and "src_frames" in film:
        return [number / Fraction(film["src_fps"]) for number in range(film["src_frames"])]
    return []


def test_each_film_gets_its_verdict(results):
    expected = {name: film["expect"] for name, (film, _) in results.items()}
    # The manifest lets it pass with a warning, though most of it cannot be read.
    expected["bitflips.ts"] = "reject"
    assert {name: verdict(result) for name, (_, result) in results.items()} == expected


def test_a_refusal_names_the_film(results):
    refused = {name: result for name, (_, result) in results.items() if isinstance(result, str)}
    assert all(sentence.startswith(name) for name, sentence in refused.items())


def test_each_slot_of_a_good_film_shows_the_picture_that_was_on(results):
    """Slot `k` shows the last picture whose time, to half a frame, is not after `k / 30`."""
    for name, (film, result) in results.items():
        times = right_times(film)
        if film["expect"] != "ok" or not times:
            continue
        made, numbers = result
        slack = HALF_A_FRAME + Fraction(film.get("tol_ms", 1), 1000)
        assert made.frame_count == len(numbers), name
        assert film["out_frames"] in (None, made.frame_count), name
        for slot, number in enumerate(numbers):
            now = Fraction(slot, 30)
            assert number is not None, (name, slot)
            assert times[number] <= now + slack, (name, slot)
            if number + 1 < len(times):
                assert times[number + 1] >= now - slack, (name, slot)


def test_the_frames_before_a_cut_are_the_right_ones(results):
    """Whether or not the loss can be seen, what is there is in its place."""
    _, (made, numbers) = results["truncated_faststart.mp4"]
    assert numbers == list(range(made.frame_count))


def test_the_shown_size_is_kept(results):
    for name, (film, result) in results.items():
        if film["expect"] == "ok" and "display" in film:
            size = [result[0].width, result[0].height]
            assert size == [side // 2 * 2 for side in film["display"]], name


def test_a_film_of_which_more_than_half_is_built_on_damage_is_refused(results):
    _, sentence = results["bitflips.ts"]
    assert sentence.startswith(
        "bitflips.ts is damaged: more than half of it is unreadable at 0.3"
    )


def test_no_slot_of_a_damaged_film_shows_an_unreadable_picture(results):
    for name, (film, result) in results.items():
        if film["expect"] == "warn" and not isinstance(result, str):
            assert None not in result[1], name
