"""Images of a release beside its frames: keyframes of the card, and looks of all clips."""

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avaproject.base.storage import StorageError
from datasets.clip_frames import read_frame
from datasets.core.formats import ava
from datasets.core.media.clips_and_keyframes import FRAME_RATE
from datasets.core.media.standard_video import encode_jpeg, read_frames
from datasets.core.media.stills import decode_jpeg
from datasets.core.media.video_reader import MediaError
from datasets.models import Clip
from qc.core.release.docs.markup import Image, LabelledBox
from qc.core.release.formats.content import frame_of, pixels
from qc.core.release.images import frame_size
from qc.core.release.looks import dump_look, look_of
from qc.core.release.options import ReleaseOptions
from qc.core.release.records import ReleaseClip
from qc.core.release.stats import ReleaseSample
from qc.selectors.release.approved_clips import window_of
from qc.services.release.release_plan import ReleasePlan

SAMPLE_SIDE = 480
logger = logging.getLogger(__name__)


def example_image(folder: Path, plan: ReleasePlan, sample: ReleaseSample) -> Image | None:
    """A keyframe for the card, with its boxes and labels.

    None for a release of annotations whose clip has no image any more.
    """
    if _has_large_frames(plan.options):
        name = ava.frame_file(frame_of(sample.timestamp))
        path = folder / "rawframes" / sample.video_id / name
        rgb = decode_jpeg(path.read_bytes())[..., ::-1]
    elif plan.options.with_clips:
        file = folder / "clips" / f"{sample.video_id}.mp4"
        ((_, rgb),) = read_frames(file, start=frame_of(sample.timestamp), count=1)
    else:
        clip = next(one.clip for one in plan.approved if one.clip.name == sample.video_id)
        shown = _annotation_frame(clip, sample.timestamp)
        if shown is None:
            return None
        rgb = shown
    size = frame_size(rgb.shape[1], rgb.shape[0], longest_side=SAMPLE_SIDE)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return Image(
        encode_jpeg(small, quality=80),
        f"{sample.video_id} at {sample.timestamp}",
        size,
        [
            LabelledBox(
                pixels(one.box, width=size[0], height=size[1]),
                one.person_id,
                one.actions,
                one.label,
            )
            for one in sample.persons
        ],
    )


def _has_large_frames(options: ReleaseOptions) -> bool:
    """Whether the frames are large enough for the card; that is faster than decoding a clip."""
    return options.with_frames and (options.longest_side or SAMPLE_SIDE) >= SAMPLE_SIDE


def clip_looks(
    folder: Path, plan: ReleasePlan, clips: Sequence[ReleaseClip]
) -> dict[str, dict[str, str]]:
    """Looks of the first and the last annotated keyframe of each clip, by clip and timestamp.

    They are those of the frames that annotators saw, so that the release is held against them.
    A clip without these has the looks of its released frames; a release without clips has none.
    """
    if not plan.options.with_clips:
        return {}
    clip_of = {each.clip.name: each.clip for each in plan.approved}
    found = {}
    for clip in clips:
        ends = dict.fromkeys(sorted(clip.annotated)[:: max(1, len(clip.annotated) - 1)])
        found[clip.name] = {
            str(at): dump_look(look_of(_keyframe(folder, plan, clip_of[clip.name], at)))
            for at in ends
        }
    return found


def _keyframe(folder: Path, plan: ReleasePlan, clip: Clip, timestamp: int) -> NDArray[np.uint8]:
    """The image of a keyframe, as annotators saw it if it is still there.

    Where faces are blurred, they are here, too.
    """
    if clip.frames or clip.video.file:
        shown = _annotation_frame(clip, timestamp)
        if shown is not None:
            if plan.blurring:
                shown = np.ascontiguousarray(shown)
                frame = window_of(clip).start_frame + frame_of(timestamp)
                plan.blurring.blur_frame(clip, shown, frame)
            return shown
    if plan.options.with_frames:
        path = folder / "rawframes" / clip.name / ava.frame_file(frame_of(timestamp))
        return decode_jpeg(path.read_bytes())[..., ::-1]
    path = folder / "clips" / f"{clip.name}.mp4"
    ((_, rgb),) = read_frames(path, start=frame_of(timestamp), count=1)
    return rgb


def _annotation_frame(clip: Clip, timestamp: int) -> NDArray[np.uint8] | None:
    """The image of a keyframe as shown to annotators; None if it can't be read any more.

    Raises StorageError if the bucket is away, which is no reason to go without the image.
    """
    second = frame_of(timestamp) // FRAME_RATE - window_of(clip).pad_seconds
    try:
        content = read_frame(clip, second * clip.video.dataset.annotation_fps)
        return decode_jpeg(content)[..., ::-1]
    except StorageError:
        raise
    except (OSError, MediaError):
        logger.warning("The annotation frames of %s cannot be read", clip)
        return None
