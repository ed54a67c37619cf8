"""API of videos, clips and their tracks."""

from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from avaproject.base.ranges import serve_stored
from avaproject.base.storage import StorageError
from datasets.core.roles import Act
from datasets.models import Clip
from datasets.selectors import permitted_clips
from datasets.services.delete import InUseError, delete
from qc.selectors.clip_and_task_filters import ORDERS, narrowed, ordered
from qc.selectors.clips import consensus_by_keyframe, default_run, run_choices, run_tracks
from qc.selectors.statuses import clip_statuses
from tracking.core.tracks_file import PERSON
from tracking.person_classes import classes_in
from workers.api.base import (
    LIMIT,
    OFFSET,
    ConflictError,
    DatasetView,
    answers,
    answers_with_file,
    page_of,
)
from workers.api.serializers import (
    ClipDetailSerializer,
    ClipSerializer,
    ConsensusSerializer,
    TracksSerializer,
    VideoSerializer,
)

CLIP_FILTERS = ("q", "state", "sort")


class Videos(DatasetView):
    """The videos of a dataset by name."""

    @extend_schema(
        operation_id="videos", parameters=[LIMIT, OFFSET],
        responses=answers(page_of(VideoSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        rows = self.dataset().videos.order_by("name")
        return self.page(rows, lambda found: VideoSerializer(found, many=True).data)


class VideoDetail(DatasetView):
    """One video."""

    scopes = {"DELETE": "delete"}

    @extend_schema(operation_id="video", responses=answers(VideoSerializer))
    def get(self, request: Request, name: str, video: str) -> Response:
        found = get_object_or_404(self.dataset().videos, name=video)
        return Response(VideoSerializer(found).data)

    @extend_schema(
        operation_id="delete_video",
        parameters=[OpenApiParameter("confirm", str, required=True, description="its name")],
        responses=answers(None, 204, 400, 409),
    )  # fmt: skip
    def delete(self, request: Request, name: str, video: str) -> Response:
        """Delete the video with its clips and answers; `?confirm=` repeats its name."""
        found = get_object_or_404(self.dataset(Act.DELETE).videos, name=video)
        if request.query_params.get("confirm") != video:
            raise serializers.ValidationError({"detail": f"Repeat the name: ?confirm={video}"})
        try:
            delete(found)
        except StorageError:  # 503, as elsewhere: try again
            raise
        except (InUseError, OSError) as error:
            raise ConflictError(str(error)) from error
        return Response(status=204)


class Clips(DatasetView):
    """The clips of a dataset, filtered as on their page."""

    @extend_schema(
        operation_id="clips",
        parameters=[
            LIMIT, OFFSET,
            OpenApiParameter("q", str, description="part of the name"),
            OpenApiParameter("state", str, description="as `state` of a clip"),
        ],
        responses=answers(page_of(ClipSerializer)),
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        query = query_of(request, CLIP_FILTERS)
        found = narrowed(clip_statuses(self.dataset()), query)
        if query.get("state"):
            found = found.filter(state=query["state"])
        return self.page(ordered(found, query, ORDERS), self._shown)

    def _shown(self, rows: list[Any]) -> list[dict[str, Any]]:
        clips = (
            Clip.objects.select_related("video").order_by().in_bulk([row.pk for row in rows])
        )
        return [_clip_row(row, clips[row.pk]) for row in rows if row.pk in clips]


class ClipView(DatasetView):
    """A view of one clip."""

    def clip(self, *acts: Act) -> Clip:
        clips = permitted_clips(self.user, self.kwargs["name"], *acts)
        return get_object_or_404(
            clips.select_related("video__dataset"), name=self.kwargs["clip"]
        )


class ClipDetail(ClipView):
    """One clip."""

    @extend_schema(operation_id="clip", responses=answers(ClipDetailSerializer))
    def get(self, request: Request, name: str, clip: str) -> Response:
        found = self.clip()
        return Response({
            "name": found.name, "video": found.video.name, "index": found.index,
            "start_frame": found.start_frame, "frame_count": found.frame_count,
            "keyframes": found.keyframes(), "width": found.video.width,
            "height": found.video.height, "stage": found.stage,
            "runs": [one.key for one in run_choices(found)],
        })  # fmt: skip


class ClipFile(ClipView):
    """The video of a clip; supports `Range`."""

    @extend_schema(operation_id="clip_file", responses=answers_with_file("video/mp4"))
    def get(self, request: Request, name: str, clip: str) -> HttpResponseBase:
        file = self.clip().file.name or ""
        return serve_stored(request._request, file, content_type="video/mp4")


class ClipTracks(ClipView):
    """The tracks of a clip: those that are annotated, or of the run named by `run`."""

    @extend_schema(
        operation_id="tracks",
        parameters=[OpenApiParameter("run", str, description="as in `runs` of the clip")],
        responses=answers(TracksSerializer),
    )  # fmt: skip
    def get(self, request: Request, name: str, clip: str) -> Response:
        found = self.clip(Act.SEE, Act.DOWNLOAD)
        runs = {one.key: one.run for one in run_choices(found)}
        asked = request.query_params.get("run", "")
        if asked and asked not in runs:
            raise serializers.ValidationError({"detail": f"{clip} has no run {asked}."})
        run = runs[asked] if asked else default_run(found)
        shown = run_tracks(run)
        if shown.problem:
            raise ConflictError(shown.problem)
        return Response({
            "clip": clip,
            "config_key": run.config_key if run else "",
            "tracks": [
                {
                    "track_id": one.track.track_id, "person_id": one.person_id,
                    "label": one.track.label,
                    "frames": one.track.frames.tolist(),
                    "boxes": one.track.boxes.round(2).tolist(),
                    "scores": [None if score != score else round(score, 4)
                               for score in one.track.scores.tolist()],
                }
                for one in shown.persons
            ],
        })  # fmt: skip


class ClipConsensus(ClipView):
    """The newest consensus of a clip; empty as long as there is none."""

    @extend_schema(operation_id="consensus", responses=answers(ConsensusSerializer))
    def get(self, request: Request, name: str, clip: str) -> Response:
        hide = Act.SEE_NAMES.key not in self.dataset().may
        found = self.clip()
        keyframes = consensus_by_keyframe(found, hide_names=hide)
        classes = classes_in(found.video_id)
        return Response({
            "clip": clip,
            "boxes": [
                {
                    "second": box.second, "person_id": box.person_id,
                    "label": classes.get(box.person_id, PERSON),
                    "box": [box.x1, box.y1, box.x2, box.y2], "status": box.status,
                    "labels": [
                        {"group": one.group, "actions": one.actions, "rule": one.rule}
                        for one in box.labels.all()
                    ],
                }
                for keyframe in keyframes
                for box in keyframe.boxes
            ],
        })  # fmt: skip


def query_of(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    """The parameters `names` of the query that are given."""
    given = request.query_params
    return {name: given[name] for name in names if given.get(name)}


def _clip_row(row: Any, clip: Clip) -> dict[str, Any]:
    return {
        "name": row.name, "video": clip.video.name, "state": row.state,
        "frame_count": clip.frame_count, "seconds": clip.seconds,
        "persons": row.person_count, "tasks": row.task_count, "open_items": row.open_items,
        "findings": row.findings, "lowest_alpha": row.lowest_alpha,
        "is_releasable": row.is_releasable,
    }  # fmt: skip
