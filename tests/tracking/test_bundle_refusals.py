"""Tracks in a bundle that do not fit their clips are refused before anything is imported."""

import hashlib
import json
import shutil
import zipfile

import pytest
from django.core.files.storage import default_storage

from datasets.core.formats.bundle_files import BundleError
from tests.make import make_dataset
from tests.stored_files import make_bundled_video
from tracking.services.export_bundle import make_bundle, request_bundle
from tracking.services.import_tracks import open_tracks

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path):
    """A copy of the files of a finished bundle."""
    dataset = make_dataset("shop")
    make_bundled_video(dataset, name="aisle")
    bundle = make_bundle(request_bundle(dataset).pk)
    return shutil.copytree(default_storage.path(bundle.folder), tmp_path / "bundle")


def replace_tracks(folder, content):
    """Put another `tracking_jsons.zip` in place, and into the manifest."""
    path = folder / "tracking_jsons.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, old in members.items():
            archive.writestr(name, content(name, old))
    facts = {
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"][path.name] = facts
    (folder / "manifest.json").write_text(json.dumps(manifest))


def hostile(**changes):
    def change(name, old):
        if name != "aisle-c0001.tracks.json":
            return old
        raw = json.loads(old)
        for key, value in changes.items():
            if key in raw:
                raw[key] = value
            else:
                raw["tracks"][0][key] = value
        return json.dumps(raw)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(hostile(width=64), "another size or length", id="size"),
        pytest.param(hostile(tracks=[]), "other tracks", id="tracks"),
        pytest.param(hostile(frames=[0, 1]), "is not whole", id="lengths"),
        pytest.param(hostile(frames=[5] * 120), "is not whole", id="order"),
        pytest.param(hostile(frames=list(range(1, 121))), "longer than its clip", id="end"),
        pytest.param(hostile(boxes=[[float("nan")] * 4] * 120), "is not whole", id="nan"),
        pytest.param(hostile(scores=["x"] * 120), "cannot be read", id="text"),
        pytest.param(hostile(boxes=[[9.0, 9, 5, 50]] * 120), "without area", id="inverted"),
        pytest.param(hostile(boxes=[[9.0, 9, 9e9, 50]] * 120), "leaves the", id="far away"),
        pytest.param(hostile(scores=[7.5] * 120), "not from 0 to 1", id="score"),
        pytest.param(hostile(frames=[10**30] * 120), "cannot be read", id="huge frame"),
        pytest.param(hostile(track_id=2), "other tracks", id="one track twice"),
        pytest.param(hostile(cuts=[120]), "a cut outside", id="cut past the end"),
        pytest.param(hostile(cuts=[7.5]), "cannot be read", id="cut between frames"),
        pytest.param(hostile(clip="aisle-c0000"), "not that of aisle-c0001", id="clip"),
        pytest.param(hostile(made_by=[1]), "not that of aisle-c0001", id="made by"),
        pytest.param(hostile(format="ava-studio-tracks/9"), "tracks/9", id="version"),
        pytest.param(hostile(frames=[[0, 1]] * 120), "nested lists", id="nested"),
        pytest.param(
            hostile(frames=[n + 0.5 for n in range(120)]), "not integers", id="halves"
        ),
        pytest.param(hostile(scores=[[0.5]] * 120), "nested lists", id="nested scores"),
        pytest.param(hostile(made_by={"a": float("nan")}), "not that of", id="made by nan"),
        pytest.param(hostile(made_by={"a": "\0"}), "not that of", id="made by zero"),
        pytest.param(hostile(made_by={"a": "\ud800"}), "not that of", id="made by half a sign"),
        pytest.param(hostile(made_by={"a": "x" * 99_999}), "not that of", id="made by much"),
        pytest.param(hostile(made_by={"detector": "x"}), "not that of", id="detector"),
        pytest.param(
            hostile(made_by={"detector": {"sha256": []}}), "not that of", id="weights"
        ),
        pytest.param(
            lambda name, old: old if "c0000" in name else b" " * (30 << 20),
            "more than 22.9 MB",
            id="a bomb",
        ),
        pytest.param(lambda name, old: b"no json", "cannot be read", id="no json"),
        pytest.param(lambda name, old: b"[" * 200_000, "cannot be read", id="deep"),
    ],
)
def test_tracks_that_do_not_fit_are_refused_with_a_sentence(folder, change, sentence):
    replace_tracks(folder, change)
    with pytest.raises(BundleError, match=sentence), open_tracks(folder):
        pass
