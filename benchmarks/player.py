"""Does the player keep up with 30 persons? Against a bare video element, and without boxes.

The clip is 1280x720, 15 s at 30 frames a second; every person has a moving box, a consensus
with labels, and what three annotators drew.
"""

from pathlib import Path

from benchmarks._studio import studio

PERSONS, SECONDS = 30, 10
SIZE = (1280, 720)


def build(folder: Path) -> None:
    import numpy as np
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    from qc.models import Consensus
    from qc.services.settle import plan_consensuses, settle_clip
    from tests.films import make_film
    from tests.make import (
        make_annotator,
        make_clips,
        make_dataset,
        make_pull,
        make_run,
        make_task,
        make_user,
        make_video,
    )
    from tracking.core.trackfile import Track, TrackFile, dump

    dataset = make_dataset("crowd", admin=make_user("boss"))
    width, height = SIZE
    video = make_video(dataset, "square", frame_count=450, width=width, height=height)
    (clip,) = make_clips(video)
    options = {"crf": "23", "preset": "ultrafast", "g": "30", "bf": "0"}
    film = make_film(folder / "clip.mp4", frames=450, size=SIZE, options=options)
    clip.file.name = default_storage.save("crowd/clip.mp4", ContentFile(film.read_bytes()))
    clip.save()
    run = make_run(clip, persons=PERSONS)
    frames = np.arange(450)
    tracks = []
    for number in range(PERSONS):
        left = 40.0 * number + 20 * np.sin(frames / 40 + number)
        top = 80.0 + 400 * (number % 3) / 3 + 10 * np.cos(frames / 30)
        boxes = np.stack([left, top, left + 60, top + 180], axis=1)
        tracks.append(Track(number + 1, frames, boxes, np.full(450, 0.9)))
    content = dump(TrackFile(clip.name, width, height, 450, tracks))
    run.tracks.name = default_storage.save("crowd/tracks.gz", ContentFile(content))
    run.save()
    for name in ("kim", "lee", "mia"):
        make_pull(make_task(run, make_annotator(dataset, name)))
    plan_consensuses()
    settle_clip(Consensus.objects.get().pk)


QUALITY = """() => {
    const { totalVideoFrames, droppedVideoFrames } =
        document.querySelector("video").getVideoPlaybackQuality();
    return [totalVideoFrames, droppedVideoFrames];
}"""


def main() -> None:
    with studio(build) as (page, base):
        clip = f"{base}/datasets/crowd/clips/square-c0000"

        def play(name: str, prepare: str = "") -> None:
            if prepare == "bare":
                page.goto(f"{base}/datasets/crowd/clips/square-c0000/video.mp4")
            else:
                page.goto(f"{clip}/")
                page.wait_for_selector("#player[data-ready][data-painted]")
                for key in prepare:
                    page.keyboard.press(key)
            page.wait_for_timeout(500)
            before = page.evaluate(QUALITY)
            counted = "(({ painted, paintTime }) => [painted, paintTime].map(Number))"
            state = f"{counted}(document.getElementById('player').dataset)"
            start = page.evaluate(state) if prepare != "bare" else [0, 0]
            page.evaluate("document.querySelector('video').play()")
            page.wait_for_timeout(1000 * SECONDS)
            end = page.evaluate(state) if prepare != "bare" else [0, 0]
            page.evaluate("document.querySelector('video').pause()")
            after = page.evaluate(QUALITY)
            shown, dropped = after[0] - before[0], after[1] - before[1]
            line = f"{name:34} {shown - dropped:4d} of {shown} frames, {dropped} dropped"
            if painted := end[0] - start[0]:
                cost = (end[1] - start[1]) / painted
                line += f"; painted {painted:.0f}, {cost:.2f} ms each"
            print(line)

        play("bare video element", "bare")
        play("player, no boxes", "b")
        play(f"player, {PERSONS} persons", "")
        play(f"player, {PERSONS} persons, 3 layers", "123")


if __name__ == "__main__":
    main()
