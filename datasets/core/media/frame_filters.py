"""Frame filters of libavfilter: upright, deinterlaced, cropped, HDR to SDR."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from datasets.core.media import tone_mapping
from datasets.core.media.cropping import Crop

Filters = list[tuple[str, str]]
DEINTERLACE: Filters = [("yadif", "mode=send_frame:deint=interlaced")]
# Codecs whose frames do not say whether they are interlaced: the container says it of all.
WITHOUT_FIELDS = (
    "mjpeg", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "jpeg2000", "png", "qtrle",
)  # fmt: skip
FIELD_ORDERS = {2: "tff", 3: "bff", 4: "tff", 5: "bff"}  # AVFieldOrder -> which field is first


def deinterlacing_filters(codec: str, first: Any, order: int) -> Filters:
    """The filters that make whole frames of interlaced ones; progressive ones stay.

    Args:
        order: What the container says, AVFieldOrder.
    """
    is_silent = codec in WITHOUT_FIELDS and not first.interlaced_frame
    said = [("setfield", FIELD_ORDERS[order])] if is_silent and order in FIELD_ORDERS else []
    return [*said, *DEINTERLACE]


def crop_filters(crop: Crop | None) -> Filters:
    """The filters that leave the part `crop` of a frame."""
    return [("crop", f"{crop}:exact=1")] if crop else []


def rotation_filters(frame: Any) -> Filters:
    """The filters that make a frame upright, for each of the eight display matrices.

    The angle alone (`frame.rotation`) is wrong for mirrored videos.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not matrix:
        return []
    a, b, _, c, d = np.frombuffer(bytes(matrix), "<i4", 5).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return [("hflip", "")] * (a < 0) + [("vflip", "")] * (d < 0)
    transposes = {
        (1, 0): "clock",
        (0, 1): "cclock",
        (1, 1): "cclock_flip",
        (0, 0): "clock_flip",
    }
    return [("transpose", transposes[int(b > 0), int(c > 0)])]


def tone_mapping_filters(folder: Path, first: Any) -> Filters:
    """The filters that convert HDR frames to SDR RGB; `folder` must stay meanwhile."""
    tone_mapping.write_lut(folder / "table.cube", first.color_trc)
    table = f"file={folder / 'table.cube'}:interp=tetrahedral"
    return [("format", "gbrp12le"), ("lut3d", table), ("format", "gbrp")]


def apply_filters(frames: Iterable[Any], filters: Filters) -> Iterator[Any]:
    """The frames after `filters`; a new graph is built when size or format change."""
    graph: Any = None
    shape: tuple[int, int, str] | None = None
    for frame in frames:
        if shape != (frame.width, frame.height, frame.format.name):
            yield from _flush(graph)
            shape = (frame.width, frame.height, frame.format.name)
            graph = _filter_graph(frame, filters)
        graph.vpush(frame)
        yield from _pull_frames(graph)
    yield from _flush(graph)


def _filter_graph(frame: Any, filters: Filters) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(template=frame)
    links = [graph.add(name, args) if args else graph.add(name) for name, args in filters]
    graph.link_nodes(source, *links, graph.add("buffersink")).configure()
    return graph


def _pull_frames(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def _flush(graph: Any) -> Iterator[Any]:
    if graph is not None:
        graph.vpush(None)
        yield from _pull_frames(graph)
