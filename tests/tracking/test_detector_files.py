"""The page of detector files, and what a new dataset says of a missing one."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from datasets.forms import DatasetForm
from tests.make import make_dataset, make_user
from tracking.services.detector_files import DetectorFileError, detector_files, store_file

pytestmark = pytest.mark.django_db
URL = reverse("tracking:files")


@pytest.fixture
def folder(settings, tmp_path):
    settings.WEIGHTS_DIR = tmp_path / "weights"
    settings.WEIGHTS_DIR.mkdir()
    return settings.WEIGHTS_DIR


@pytest.fixture
def operator(client):
    user = make_user("operator", is_superuser=True)
    user.is_staff = True
    user.save()
    client.force_login(user)
    return client


def test_files_are_listed_with_their_datasets_and_missing_ones_are_named(folder):
    (folder / "own.onnx").write_bytes(b"abc")
    (folder / "boxes").mkdir()
    make_dataset("shop", weights="own.onnx")
    make_dataset("yard", weights="gone.pth")
    found = {one.name: (one.size, one.detector, one.datasets) for one in detector_files()}
    assert found == {
        "own.onnx": (3, "onnx", ["shop"]),
        "boxes": (0, "imported", []),
        "gone.pth": (None, "rfdetr-file", ["yard"]),
    }


def test_an_upload_is_stored_once_and_checked(folder, operator):
    file = SimpleUploadedFile("own.onnx", b"no model at all")
    page = operator.post(URL, {"file": file}, follow=True).content.decode()
    assert (folder / "own.onnx").read_bytes() == b"no model at all"
    assert "is not an ONNX model" in page
    with pytest.raises(DetectorFileError, match="already a file"):
        store_file("own.onnx", [b"another"])
    assert (folder / "own.onnx").read_bytes() == b"no model at all"
    assert [one.name for one in folder.iterdir()] == ["own.onnx"]


@pytest.mark.parametrize("name", ["../own.onnx", "own.exe", "", ".onnx/x"])
def test_other_files_and_paths_are_refused(folder, name):
    with pytest.raises(DetectorFileError, match="not a file of a detector"):
        store_file(name, [b"abc"])
    assert not list(folder.iterdir())


def test_the_page_is_for_operators(client, folder):
    client.force_login(make_user("member"))
    assert client.get(URL).status_code == 404
    assert client.post(URL).status_code == 404


def test_a_new_dataset_refuses_a_file_that_is_missing(folder):
    user = make_user("boss")
    data = {
        "name": "shop", "vocabulary": "street", "detector": "onnx", "weights": "own.onnx",
        "threshold": 0.4, "longest_side": 640, "clip_seconds": 15, "annotation_fps": 5,
        "frame_stride": 1,
    }  # fmt: skip
    assert "There is no own.onnx in" in str(DatasetForm(data, user=user).errors["weights"])
    (folder / "own.onnx").write_bytes(b"abc")
    assert DatasetForm(data, user=user).is_valid()
