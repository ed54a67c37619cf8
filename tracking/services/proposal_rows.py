"""Rows of proposals: the boxes of tracks at the keyframes of a clip, ready to be saved."""

from collections.abc import Mapping

from tracking.core.proposals import sample_at_keyframes
from tracking.core.tracks_file import TracksFile
from tracking.models import Proposal, TrackingRun

ROWS_AT_ONCE = 1000


def proposals_of(run: TrackingRun, file: TracksFile, ids: Mapping[int, int]) -> list[Proposal]:
    """The proposals of `run` at the keyframes of its clip, not saved yet.

    Args:
        ids: The person of each track.
    """
    boxes = sample_at_keyframes(
        file.tracks, run.clip.keyframes(), fps=file.fps, width=file.width, height=file.height
    )
    return [
        Proposal(
            run=run, second=box.second, person_id=ids[box.track_id],
            x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2, score=box.score,
        )
        for box in boxes
    ]  # fmt: skip
