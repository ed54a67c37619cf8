"""Speed of releases: rows, annotations, frame export against plain decoding, second release
against `cp -r` of the same files. `./ava bench release`.

Every result is printed with its baseline of the same run. The clips are moving noise in the
size of a standard video; the database is not measured.
"""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np

from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import export_window
from datasets.core.media.standard_video import read_frames
from qc.core.release.checks.run_checks import check_release
from qc.core.release.docs.training_configs import ConfigValues, write_configs
from qc.core.release.formats import FORMATS, FormatContext
from qc.core.release.images import encode_frame
from qc.core.release.packing import MANIFEST, FileSum, sum_of, write_manifest
from qc.core.release.provenance import ProvenanceWriter
from qc.core.release.records import (
    ANNOTATED,
    Origin,
    ReleaseClip,
    ReleasedPerson,
    ReleasedProposal,
)
from qc.core.release.stats import ReleaseStats
from qc.core.release.writer import AnnotationWriter, EvaluationSettings

SIZE = (1280, 720)
CLIPS, PERSONS, KEYFRAMES = 1000, 8, 15
MEDIA_CLIPS = 12
FRAMES = 570
RUNS = 5
ACTIONS = [ava.AvaAction(i, f"action {i}", "PERSON_MOVEMENT") for i in range(1, 21)]


NAMES = {action.action_id: action.name for action in ACTIONS}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU seconds, of this process and its child processes."""
    wall, before = time.perf_counter(), os.times()
    work()
    spent = [now - then for now, then in zip(os.times(), before, strict=True)]
    return time.perf_counter() - wall, sum(spent[:4])


def report(what: str, result: str, *, target: str) -> None:
    print(f"{what:<58} {result:>26}   target: {target}")


def clips(count: int) -> Iterator[ReleaseClip]:
    """Generated clips with persons and proposals, the same in every run."""
    random = np.random.default_rng(0)
    window = export_window(450, 450, video_frame_count=2000)
    for number in range(count):
        persons, proposals = [], {}
        for at in range(902, 902 + KEYFRAMES):
            lanes = (SIZE[0] - 160) / PERSONS  # all boxes are different
            lefts = (np.arange(PERSONS) + random.random(PERSONS) * 0.9) * lanes
            boxes = [[x, 200, x + 120, 600] for x in lefts]
            texts = [ava.format_box(b, width=SIZE[0], height=SIZE[1]) for b in boxes]
            ids = tuple(sorted(int(i) for i in random.choice(20, 2, replace=False) + 1))
            origins = tuple(
                Origin(f"group {i}", (i,), "majority", ((1, f"action {i}"), (2, f"action {i}")))
                for i in ids
            )
            persons += [
                ReleasedPerson(at, person, text, ids, (1, 2), origins)
                for person, text in enumerate(texts, start=1)
            ]
            proposals[at] = [ReleasedProposal(text, 0.9) for text in texts]
        keyframes = dict.fromkeys(range(902, 902 + KEYFRAMES), ANNOTATED)
        yield ReleaseClip(
            f"video-{number // 20:03d}-c{number:04d}", "val" if number % 100 < 20 else "train",
            f"video-{number // 20:03d}", *SIZE, window, keyframes, persons, proposals,
        )  # fmt: skip


def measure_rows() -> None:
    box = "0.1000,0.2000,0.3000,0.9000"
    rows = [
        ava.LabelRow("shop-c0000", 902 + i % 15, box, i % 80 + 1, 1) for i in range(400_000)
    ]
    content = ava.dump_labels(rows)
    for what, work in (
        ("written", lambda: ava.dump_labels(rows)),
        ("read", lambda: ava.load_labels(content)),
    ):
        report(
            f"label rows {what}",
            f"{len(rows) / timed(work)[0]:,.0f} per second",
            target="200,000",
        )


def measure_annotations(folder: Path) -> None:
    made = list(clips(CLIPS))

    def write() -> None:
        stats, provenance = ReleaseStats(), ProvenanceWriter(folder, names=NAMES)
        with AnnotationWriter(folder, splits=["train", "val"]) as writer:
            for clip in made:
                for each in (writer, stats, provenance):
                    each.add(clip)
            writer.finish(ACTIONS)
            for split in writer.oracle_aps.values():
                split.mean()
        provenance.finish()

    what = f"annotations of {CLIPS} clips x {PERSONS} persons x {KEYFRAMES}"
    report(what, f"{timed(write)[0]:.1f} s", target="under 60 s")
    for name, form in FORMATS.items():
        place = folder / name
        place.mkdir()

        def export(form=form, place=place) -> None:
            writer = form.writer(FormatContext(place, "bench", ACTIONS, [], ["train", "val"]))
            for clip in made:
                writer.add(clip)
            writer.finish()

        report(f"... as {form.title}", f"{timed(export)[0]:.1f} s", target="-")


def render(path: Path) -> Path:
    """A video of moving noise, as hard to encode as a street."""
    random = np.random.default_rng(0)
    wide = random.integers(0, 255, (SIZE[1] // 8, SIZE[0] // 4, 3), dtype=np.uint8)
    wide = cv2.resize(wide, (SIZE[0] * 2, SIZE[1]), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as video:
        options = {"preset": "veryfast", "crf": "20", "sc_threshold": "0", "flags": "+cgop"}
        stream = video.add_stream("libx264", rate=30, options=options)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.gop_size = "yuv420p", 30
        for n in range(FRAMES):
            image = np.ascontiguousarray(wide[:, 2 * n : 2 * n + SIZE[0]])
            video.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        video.mux(stream.encode(None))
    return path


def measure_frames(video: Path, exported: Path) -> None:
    exported.mkdir()

    def ours() -> None:
        for index, rgb in read_frames(video):
            (exported / ava.frame_file(index)).write_bytes(encode_frame(rgb, longest_side=None))

    def floor() -> None:
        bare = exported.with_name("bare")
        bare.mkdir()
        with av.open(str(video)) as container:
            container.streams.video[0].thread_type = "AUTO"
            for n, frame in enumerate(container.decode(video=0)):
                bgr = frame.to_ndarray(format="bgr24")
                _, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
                (bare / f"{n}.jpg").write_bytes(content.tobytes())

    floor_cpu, our_cpu = timed(floor)[1], timed(ours)[1]
    what = f"{FRAMES} frames, against plain decoding and imencode"
    report(what, f"{our_cpu / floor_cpu:.2f} x its {floor_cpu:.1f} s CPU", target="at most 1.1")


def measure_second_release(folder: Path, video: Path, exported: Path) -> None:
    """A release of clips with exported frames: links, checksums, and all checks."""
    sums = {path.name: sum_of(path) for path in exported.iterdir()}
    video_sum = sum_of(video)
    release = folder / "release"
    some = list(clips(MEDIA_CLIPS))

    def again() -> None:
        known: dict[str, FileSum] = {}
        release.mkdir()
        content = write_all_but_media(release, some)
        (release / "clips").mkdir()
        for clip in some:
            (release / "rawframes" / clip.name).mkdir(parents=True)
            for name, its in sums.items():
                path = f"rawframes/{clip.name}/{name}"
                os.link(exported / name, release / path)
                known[path] = its
            os.link(video, release / "clips" / f"{clip.name}.mp4")
            known[f"clips/{clip.name}.mp4"] = video_sum
        write_manifest(release, content, known=known)
        checks = check_release(release, compared=[c.name for c in some], known=known)
        failed = [check for check in checks if not check["passed"]]
        assert not failed, failed

    command = ["cp", "-r", str(release), str(folder / "copy")]
    ours, copies = [], []
    for _ in range(RUNS):  # alternating, so that both run under the same load
        for made in (release, folder / "copy"):
            shutil.rmtree(made, ignore_errors=True)
        ours.append(timed(again))
        copies.append(timed(lambda: subprocess.run(command, check=True)))
    wall, cpu = (median(each[place] for each in ours) for place in (0, 1))
    copy_wall, copy_cpu = (median(each[place] for each in copies) for place in (0, 1))
    size = sum(p.stat().st_size for p in release.rglob("*.*") if p.is_file()) / 1e9
    what = f"a second release of {len(some)} clips, checked, against cp -r ({size:.1f} GB)"
    report(what, f"{wall / copy_wall:.2f} x its {copy_wall:.2f} s", target="at most 1.3")
    report("... of CPU", f"{cpu / copy_cpu:.2f} x its {copy_cpu:.2f} s", target="-")
    assert (release / MANIFEST).is_file()


def write_all_but_media(release: Path, some: Iterable[ReleaseClip]) -> dict[str, object]:
    """Write rows, configurations and documents; return the content of the manifest."""
    bare = []
    provenance = ProvenanceWriter(release, names=NAMES)
    with AnnotationWriter(release, splits=["train", "val"]) as writer:
        for clip in some:
            writer.add(clip)
            provenance.add(clip)
            bare.append(replace(clip, persons=[], proposals={}))
        evaluation = writer.finish(ACTIONS)
    provenance.finish()
    write_configs(release / "configs", ConfigValues("bench", len(ACTIONS), evaluation))
    for name in ("README.md", "METHODS.md", "card.html"):
        (release / name).write_text("a card\n")
    (release / "CITATION.cff").write_text("cff-version: 1.2.0\n")
    (release / "settings.json").write_text('{"dataset": {}, "release": {}}\n')
    oracle_aps = {split: its.mean() for split, its in writer.oracle_aps.items()}
    return manifest(bare, evaluation, oracle_aps)


def measure_memory(folder: Path) -> None:
    """Peak memory of creating and checking a release of annotations, in its own process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        peak = process.submit(make_and_check, folder).result()
    what = f"memory to create and check {CLIPS} x {PERSONS} x {KEYFRAMES}"
    report(what, f"{peak:.0f} MB", target="under 500 MB")


def make_and_check(folder: Path) -> float:
    """Peak memory of this process in MB."""
    folder.mkdir()
    content = write_all_but_media(folder, clips(CLIPS))
    write_manifest(folder, content | {"frames": {"included": False, "clips": False}})
    failed = [check for check in check_release(folder) if not check["passed"]]
    assert not failed, failed
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def manifest(
    some: list[ReleaseClip], evaluation: EvaluationSettings, oracle_aps: dict[str, float | None]
) -> dict[str, object]:
    """The content of the manifest for these clips."""
    return {
        "origins": 2,
        "score_threshold": evaluation.threshold,
        "oracle_ap": oracle_aps,
        "videos": [
            {"video_id": c.name, "split": c.split, "source_video": c.source_video,
             "source_start_sec": 13.0, "n_frames": FRAMES, "width": SIZE[0], "height": SIZE[1]}
            for c in some
        ],
        "actions": [
            {"id": each.action_id, "name": each.name, "type": each.label_type}
            for each in ACTIONS
        ],
        "keyframes": [
            {"video_id": c.name, "timestamp": at, "status": ANNOTATED}
            for c in some for at in c.keyframes
        ],
    }  # fmt: skip


def main() -> None:
    base = Path(tempfile.mkdtemp(prefix="bench-release-"))
    try:
        measure_rows()
        (base / "annotations-only").mkdir()
        measure_annotations(base / "annotations-only")
        video = render(base / "video.mp4")
        measure_frames(video, base / "exported")
        measure_second_release(base, video, base / "exported")
        measure_memory(base / "large")
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
