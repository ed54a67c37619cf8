"""A zip sent by a real browser over a connection that breaks."""

import re
import zipfile
from random import Random

from playwright.sync_api import expect

from tests.browser import chromium_page
from tests.prototype import write_prototype
from tests.running import answer, free_port, password_of, running_up, wait_until
from tests.test_browser import log_in, make_dataset, pytestmark

__all__ = ["pytestmark"]


def large_zip(folder):
    """40 MB: three pieces."""
    path = folder / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("noise.mp4", Random(1).randbytes(40_000_000))
    return path


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
        pieces = []

        def second_piece_breaks(route):
            if route.request.method == "PATCH":
                pieces.append(int(route.request.headers["upload-offset"]))
                if len(pieces) == 2:
                    return route.abort()
            return route.continue_()

        page.route("**/transfers/**", second_piece_breaks)
        page.locator("#id_file").set_input_files(path)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text(re.compile("The connection broke"))).to_be_visible()
        page.unroute("**/transfers/**")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text(re.compile("^Paused"))).to_be_visible()
        page.reload()

        expect(page.get_by_text("Begun and not finished")).to_be_visible()
        page.locator("#id_file").set_input_files(path)
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url("**/datasets/tiny/")
        expect(page.get_by_text("large.zip has arrived")).to_be_visible()
        assert pieces == [0, 16 * 2**20]


def test_the_files_of_a_bundle_are_chosen_side_by_side_and_taken_over(tmp_path):
    port, files = free_port(), write_prototype(tmp_path / "bare")
    with running_up(tmp_path / "data", port) as process, chromium_page() as page:
        password = password_of(process)
        wait_until(lambda: answer(port) == 200)
        log_in(page, port, password)
        make_dataset(page)
        page.locator("#id_file").set_input_files(sorted(files.iterdir()))
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url("**/datasets/tiny/")
        expect(page.get_by_text("bundle.zip has arrived")).to_be_visible()
        page.goto(f"http://127.0.0.1:{port}/datasets/tiny/tracking/")
        expect(page.get_by_text("2 clips, 4 tracks")).to_be_visible()
        expect(page.get_by_text("2 clips came without film:")).to_be_visible()
