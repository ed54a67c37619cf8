"""What it costs to feed a detector: decoding, resizing and tracking, around the real stage.

    ./ava bench feeding

A clip of 720p goes through `track_clip` as in the product, from the file to the stored tracks.
It is a synthetic video of 1080p (`_video.py`: texture, a pan, sensor noise) that `standardise`
has made a standard video of, about 0.9 Mbit/s; one with more detail takes longer to decode.
Every measurement is a process of its own. The detector alone is timed just before and just
after each round of the whole stage, and the median of the rounds' ratios counts.

GPU: a detector that sleeps for `GPU_SECONDS` a frame, as long as RF-DETR takes on a graphics
card, and sees ten people who walk. RF-DETR is given whole images, as the package wants them,
and makes them smaller on the card; so what is counted is all that is done on the CPU beside it:
decoding, RGB, batches, tracking, storing, and the looks of the people, which a dataset compares
unless it is told not to. Without looks stands next to the floor: PyAV alone, decoding the same
file in one thread to RGB images that nobody takes.

ONNX: an RF-DETR nano on this machine's CPU, with random weights, which are no faster or slower.
The same detector looks at the same images once more, decoded already, in the same process.
With `--weights` any other model of the detector `onnx`: the faster it is, the more feeding
weighs, for both need the same processors.

Memory: the highest mark of clips of 15, 30 and 60 seconds.
"""

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from benchmarks._video import make_video_file

GPU_SECONDS = 0.010  # a frame
BATCH = 8
PERSONS = 10
SHARE, CPU_MILLISECONDS, RATE = 0.05, 3.0, 0.95  # the limits
GROWTH = 64  # MB; the looks of all in a clip of 60 s take 12, and are held up to four times
LOOK_MILLISECONDS = 1.0  # a person and frame
ROUNDS = 5
FRAMES = 450
HISTOGRAM = "histogram"  # the looks of a new dataset
LENGTHS = (1, 2, 4)  # of the clips whose memory is measured, in 15 seconds
ONNX_FRAMES = 60


class GpuStandIn:
    """Takes a graphics card's time, and none of the CPU's."""

    batch_size = BATCH

    def __init__(self) -> None:
        from tracking.core.boxes import Detections, cxcywh_to_xyxy

        self.about = {"name": "stand-in"}
        random = np.random.default_rng(0)
        people = random.uniform([50, 100, 50, 150], [1000, 400, 90, 260], (PERSONS, 4))
        walked = people + np.arange(FRAMES)[:, None, None] * [0.5, 0, 0, 0]
        boxes = cxcywh_to_xyxy(walked + random.normal(0, 2, walked.shape))
        self._seen = [Detections(one, np.full(PERSONS, 0.9)) for one in boxes]
        self._frame = 0

    def detect(self, frames: Sequence[np.ndarray]) -> list:
        time.sleep(GPU_SECONDS * len(frames))
        self._frame += len(frames)
        return [self._seen[i % FRAMES] for i in range(self._frame - len(frames), self._frame)]


class Beside(NamedTuple):
    """What the stage costs beside the stand-in."""

    share: float  # seconds the whole stage takes for each of the detector's own
    cost: float  # CPU ms a frame without looks
    look: float  # CPU ms of the looks a person and frame
    floor: float  # CPU ms a frame of decoding to RGB, with PyAV alone


def on_a_gpu(video: Path) -> Beside:
    """The medians of some rounds."""
    images = [np.zeros((720, 1280, 3), dtype=np.uint8)] * BATCH
    costs, plain, floors = [], [], []

    def alone() -> float:
        detector = GpuStandIn()
        began = time.perf_counter()
        for start in range(0, FRAMES, BATCH):
            detector.detect(images[: FRAMES - start])
        return time.perf_counter() - began

    def whole() -> float:
        took = track(GpuStandIn())
        costs.append(1000 * took.computed / FRAMES)
        plain.append(1000 * track(GpuStandIn(), appearance="").computed / FRAMES)
        floors.append(1000 * _decoding(video) / FRAMES)
        return took.seconds

    with _studio(video, FRAMES) as track:
        track(GpuStandIn())
        share = statistics.median(whole / alone for whole, alone in _in_turns(whole, alone))
    cost, without, floor = map(statistics.median, (costs, plain, floors))
    return Beside(share, without, (cost - without) / PERSONS, floor)


def _in_turns(
    whole: Callable[[], float], alone: Callable[[], float]
) -> list[tuple[float, float]]:
    """The seconds of `whole`, and of `alone` around it, in each round."""
    rounds, before = [], alone()
    for _ in range(ROUNDS):
        took, after = whole(), alone()
        rounds.append((took, (before + after) / 2))
        before = after
    return rounds


def _decoding(video: Path) -> float:
    """CPU seconds that PyAV takes for the images of `video` in one thread."""
    began = time.thread_time()
    with av.open(str(video)) as source:
        source.streams.video[0].codec_context.thread_count = 1
        for frame in source.decode(video=0):
            frame.to_ndarray(format="rgb24")
    return time.thread_time() - began


def on_this_cpu(video: Path, weights: Path, frames: int) -> tuple[float, float]:
    """Frames a second of the whole stage, and of the detector alone."""
    from datasets.core.media.standard_video import read_frames
    from tracking.detectors.registry import open_detector

    with _studio(video, frames) as track:
        detector = open_detector("onnx", weights=str(weights), threshold=0.3)
        images = [rgb for _, rgb in read_frames(video, count=frames)]
        detector.detect(images[: detector.batch_size])

        def alone() -> float:
            began = time.perf_counter()
            detector.detect(images)
            return time.perf_counter() - began

        rounds = _in_turns(lambda: track(detector).seconds, alone)
    whole, alone_took = sorted(rounds, key=lambda pair: pair[0] / pair[1])[ROUNDS // 2]
    return frames / whole, frames / alone_took


def highest_memory(video: Path, frames: int) -> float:
    """MB at most of a process that tracks a clip of so many frames."""
    with _studio(video, frames) as track:
        track(GpuStandIn())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Took(NamedTuple):
    """How long a stage took."""

    seconds: float
    computed: float  # CPU seconds of all threads


class _studio:  # noqa: N801 - read as a word: with _studio(...) as track
    """A folder and database of its own with one clip; calling it tracks the clip."""

    def __init__(self, video: Path, frames: int) -> None:
        self._video, self._frames = video, frames

    def __enter__(self) -> "_studio":
        self._folder = tempfile.TemporaryDirectory()
        os.environ |= {"AVA_DATA_DIR": self._folder.name, "AVA_LOG_LEVEL": "ERROR"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "avaproject.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        from avaproject.base.storage import store
        from avaproject.base.work import Stage
        from datasets.models import Clip
        from tests.make import make_dataset, make_video

        copy = shutil.copy(self._video, Path(self._folder.name) / "copy.mp4")
        video = make_video(make_dataset(), width=1280, height=720, frame_count=self._frames)
        self._clip = Clip.objects.create(
            video=video, name="clip", index=0, start_frame=0, frame_count=self._frames,
            stage=Stage.DONE, file=store(Path(copy), "clip.mp4"),
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def __call__(self, detector: object, *, appearance: str = HISTOGRAM) -> Took:
        """Track the clip; ordering the run is not counted."""
        from datasets.models import Dataset
        from tracking.models import TrackingRun
        from tracking.services.track import plan_runs, track_clip

        Dataset.objects.update(appearance=appearance)
        TrackingRun.objects.all().delete()
        plan_runs()
        run = TrackingRun.objects.get().pk
        clocks = time.perf_counter, time.process_time
        began = [clock() for clock in clocks]
        done = track_clip(run, detector=detector)
        took = Took(*(clock() - then for clock, then in zip(clocks, began, strict=True)))
        if done is None or done.error:
            raise SystemExit(f"The clip could not be tracked: {done and done.error}")
        return took


def make_standard(folder: Path) -> Path:
    """A standard video of 15 s, 1280x720."""
    from datasets.core.media.standardising import standardise
    from datasets.core.media.video_reader import VideoLimits

    make_video_file(folder / "video.mp4", 15)
    standardise(
        folder / "video.mp4", folder / "15.mp4", longest_side=1280, limits=VideoLimits()
    )
    return folder / "15.mp4"


def repeated(video: Path, times: int) -> Path:
    """The packets of `video` so many times in a row."""
    target = video.with_name("long.mp4")
    with av.open(str(target), "w") as out:
        copied, offset = None, 0
        for _ in range(times):
            with av.open(str(video)) as source:
                stream = source.streams.video[0]
                copied = copied or out.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = copied
                    out.mux(packet)
                offset += stream.duration
    return target


def export_random_nano(folder: Path) -> Path:
    """An RF-DETR nano nobody has trained, as ONNX."""
    os.environ |= {"RF_HOME": str(folder), "LOG_LEVEL": "ERROR"}
    import warnings

    warnings.simplefilter("ignore")
    import rfdetr

    model = rfdetr.RFDETRNano(pretrain_weights=None, device="cpu")
    model.export(
        output_dir=str(folder), output_name="nano", batch_size=1, dynamic_batch=True,
        verbose=False,
    )  # fmt: skip
    return folder / "nano.onnx"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="an ONNX model in place of RF-DETR nano")
    parser.add_argument("--frames", type=int, default=ONNX_FRAMES, help="that it looks at")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = _apart(make_standard, folder)
        gpu = _apart(on_a_gpu, video)
        print(f"GPU stand-in, {1000 * GPU_SECONDS:g} ms a frame:")
        good = [
            _judged("whole stage / detector alone",
                    f"{gpu.share:.3f}",
                    f"<= {1 + SHARE}", gpu.share <= 1 + SHARE),
            _judged("CPU without looks, ms a frame",
                    f"{gpu.cost:.2f} (PyAV alone {gpu.floor:.2f})",
                    f"< {CPU_MILLISECONDS:g}", gpu.cost < CPU_MILLISECONDS),
            _judged("CPU of looks, ms a person and frame", f"{gpu.look:.2f}",
                    f"< {LOOK_MILLISECONDS:g}", gpu.look < LOOK_MILLISECONDS),
        ]  # fmt: skip
        marks = [
            _apart(highest_memory, _apart(repeated, video, times), times * FRAMES)
            for times in LENGTHS
        ]
        seconds = ", ".join(str(15 * times) for times in LENGTHS)
        good.append(
            _judged(f"memory of clips of {seconds} s, MB", ", ".join(f"{m:.0f}" for m in marks),
                    f"within {GROWTH}", max(marks) - min(marks) <= GROWTH)
        )  # fmt: skip
        weights = options.weights or _apart(export_random_nano, folder)
        whole, alone = _apart(on_this_cpu, video, weights, options.frames)
        print(f"{weights.name} on this CPU, frames a second:")
        print(f"  whole stage {whole:.2f}, detector alone {alone:.2f}")
        good.append(
            _judged("whole stage / detector alone", f"{whole / alone:.3f}", f">= {RATE}",
                    whole / alone >= RATE)
        )  # fmt: skip
    sys.exit(0 if all(good) else 1)


def _judged(what: str, found: str, wanted: str, holds: bool) -> bool:
    """Prints a line; returns `holds`."""
    verdict = "holds" if holds else "FALLS SHORT"
    print(f"  {what:36} {found:28} wanted {wanted:10} {verdict}", flush=True)
    return holds


def _apart(work, *arguments):
    """`work(*arguments)` in a new process."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


if __name__ == "__main__":
    main()
