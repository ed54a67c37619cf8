"""Tasks on the demo videos for `labelling`, and what a simulated annotator means to answer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

VOCABULARIES = ("street", "ava-v2.2")
MIN_VISIBLE = 0.3  # of a person to be there
STREET = {
    "stand": ("walking_behavior", "stand"),
    "walk": ("walking_behavior", "walk"),
    "run/jog": ("walking_behavior", "run"),
    "sit": ("walking_behavior", "sit"),
    "carry/hold (an object)": ("carrying_items", "carry a handbag or backpack"),
    "hand wave": ("posture_gesture", "wave"),
    "talk to (e.g., self, a person, a group)": ("social_interaction", "talk to a person"),
}
ONCE = {"clothing_style": "casual clothes", "time_context": "daylight"}

Answers = dict[str, Any]
Meant = dict[str, dict[int, Answers]]  # by person and keyframe


def build(folder: Path) -> None:
    from datasets.models import Member
    from datasets.services.create import create_dataset
    from demo.world.videos import DEMO_VIDEOS
    from tests.make import make_annotator, make_clips, make_task, make_user, make_video

    boss = make_user("boss")
    for vocabulary in VOCABULARIES:
        dataset = create_dataset(name_of(vocabulary), vocabulary=vocabulary)
        Member.objects.create(dataset=dataset, user=boss, role=Member.Role.OWNER)
        annotator = make_annotator(dataset, "boss", user=boss)
        for spec in DEMO_VIDEOS:
            name = f"{Path(spec.file_name).stem}-{vocabulary[:3]}"
            video = make_video(
                dataset, name, original_name=spec.file_name, frame_count=30 * spec.seconds
            )
            for clip in make_clips(video):
                make_task(_run_of(clip, spec), annotator)


def name_of(vocabulary: str) -> str:
    return f"bench-{vocabulary.replace('.', '-')}"


def _run_of(clip: Any, spec: Any) -> Any:
    """A run whose tracks are the true boxes, every sixth frame and linear between."""
    import numpy as np

    from avaproject.base.work import Stage
    from demo.world.renderer import truth_at
    from tests.stored_files import put, video_bytes
    from tracking.core.tracks_file import Track, TracksFile, dump
    from tracking.models import Person, TrackingRun

    width, height = clip.video.width, clip.video.height
    clip.file.name = put(
        f"bench/{clip}.mp4", video_bytes(clip.frame_count, width=160, height=90)
    )
    clip.save()
    seen: dict[int, list[tuple[int, list[float]]]] = {}
    for frame in range(0, clip.frame_count, 6):
        for one in truth_at(spec, clip.start_frame + frame):
            if one.visible >= MIN_VISIBLE:
                x1, y1, x2, y2 = one.box
                box = [x1 * width, y1 * height, x2 * width, y2 * height]
                seen.setdefault(one.person_id, []).append((frame, box))
    run = TrackingRun.objects.create(clip=clip, config_key="truth", stage=Stage.DONE)
    tracks = []
    for person, places in sorted(seen.items()):
        known = np.array([frame for frame, _ in places])
        frames = np.arange(known[0], known[-1] + 1)
        gap = known[np.clip(np.searchsorted(known, frames), 0, len(known) - 1)] - frames
        frames = frames[gap < 6]
        sides = np.array([box for _, box in places])
        boxes = np.stack([np.interp(frames, known, sides[:, n]) for n in range(4)], axis=1)
        tracks.append(Track(person, frames, boxes, np.full(len(frames), 0.9)))
        Person.objects.create(run=run, track_id=person, person_id=person)
    content = dump(TracksFile(clip.name, width, height, clip.frame_count, tracks))
    run.tracks.name = put(f"bench/{clip}.tracks.json.gz", content)
    run.save()
    return run


def meant_by(task: Any, vocabulary: str, persons: Mapping[str, Sequence[int]]) -> Meant:
    """The answers that the annotator gives: what was rendered at each keyframe.

    Args:
        persons: The keyframes of each person on the page.
    """
    from demo.world.renderer import truth_at
    from demo.world.videos import DEMO_VIDEOS

    spec = next(s for s in DEMO_VIDEOS if s.file_name == task.clip.video.original_name)
    groups = list(task.clip.video.dataset.groups.prefetch_related("actions"))
    meant: Meant = {key: {} for key in persons}
    for key, seconds in persons.items():
        for second in seconds:
            truth = truth_at(spec, task.clip.start_frame + 30 * second)
            done = next((one.actions for one in truth if str(one.person_id) == key), ("stand",))
            meant[key][second] = {
                group.name: _answer(group, done, vocabulary) for group in groups
            }
    return meant


def _answer(group: Any, done: Sequence[str], vocabulary: str) -> Any:
    if group.name in ONCE:
        return ONCE[group.name]
    names = set(done)
    if vocabulary == "street":
        names = {STREET[one][1] for one in done if STREET[one][0] == group.name}
    chosen = [one.name for one in group.actions.all() if one.name in names]
    return chosen[0] if group.choice == "one" else chosen
