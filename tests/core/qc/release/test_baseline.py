"""The trained baseline: it learns what can be learned, and says when it cannot be trained."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from qc.core.release import baseline
from qc.core.release.baseline import trained_baseline
from qc.core.release.docs.card_figures import GoldCount, count_gold, gold_noise
from qc.core.release.docs.markup import markdown
from tests.core.qc.release.street_release import ACTIONS, GROUPS, PLACES, WIDTH, street
from tests.core.qc.release.tiny_release import write_release

WIDTHS = dict.fromkeys(PLACES, WIDTH)


def written(folder, action_of):
    """A street whose persons do what `action_of` gives for their number."""
    clips, footage_of = street()
    for place, clip in enumerate(clips):
        persons = [one._replace(action_ids=(action_of(one.person_id),)) for one in clip.persons]
        clips[place] = replace(clip, persons=persons)
    return write_release(folder, clips, footage_of=footage_of, actions=ACTIONS, groups=GROUPS)


@pytest.fixture(scope="module")
def street_folder(tmp_path_factory):
    """Each of three persons, one above the other, does something else."""
    return written(tmp_path_factory.mktemp("street") / "1", lambda person: 2 * person - 1)


def train(folder, **options):
    return trained_baseline(folder, WIDTHS, threshold=0.45, **({"has_frames": True} | options))


def test_what_the_place_of_a_person_tells_is_learned(street_folder, monkeypatch):
    monkeypatch.setattr(baseline, "LEAST_BOXES", {"train": 10, "val": 10})
    found = train(street_folder)
    assert found.mean_ap > 0.8
    assert (found.reason, found.boxes, found.keyframes) == ("", 57, 10)
    assert train(street_folder) == found


def test_without_images_it_reads_the_clips(street_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(baseline, "LEAST_BOXES", {"train": 10, "val": 10})
    folder = shutil.copytree(
        street_folder, tmp_path / "1", ignore=shutil.ignore_patterns("rawframes")
    )
    found = train(folder, has_frames=False)
    assert found.mean_ap == pytest.approx(train(street_folder).mean_ap, abs=0.1)


def test_labels_by_chance_are_not_learned(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "LEAST_BOXES", {"train": 10, "val": 10})
    random = np.random.default_rng(1)
    folder = written(tmp_path / "1", lambda person: int(random.choice([1, 3, 5])))
    assert train(folder).mean_ap < 0.6


def test_little_data_is_not_trained_on_and_the_sentence_says_so(street_folder):
    found = train(street_folder)
    assert found.mean_ap is None
    assert found.reason.startswith("Nothing is trained: train has 57 labelled boxes")
    assert (
        "no frames to learn from"
        in trained_baseline(street_folder, {}, threshold=0.0, has_frames=False).reason
    )


def test_votes_on_gold_clips_are_counted_by_action():
    units = [
        ({"#1": "walk", "#2": "walk", "#3": "stand"}, "walk"),
        ({"#1": ["wave"], "#2": [], "#3": None}, {"wave", "carry"}),
        ({"#1": "walk"}, "unset"),
        ({"#1": "unknown"}, "stand"),
    ]
    found = count_gold(units)
    assert found == {
        "carry": GoldCount(0, 2, 0), "stand": GoldCount(0, 1, 1), "walk": GoldCount(2, 1, 0),
        "wave": GoldCount(1, 1, 0),
    }  # fmt: skip
    said = markdown("Card", gold_noise(ACTIONS, found))
    assert "| walk | 2 | 0.0 % | 3 | 33.3 % |" in said
    assert "| carry | 0 | - | 2 | 100.0 % |" in said
    assert "talk" not in said
    assert "No gold clip was answered" in markdown("Card", gold_noise(ACTIONS, {}))
