"""Speed of the player with 30 persons, compared with a plain video element and without boxes.

Dropped frames are those of the browser's decoder, and depend on the load of the machine. The
cost of the page itself is the CPU time of its main thread per painted frame.

The clip is 1280x720, 15 s at 30 frames a second; every person has a moving box, a consensus
with labels, and what three annotators drew.
"""

from pathlib import Path
from typing import NamedTuple

from benchmarks._installation import installation
from datasets.core.media.clips_and_keyframes import FRAME_RATE

PERSONS, SECONDS = 30, 10
SIZE = (1280, 720)


def build(folder: Path) -> None:
    import numpy as np
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from qc.models import Consensus
    from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
    from tests.make import (
        make_annotator,
        make_clips,
        make_dataset,
        make_run,
        make_task,
        make_user,
        make_version,
        make_video,
    )
    from tests.video_files import make_video_file
    from tracking.core.tracks_file import Track, TracksFile, dump

    dataset = make_dataset("crowd", owner=make_user("boss"))
    width, height = SIZE
    video = make_video(dataset, "square", frame_count=450, width=width, height=height)
    (clip,) = make_clips(video)
    options = {"crf": "23", "preset": "ultrafast", "g": "30", "bf": "0"}
    file = make_video_file(folder / "clip.mp4", frames=450, size=SIZE, options=options)
    clip.file.name = default_storage.save("crowd/clip.mp4", ContentFile(file.read_bytes()))
    clip.save()
    run = make_run(clip, persons=PERSONS)
    frames = np.arange(450)
    tracks = []
    for number in range(PERSONS):
        left = 40.0 * number + 20 * np.sin(frames / 40 + number)
        top = 80.0 + 400 * (number % 3) / 3 + 10 * np.cos(frames / 30)
        boxes = np.stack([left, top, left + 60, top + 180], axis=1)
        tracks.append(Track(number + 1, frames, boxes, np.full(450, 0.9)))
    content = dump(TracksFile(clip.name, width, height, 450, tracks))
    run.tracks.name = default_storage.save("crowd/tracks.gz", ContentFile(content))
    run.save()
    for name in ("kim", "lee", "mia"):
        make_version(make_task(run, make_annotator(dataset, name)))
    plan_consensuses()
    build_clip_consensus(Consensus.objects.get().pk)


# Frames that the video showed and dropped, and frames that the player painted.
COUNTS = """() => {
    const { totalVideoFrames, droppedVideoFrames } =
        document.querySelector("video").getVideoPlaybackQuality();
    const painted = Number(document.getElementById("player")?.dataset.painted || 0);
    return [totalVideoFrames, droppedVideoFrames, painted];
}"""


class Played(NamedTuple):
    frames: int
    dropped: int
    painted: int
    busy: float  # CPU seconds of the page's main thread


def main() -> None:
    with installation(build) as (page, base):
        clip = f"{base}/datasets/crowd/clips/square-c0000"
        # Ticks of the thread, which do not depend on the load of the machine.
        counter = page.context.new_cdp_session(page)
        counter.send("Performance.enable", {"timeDomain": "threadTicks"})

        def state() -> Played:
            metrics = counter.send("Performance.getMetrics")["metrics"]
            (busy,) = (one["value"] for one in metrics if one["name"] == "TaskDuration")
            return Played(*page.evaluate(COUNTS), busy)

        def play() -> Played:
            page.wait_for_timeout(500)
            before = state()
            page.evaluate("document.querySelector('video').play()")
            page.wait_for_timeout(1000 * SECONDS)
            after = state()
            page.evaluate("document.querySelector('video').pause()")
            return Played(*(b - a for a, b in zip(before, after, strict=True)))

        page.goto(f"{clip}/video.mp4")
        bare = play()
        print(f"{'bare video element':30} {bare.dropped} of {bare.frames} frames dropped")
        for name, keys in (
            ("player without boxes", "b"),
            (f"{PERSONS} persons", ""),
            (f"{PERSONS} persons, 3 layers", "123"),
        ):
            page.goto(f"{clip}/")
            page.wait_for_selector("#player[data-ready][data-painted]")
            for key in keys:
                page.keyboard.press(key)
            seen = play()
            print(
                f"{name:30} {seen.dropped} of {seen.frames} frames dropped, "
                f"{seen.painted} painted; main thread "
                f"{1000 * seen.busy / seen.painted:.1f} ms a frame, of {1000 / FRAME_RATE:.1f}"
            )


if __name__ == "__main__":
    main()
