"""Checks of what frames and clips show: what annotators saw, and no footage in two splits.

Nothing here knows how the files were written.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from datasets.core.formats import ava
from qc.core.release.checks.expectations import expect
from qc.core.release.checks.proposals import persons_at
from qc.core.release.images import some_frames
from qc.core.release.looks import Look, is_same_footage, load_look, look_of, looks_differ
from qc.core.release.reader import ReleasedVideo, ReleaseReader, ReleaseReadError

FPS = 30
WIDE = 320  # pixels across, at which images are looked at
SAME_SHOWN = 5
Faults = Iterator[str]


def check_looks(release: ReleaseReader) -> str:
    """Frames at keyframes look as those that annotators saw."""
    if not has_media(release):
        return "There are neither frames nor clips."
    wanted = looks_at(release)
    if not wanted:
        return "This release was made before its manifest had looks of its keyframes."
    without = sorted(release.videos().keys() - wanted.keys())
    faults = [f"manifest.json has no looks of {name}, but of other clips" for name in without]
    with ThreadPoolExecutor(cpu_count()) as pool:
        names = sorted(wanted.keys() & release.videos().keys())
        for found in pool.map(lambda name: _other_looks(release, name, wanted[name]), names):
            faults += found
    count = sum(map(len, wanted.values()))
    return expect(faults, f"{count} keyframes look as those that were annotated.")


def looks_at(release: ReleaseReader) -> dict[str, dict[int, Look]]:
    """The looks that the manifest has, by clip and timestamp."""
    found: dict[str, dict[int, Look]] = {}
    release.videos()  # raises if one has no name
    for entry in release.manifest()["videos"]:
        try:
            its = {int(at): load_look(text) for at, text in (entry.get("looks") or {}).items()}
        except (ValueError, AttributeError) as error:
            raise ReleaseReadError(f"manifest.json has no proper `looks`: {error}.") from error
        if its:
            found[entry["video_id"]] = dict(sorted(its.items()))
    return found


def _other_looks(release: ReleaseReader, name: str, wanted: Mapping[int, Look]) -> list[str]:
    """The keyframes of a clip that look otherwise than when they were annotated."""
    frame_at = {at: FPS * (at - 900) for at in wanted}
    found = frames_of(release, release.videos()[name], set(frame_at.values()))
    faults = []
    for at, frame in frame_at.items():
        how = looks_differ(look_of(found[frame]), wanted[at]) if frame in found else ""
        if how:
            where = f"rawframes/{name}/{ava.frame_file(frame)}"
            if not has_frames(release):
                where = f"frame {frame} of clips/{name}.mp4"
            faults.append(f"{where} is not the frame that was annotated: it is {how}")
    return faults


def check_same_footage(release: ReleaseReader) -> str:
    """No two splits have the same footage, whatever it is called."""
    videos = release.videos()
    owner: dict[str, tuple[str, str]] = {}
    shared: Counter[tuple[str, str]] = Counter()
    example: dict[tuple[str, str], tuple[str, str]] = {}
    for path, digest in release.sums().items():
        folder, _, rest = path.partition("/")
        name = rest.partition("/")[0].removesuffix(".mp4")
        if folder not in ("rawframes", "clips") or name not in videos:
            continue
        other, its_path = owner.setdefault(digest, (name, path))
        pair = (other, name)
        if videos[other].split != videos[name].split:
            shared[pair] += 1
            example.setdefault(pair, (its_path, path))

    def faults() -> Faults:
        for (a, b), count in shared.items():
            first, second = example[a, b]
            splits = " and ".join(sorted({videos[a].split, videos[b].split}))
            yield (
                f"{b} shows the footage of {a} under another name ({splits}): {count} files "
                f"are the same, such as {first} and {second}; put both into one split"
            )
        known = set(shared)
        yield from _alike(release, known)
        yield from _same_boxes(release, known)

    return expect(faults(), f"The {len(videos)} clips show different footage.")


def _alike(release: ReleaseReader, known: set[tuple[str, str]]) -> Faults:
    """Clips of different splits that look the same at every look."""
    videos = release.videos()
    of_split: dict[str, dict[str, list[Look]]] = defaultdict(dict)
    for name, its in looks_at(release).items():
        if name in videos and len(its) > 1:
            of_split[videos[name].split][name] = list(its.values())
    for one, other in combinations(sorted(of_split), 2):
        names, others = sorted(of_split[one]), sorted(of_split[other])
        firsts = np.stack([of_split[other][name][0].ravel() for name in others])
        for name in names:
            near = np.abs(firsts - of_split[one][name][0].ravel()).mean(axis=1) < 2.0
            for found in (others[i] for i in np.flatnonzero(near)):
                if {(name, found), (found, name)} & known:
                    continue
                if is_same_footage(of_split[one][name], of_split[other][found]):
                    yield f"{found} ({other}) looks like {name} ({one}) at every keyframe kept"


def _same_boxes(release: ReleaseReader, known: set[tuple[str, str]]) -> Faults:
    """Clips of different splits whose persons have the very same boxes, one by one."""
    videos = release.videos()
    boxes: dict[str, list[str]] = defaultdict(list)
    for split in release.splits:
        for (video, _), persons in sorted(persons_at(release, split).items()):
            boxes[video] += [person.box for person in persons]
    by_boxes: dict[tuple[str, ...], str] = {}
    for video, its in sorted(boxes.items()):
        if len(set(its)) < SAME_SHOWN or video not in videos:
            continue
        other = by_boxes.setdefault(tuple(its), video)
        if videos[other].split == videos[video].split:
            continue
        if not {(other, video), (video, other)} & known:
            yield f"{video} has the very same {len(its)} boxes as {other}"


def has_frames(release: ReleaseReader) -> bool:
    return release.images().included and not release.lacks("frames")


def has_media(release: ReleaseReader) -> bool:
    return has_frames(release) or (release.images().clip_files and not release.lacks("clips"))


def frames_of(
    release: ReleaseReader, video: ReleasedVideo, wanted: set[int]
) -> dict[int, NDArray[np.uint8]]:
    """Some frames of a clip in RGB, from its images or else from its file; none that fail.

    The checks of frames and clips name those that do.
    """
    return some_frames(
        release.folder, video.video_id, wanted, has_frames=has_frames(release),
        halved=video.width > 2 * WIDE,
    )  # fmt: skip
