"""Latency of adjudication: time from the key of a decision to the next item on the screen.

Makes 100 decisions on three clips with eight persons, without pauses.
"""

import statistics
import time
from pathlib import Path

from benchmarks._installation import installation

DECISIONS = 100

WATCH = """() => {
    globalThis.waits = [];
    let pressed = 0;
    document.addEventListener("keydown", () => { pressed = performance.now(); }, true);
    new MutationObserver(() => requestAnimationFrame(() => {
        const channel = new MessageChannel();  // right after the painting
        channel.port1.onmessage = () => globalThis.waits.push(performance.now() - pressed);
        channel.port2.postMessage(0);
    })).observe(document.getElementById("adjudication"), { attributeFilter: ["data-shown"] });
}"""


def build(folder: Path) -> None:
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

    dataset = make_dataset("street", owner=make_user("boss"))
    options = {"crf": "23", "preset": "ultrafast", "g": "30", "bf": "0"}
    video = make_video_file(folder / "clip.mp4", frames=450, size=(640, 360), options=options)
    annotators = [make_annotator(dataset, name) for name in ("kim", "lee", "mia")]
    for clip in make_clips(make_video(dataset, "aisle", frame_count=1350)):
        name = f"street/{clip}.mp4"
        clip.file.name = default_storage.save(name, ContentFile(video.read_bytes()))
        clip.save()
        run = make_run(clip, persons=8)
        for annotator, posture in zip(annotators, ("walk", "sit", "stand"), strict=True):
            version = make_version(make_task(run, annotator))
            # Different answers at every third keyframe: consecutive items have different votes.
            answers = {"posture": posture, "doing": []}
            version.annotations.filter(second__in=range(0, 15, 3)).update(answers=answers)
    plan_consensuses()
    for consensus in Consensus.objects.all():
        build_clip_consensus(consensus.pk)


def main() -> None:
    with installation(build) as (page, base):
        page.goto(f"{base}/datasets/street/adjudication/")
        page.wait_for_selector("#adjudication[data-shown]")
        page.wait_for_timeout(1000)
        page.evaluate(WATCH)
        start = time.monotonic()
        for number in range(DECISIONS):
            page.keyboard.press("1")
            while page.evaluate("globalThis.waits.length") <= number:
                page.wait_for_timeout(5)
        took = time.monotonic() - start
        page.wait_for_load_state("networkidle")
        waits = sorted(page.evaluate("globalThis.waits"))
        left = page.locator("[data-show=left]").inner_text()
        decided = page.locator("[data-show=done]").inner_text()
        print(f"{decided} decided, {left} left, in {took:.1f} s without pauses")
        print(
            f"from key to next item painted: median {statistics.median(waits):.0f} ms, "
            f"95 % under {waits[int(0.95 * len(waits))]:.0f} ms, maximum {waits[-1]:.0f} ms"
        )
        print(f"ten minutes leave {(600 - took) / DECISIONS:.1f} s to look at each item")


if __name__ == "__main__":
    main()
