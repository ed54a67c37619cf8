"""What `./ava bench train` says of trainings, and which finished ones it takes for its own."""

import pytest

from benchmarks.training import _recipes, train
from benchmarks.training._faults import FAULTS
from tests.core.qc.release.tiny_release import write_release


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("world") / "1")


def outcomes(**maps):
    return {
        train.Run(fault, seed): train.Outcome(value, {"walk": value}, value, None, 60.0)
        for fault, values in maps.items()
        for seed, value in zip(train.SEEDS, values, strict=True)
    }


def test_a_fault_that_is_not_told_apart_breaks_the_limit(world):
    true, close, far = (0.60, 0.62, 0.64), (0.58, 0.62, 0.63), (0.20, 0.21, 0.22)
    figures, broken = train.report(
        outcomes(true=true, shuffled=far, late=close), 0.92, world, 2.0
    )
    assert broken == [
        "true labels are not told apart from late ones: 0.010, 0.5 standard errors"
    ]
    assert "58% of the way" in figures
    assert figures.endswith("Not run: mirrored, swapped.")


def test_all_faults_told_apart_break_nothing(world):
    true, far = (0.60, 0.62, 0.64), (0.20, 0.21, 0.22)
    figures, broken = train.report(
        outcomes(true=true, **dict.fromkeys(FAULTS, far)), 0.92, world, 2.0
    )
    assert broken == []
    assert "Not run" not in figures


def test_runs_of_other_settings_or_programs_are_not_taken_for_these(tmp_path, monkeypatch):
    first = train.runs_folder(tmp_path, 2.0)
    assert train.runs_folder(tmp_path, 2.0) == first
    assert train.runs_folder(tmp_path, 1.0) != first
    monkeypatch.setattr(train, "SETTINGS", f"{train.SETTINGS} --rate 1")
    assert train.runs_folder(tmp_path, 2.0) != first
    monkeypatch.undo()
    copy = tmp_path / "train/train.py"
    copy.parent.mkdir()
    copy.write_bytes(train.TRAIN.read_bytes() + b"#")
    monkeypatch.setattr(train, "TRAIN", copy)
    assert train.runs_folder(tmp_path, 2.0) != first


@pytest.mark.parametrize("name", _recipes.RECIPES)
def test_the_page_shows_each_recipe_as_it_is(name):
    lines = (_recipes.EXAMPLES / f"recipes/{name}.sh").read_text()
    assert f"```bash\n{lines}```\n" in _recipes.PAGE.read_text()
    assert _recipes.RECIPES[name].small[0] in lines


def test_recipes_that_were_not_run_stay_on_the_page(tmp_path, monkeypatch):
    page = tmp_path / "train.md"
    marks = [f"<!-- recipe {name} -->\nold\n<!-- end of {name} -->" for name in "ab"]
    page.write_text("\n".join(["before", *marks, "after"]))
    monkeypatch.setattr(_recipes, "PAGE", page)
    monkeypatch.setattr(_recipes, "section", lambda name, found: f"{name}: {found['result']}\n")
    _recipes.write_page({"b": {"result": "ran"}})
    new = "<!-- recipe b -->\nb: ran\n<!-- end of b -->"
    assert page.read_text() == "\n".join(["before", marks[0], new, "after"])
