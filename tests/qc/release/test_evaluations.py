"""Evaluations of models on releases: the command, and the learning curve on the page."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.urls import reverse

from qc.models import Release, ReleaseEvaluation
from qc.selectors.release.learning_curve import MAX_LABEL, TONES, learning_curve
from qc.services.release.evaluations import record_evaluation
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset():
    return make.make_dataset("corner")


def released(dataset, number, *, keyframes, ceiling=0.8):
    return Release.objects.create(
        dataset=dataset, number=number, stage="done",
        counts={"splits": {"train": {"keyframes": keyframes}}, "oracle_aps": {"val": ceiling}},
    )  # fmt: skip


def record(*arguments):
    out = StringIO()
    call_command("record_evaluation", "--dataset", "corner", *arguments, stdout=out)
    return out.getvalue()


def test_a_figure_from_elsewhere_is_recorded_once_per_model_and_split(dataset):
    released(dataset, 1, keyframes=60)
    record("1", "--model", "SlowFast R50", "--map", "0.25")
    said = record("1", "--model", "SlowFast R50", "--map", "0.31")
    assert said == "SlowFast R50 on val of corner release 1: mAP 0.3100\n"
    assert ReleaseEvaluation.objects.get().mean_ap == 0.31
    record("1", "--model", "SlowFast R50", "--remove")
    assert not ReleaseEvaluation.objects.exists()


def test_results_are_evaluated_on_the_files_of_the_release(dataset, tmp_path):
    from tests.core.qc.release.tiny_release import RIGHT, write_release

    release = released(dataset, 1, keyframes=60)
    write_release(Path(default_storage.path("corner/releases/1")))
    Release.objects.filter(pk=release.pk).update(folder="corner/releases/1")
    results = tmp_path / "results.csv"
    results.write_text(f"street-c0000,0902,{RIGHT},2,0.5\n")
    assert "mAP 1.0000" in record("1", "--model", "r3d", "--results", str(results))
    assert ReleaseEvaluation.objects.get().per_action == {"2": 1.0}
    results.write_text("a,b\n")
    with pytest.raises(CommandError, match="Row 1 is not video_id"):
        record("1", "--model", "r3d", "--results", str(results))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["2", "--model", "m", "--map", "0.5"], "has no release 2; there are: 1"),
        (["1", "--model", "m", "--map", "31"], "between 0 and 1, not 31"),
        (["1", "--model", " ", "--map", "0.3"], "needs a name"),
        (["1", "--model", "m", "--remove"], "Nothing is recorded of m"),
        (["1", "--model", "m", "--results", "none.csv"], "give the mAP itself"),
    ],
)
def test_what_cannot_be_recorded_is_said(dataset, arguments, sentence):
    released(dataset, 1, keyframes=60)
    with pytest.raises(CommandError, match=sentence):
        record(*arguments)
    assert not ReleaseEvaluation.objects.exists()


def test_the_curve_rises_with_labelled_time(dataset):
    for number, keyframes, value in ((1, 1800, 0.2), (2, 7200, 0.4)):
        release = released(dataset, number, keyframes=keyframes)
        record_evaluation(release, model="r3d", mean_ap=value)
        record_evaluation(release, model="r3d", mean_ap=value, split="test")
    curve = learning_curve(dataset)
    assert [line.name for line in curve.lines] == ["r3d (test)", "r3d"]
    first, second = curve.lines[1].points
    assert first.x < second.x
    assert first.y > second.y  # SVG: upwards is smaller
    assert "release 2: mAP 0.400 on val, 2.00 hours labelled" in second.title
    shares = {(row.release, row.split): row.of_ceiling for row in curve.rows}
    assert shares == {(1, "val"): 0.25, (2, "val"): 0.5, (1, "test"): None, (2, "test"): None}


def test_little_labelled_time_is_in_minutes_and_none_is_drawn(dataset):
    release = released(dataset, 1, keyframes=90)
    record_evaluation(release, model="r3d", mean_ap=0.0)
    assert learning_curve(dataset).unit == "minutes"
    Release.objects.update(counts={})
    assert len(learning_curve(dataset).lines[0].points) == 1


def test_long_names_with_the_same_beginning_are_told_apart_in_the_key(dataset):
    release = released(dataset, 1, keyframes=60)
    for rate in ("0.01", "0.02"):
        model = f"slowfast_r101_8x8_kinetics400_pretrained_lr{rate}"
        record_evaluation(release, model=model, mean_ap=0.4)
    names = [line.name for line in learning_curve(dataset).lines]
    assert names == ["slowfast_r1…ained_lr0.01", "slowfast_r1…ained_lr0.02"]
    assert {len(name) for name in names} == {MAX_LABEL}


def test_a_dozen_models_have_lines_of_their_own(dataset):
    release = released(dataset, 1, keyframes=60)
    for number in range(TONES + 1):
        record_evaluation(release, model=f"model {number:02d}", mean_ap=0.4)
    tones = [line.tone for line in learning_curve(dataset).lines]
    assert tones == [*range(12), 0]
    css = Path("static/qc/releases.css").read_text()
    assert all(f".m{tone}" in css for tone in tones)


def test_the_page_shows_the_curve_where_something_is_recorded(client, dataset, admin_user):
    client.force_login(admin_user)
    address = reverse("qc:releases", args=["corner"])
    assert "Learning curve" not in client.get(address).content.decode()
    long = "a model with a very long name " * 3
    record_evaluation(released(dataset, 1, keyframes=60), model=long, mean_ap=0.5)
    page = client.get(address).content.decode()
    assert "Learning curve" in page
    assert "0.500" in page
    assert f'title="{long.strip()}"' in page
