"""Pictures against a video as the frames of a CVAT task: numbers and pixels, frame by frame.

    AVA_CVAT_URL=http://... AVA_CVAT_TOKEN=... ./ava bench cvat_frames

On the server of these settings a project with two tasks is made and removed: the same numbered
frames as JPEGs, as AVA Studio sends them, and as an H.264 video of keyframes only. Each is
fetched as CVAT shows it (compressed) and as it keeps it (original), its number is read from the
picture, and its pixels are compared with those of the JPEG that was sent.
"""

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import requests
from numpy.typing import NDArray
from PIL import Image

from annotation.cvat.client import CvatClient
from annotation.cvat.task_upload import IMAGE_QUALITY
from annotation.cvat.transport import Address

COUNT, WIDTH, HEIGHT, BITS = 90, 640, 360, 16
BLOCK = WIDTH // BITS
SECONDS = 30.0  # a call

Frame = NDArray[np.uint8]


def main() -> None:
    url, token = os.environ.get("AVA_CVAT_URL", ""), os.environ.get("AVA_CVAT_TOKEN", "")
    if not url or not token:
        print("Not run: set AVA_CVAT_URL and AVA_CVAT_TOKEN to a CVAT server.")
        return
    client = CvatClient(Address(url, os.environ.get("AVA_CVAT_ORGANISATION", ""), token=token))
    project = client.create_project("frames of a task", [{"name": "person", "attributes": []}])
    try:
        with tempfile.TemporaryDirectory() as folder:
            jpegs = list(_jpegs(Path(folder)))
            video = _video(Path(folder), jpegs)
            for name, files in (("pictures", jpegs), ("video", [video])):
                task = client.create_task(project, name, frame_count=COUNT)
                client.upload_frames(task, files, quality=IMAGE_QUALITY)
                client.wait_until_created(task)
                size = sum(path.stat().st_size for path in files) / 1e6
                for quality in ("original", "compressed"):
                    print(f"{name:<8} {size:4.1f} MB  {quality:<10}", end="  ", flush=True)
                    print(_compared(url, token, task, quality, jpegs))
    finally:
        client.delete_project(project)


def _compared(url: str, token: str, task: int, quality: str, jpegs: list[Path]) -> str:
    right, means, most = 0, [], 0
    for number, path in enumerate(jpegs):
        answer = requests.get(
            f"{url}/api/tasks/{task}/data",
            params={"type": "frame", "number": str(number), "quality": quality},
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
        )
        answer.raise_for_status()
        shown = _pixels(io.BytesIO(answer.content))
        difference = np.abs(shown.astype(int) - _pixels(path).astype(int))
        right += _number(shown) == number
        means.append(float(difference.mean()))
        most = max(most, int(difference.max()))
    return (
        f"{right} of {len(jpegs)} numbers right; pixels differ by {np.mean(means):.2f} grey "
        f"levels on average, {most} at most"
    )


def _jpegs(folder: Path) -> Iterator[Path]:
    """Frames with a moving texture, their number in black and white blocks at the top."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 255, (HEIGHT // 8, WIDTH // 4, 3), np.uint8))
    texture = np.array(small.resize((2 * WIDTH, HEIGHT), Image.Resampling.BICUBIC))
    for number in range(COUNT):
        frame = texture[:, 4 * number : 4 * number + WIDTH].copy()
        for bit in range(BITS):
            frame[:BLOCK, BLOCK * bit : BLOCK * (bit + 1)] = 255 * (number >> bit & 1)
        path = folder / f"{number:06d}.jpg"
        Image.fromarray(frame).save(path, quality=95)
        yield path


def _video(folder: Path, jpegs: list[Path]) -> Path:
    path = folder / "frames.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "12", "g": "1", "bf": "0"}
        for jpeg in jpegs:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_pixels(jpeg))))
        container.mux(stream.encode())
    return path


def _pixels(file: Path | io.BytesIO) -> Frame:
    return np.array(Image.open(file).convert("RGB"))


def _number(frame: Frame) -> int:
    middle = frame[BLOCK // 2, BLOCK // 2 :: BLOCK].mean(axis=1) > 127
    return sum(1 << bit for bit, is_white in enumerate(middle) if is_white)


if __name__ == "__main__":
    main()
