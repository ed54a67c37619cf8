"""What the test of the user's guide needs: videos, detections, names on a page, images."""

import io
import json
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from datasets.core.zip_writer import new_zip
from demo.world.renderer import render, truth_at
from demo.world.video_spec import STANDARD_RATE, VideoSpec

MIN_VISIBLE = 0.4  # of a person that is detected
MAX_BYTES = 150_000
COLOURS = (256, 192, 128, 96, 64, 48, 32)

# All texts by which a page names its parts, without the counts in them.
NAMES = """() => [...document.querySelectorAll(
        "a, button, h1, h2, legend, label, .label, summary, th, dt, option, .badge, header b")]
    .flatMap((one) => [one.innerText, ...[...one.childNodes]
        .filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.textContent)])
    .map((text) => text.trim())"""


def videos_zip(specs: tuple[VideoSpec, ...], folder: Path) -> Path:
    target = folder / "city-scenes.zip"
    with new_zip(target) as archive:
        for spec in specs:
            archive.add_file(spec.file_name, render(spec, folder))
    return target


def write_true_detections(specs: tuple[VideoSpec, ...], folder: Path) -> None:
    """The boxes of all visible people, for the detector `imported`."""
    folder.mkdir(parents=True)
    for spec in specs:
        frames = {
            frame: [
                [x1 * spec.width, y1 * spec.height, x2 * spec.width, y2 * spec.height, visible]
                for _, (x1, y1, x2, y2), visible, _ in truth_at(spec, frame)
                if visible >= MIN_VISIBLE
            ]
            for frame in range(spec.seconds * STANDARD_RATE)
        }
        content = {"format": "ava-studio-detections/1", "frames": frames}
        (folder / f"{spec.name}.json").write_text(json.dumps(content))


def names_on(page: Page) -> set[str]:
    return set(page.evaluate(NAMES))


def save_screenshot(page: Page, path: Path, *, height: int, limit: int = MAX_BYTES) -> None:
    """The upper `height` pixels of the page as PNG with a palette, below `limit` bytes."""
    page.set_viewport_size({"width": 1440, "height": height})
    page.wait_for_load_state("networkidle")
    image = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    for colours in COLOURS:
        file = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() < limit:
            break
    path.write_bytes(file.getvalue())
    page.set_viewport_size({"width": 1440, "height": 900})
