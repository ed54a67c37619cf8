"""A synthetic video for benchmarks: texture, a pan, moving spots, sensor noise."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

SIZE = (1920, 1080)
RATE = 30


def make_video_file(path: Path, seconds: int) -> None:
    """1080p at 30 fps and about 5 Mbit/s."""
    width, height = SIZE
    random = np.random.default_rng(3)
    ground = np.zeros((height, width + 400, 3), np.float32)
    for octave in range(7):  # 1/f noise: each finer octave has half the amplitude
        grain = random.normal(0, 40 / 2**octave, (2 ** (octave + 2), 2 ** (octave + 3), 3))
        ground += cv2.resize(
            grain.astype(np.float32), (width + 400, height), interpolation=cv2.INTER_CUBIC
        )
    ground = np.clip(ground + 128, 20, 235).astype(np.uint8)
    noises = [random.normal(0, 3, (height, width, 3)).astype(np.int16) for _ in range(8)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream(
            "libx264", rate=RATE, options={"preset": "superfast", "b": "4600000"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * RATE):
            shift = int(200 + 190 * np.sin(number / 90))
            image = np.ascontiguousarray(ground[:, shift : shift + width])
            for spot in range(6):
                x = int(width * (0.5 + 0.45 * np.sin(number / (40 + 9 * spot) + spot)))
                cv2.circle(image, (x, 120 + 160 * spot), 60, (40 * spot, 90, 200), -1)
            noisy = np.clip(image + noises[number * 5 % 8], 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


if __name__ == "__main__":
    make_video_file(Path(sys.argv[1]), int(sys.argv[2]))
