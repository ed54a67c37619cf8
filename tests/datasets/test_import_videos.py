import os
import subprocess
import sys
import zipfile
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from avaproject.base.storage import StorageError
from datasets.models import Dataset

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.django_db


@pytest.fixture
def videos(tmp_path):
    path = tmp_path / "videos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("walk.mp4", b"1")
        archive.writestr("run.mp4", b"2")
        archive.writestr("notes.txt", b"3")
    return path


def imported(*arguments, **options):
    out = StringIO()
    call_command("import_videos", *map(str, arguments), stdout=out, **options)
    return out.getvalue()


def test_a_zip_becomes_the_videos_of_a_new_dataset(videos):
    said = imported(videos, "--dataset", "shop", "--vocabulary", "street", "--threshold", "0.3")
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.threshold, dataset.groups.count()) == ("shop", 0.3, 8)
    assert dataset.videos.count() == 2
    assert "2 new videos in dataset shop, 2 in all." in said


def test_each_skipped_file_is_listed_with_a_reason(videos):
    said = imported(videos, "--dataset", "shop")
    assert "skipped: notes.txt: not a video, by" in said


def test_importing_again_adds_nothing(videos):
    imported(videos, "--dataset", "shop")
    assert "0 new videos in dataset shop, 2 in all." in imported(videos, "--dataset", "shop")


def test_settings_of_an_existing_dataset_do_not_change(videos):
    imported(videos, "--dataset", "shop")
    said = imported(videos, "--dataset", "shop", "--threshold", "0.9")
    assert "settings do not change" in said
    assert Dataset.objects.get().threshold == 0.45


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "Shop 1"], "dataset 'Shop 1' cannot be created"),
        (["--dataset", "shop", "--vocabulary", "none"], "there is no vocabulary 'none'"),
        (["--dataset", "shop", "--annotation-fps", "7"], "annotation_fps"),
        (["--dataset", "shop", "--clip-seconds", "3"], "clip_seconds"),
    ],
)
def test_invalid_arguments_are_refused(videos, arguments, message):
    with pytest.raises(CommandError, match=message):
        imported(videos, *arguments)


def test_weights_may_be_a_relative_path_or_a_name(videos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.onnx").write_bytes(b"model")
    for name, given, kept in (
        ("here", "models/own.onnx", f"{tmp_path}/models/own.onnx"),
        ("named", "own.onnx", "own.onnx"),
        ("whole", "/elsewhere/own.onnx", "/elsewhere/own.onnx"),
    ):
        imported(videos, "--dataset", name, "--detector", "onnx", "--weights", given)
        assert Dataset.objects.get(name=name).weights == kept


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CommandError, match="there is no file"):
        imported(tmp_path / "none.zip", "--dataset", "shop")
    assert not Dataset.objects.exists()


def test_it_may_be_the_first_command_of_an_installation(videos, tmp_path):
    environment = os.environ | {"AVA_DATA_DIR": str(tmp_path / "data")}
    environment.pop("AVA_DATABASE_URL", None)
    command = [sys.executable, str(ROOT / "manage.py"), "import_videos", str(videos)]
    done = subprocess.run(
        [*command, "--dataset", "shop"], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "2 new videos in dataset shop, 2 in all." in done.stdout, done.stderr


def test_an_invalid_zip_is_refused_with_its_name(tmp_path):
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(CommandError, match=r"text\.zip: not a complete zip"):
        imported(tmp_path / "text.zip", "--dataset", "shop")


def test_a_storage_fault_is_reported(videos, monkeypatch):
    place, asked = default_storage.path, []

    def path(name):
        asked.append(name)
        if len(asked) > 1:
            raise StorageError("The bucket is away.")
        return place(name)

    monkeypatch.setattr(default_storage, "path", path)
    with pytest.raises(CommandError, match="The bucket is away"):
        imported(videos, "--dataset", "shop")
