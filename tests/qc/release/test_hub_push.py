"""Releases pushed to a double of the Hugging Face Hub."""

import pytest
import yaml
from huggingface_hub import HfApi

from qc.core.release.options import ReleaseOptions
from qc.services.release.hub_push import PushError, push_release
from qc.services.release.make_release import make_release, request_release
from tests.qc.release.corner import made
from tests.qc.release.hub_double import running_hub

pytestmark = pytest.mark.django_db


@pytest.fixture
def with_tables(dataset):
    """A release of clips without frames, with Parquet tables."""
    options = ReleaseOptions(with_frames=False, formats=("parquet",))
    release = make_release(request_release(dataset, options=options).pk)
    assert release.error == ""
    return release


def test_a_release_is_pushed_with_tables_that_the_viewer_finds(with_tables):
    with running_hub() as (hub, address):
        api = HfApi(endpoint=address, token="hf_test")
        result = push_release(with_tables, "hf:lab/corner", parts=["clips"], api=api)
    files = hub.repositories["lab/corner"]
    assert (result.repository, hub.private["lab/corner"]) == ("lab/corner", True)
    assert hub.messages == ["corner release 1, version 1.0.0"]
    header = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    for table in header["configs"][0]["data_files"]:
        assert files[table["path"]].startswith(b"PAR1")
    assert {one["split"] for one in header["configs"][0]["data_files"]} == {
        "train", "validation",
    }  # fmt: skip
    assert "clips/yard-c0000.mp4" in files
    assert "manifest.json" in files


def test_parts_that_are_not_wanted_stay_here(with_tables):
    with running_hub() as (hub, address):
        api = HfApi(endpoint=address, token="hf_test")
        push_release(with_tables, "hf:lab/corner", parts=[], api=api)
    assert not [name for name in hub.repositories["lab/corner"] if name.startswith("clips/")]


@pytest.mark.parametrize(
    ("target", "is_private", "sentence"),
    [
        ("s3:lab/corner", True, "'s3:lab/corner' is not a target such as hf:ORG/NAME"),
        ("hf:corner", True, "is not a target"),
        ("hf:lab/corner", False, "is not a public release: push it with --private"),
    ],
)
def test_what_cannot_be_pushed_is_a_sentence(with_tables, target, is_private, sentence):
    with pytest.raises(PushError, match=sentence):
        push_release(with_tables, target, parts=[], api=HfApi(), is_private=is_private)


def test_a_release_without_tables_is_not_pushed(dataset):
    with pytest.raises(PushError, match="make it with --format parquet"):
        push_release(made(dataset), "hf:lab/corner", parts=[], api=HfApi())
