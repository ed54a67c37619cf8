"""Results of a model on a release: read, evaluated, and refused with a reason."""

import pytest

from qc.core.release.evaluation import ResultsError, evaluate
from qc.core.release.reader import ReleaseReader
from tests.core.qc.release.tiny_release import LEFT, RIGHT

TRUE_ROWS = [
    f"shop-c0000,0902,{LEFT},1,0.9\n",
    f"shop-c0000,0902,{LEFT},3,0.8\n",
    f"shop-c0000,0903,{LEFT},2,0.7\n",
]


def test_the_truth_as_results_is_perfect(whole):
    found = evaluate(ReleaseReader(whole), TRUE_ROWS, split="train")
    assert (found.mean_ap, found.per_action) == (1.0, {1: 1.0, 2: 1.0, 3: 1.0})


def test_a_keyframe_without_results_counts_as_missed(whole):
    found = evaluate(ReleaseReader(whole), TRUE_ROWS[:2], split="train")
    assert found.per_action == {1: 1.0, 2: 0.0, 3: 1.0}


def test_a_box_where_nobody_acts_is_wrong(whole):
    better = f"shop-c0001,0902,{RIGHT},1,0.95\n"
    found = evaluate(ReleaseReader(whole), [better, *TRUE_ROWS], split="train")
    assert found.per_action[1] == 0.5


def test_rows_at_excluded_keyframes_are_ignored(whole):
    rows = [f"street-c0000,0902,{RIGHT},2,0.5\n", f"street-c0000,0903,{RIGHT},2,0.9\n"]
    found = evaluate(ReleaseReader(whole), rows, split="val")
    assert (found.mean_ap, found.ignored) == (1.0, 1)


@pytest.mark.parametrize(
    ("rows", "split", "sentence"),
    [
        (TRUE_ROWS, "test", "no split test; it has train, val"),
        (TRUE_ROWS, "val", "None of the 3 rows is at a keyframe of val"),
        ([TRUE_ROWS[0], "shop-c0000,902,0,0,1,1,2\n"], "train", "Row 2 is not video_id"),
        (["shop-c0000,902,0,0,1,nan,2,0.5\n"], "train", "Row 1 is not video_id"),
        (["video_id,timestamp,x1,y1,x2,y2,action_id,score\n"], "train", "Row 1 is not"),
    ],
)
def test_what_cannot_be_evaluated_is_said(whole, rows, split, sentence):
    with pytest.raises(ResultsError, match=sentence):
        evaluate(ReleaseReader(whole), rows, split=split)
