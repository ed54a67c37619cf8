"""Plain online SORT on filterpy, one filter object a track: the baseline.

After Bewley et al., "Simple Online and Realtime Tracking" (2016): seven states (centre, area,
side ratio, and the speeds of the first three), IoU, the Hungarian method; noises as published.
It does for each track and frame what the published program does: one filter object a person,
its box computed anew whenever it is asked for, one assignment over all, and the same short cut
where everybody overlaps one detection only. Nothing of our tracker's code is used.
"""

import numpy as np
from filterpy.kalman import KalmanFilter
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Row = NDArray[np.float64]


class _Track:
    def __init__(self, number: int, box: Row) -> None:
        self.number = number
        self.unseen = 0
        self.streak = 0
        self.history: list[Row] = []
        self._filter = twin = KalmanFilter(dim_x=7, dim_z=4)
        # Whole numbers, as in the published program: no float matrices are made of them here.
        twin.F = np.array([[int(a == b or b == a + 4) for b in range(7)] for a in range(7)])
        twin.H = np.array([[int(a == b) for b in range(7)] for a in range(4)])
        twin.R[2:, 2:] *= 10.0
        twin.P[4:, 4:] *= 1000.0
        twin.P *= 10.0
        twin.Q[-1, -1] *= 0.01
        twin.Q[4:, 4:] *= 0.01
        twin.x[:4] = _measured(box)

    def predict(self) -> Row:
        if self._filter.x[6] + self._filter.x[2] <= 0:
            self._filter.x[6] *= 0.0
        self._filter.predict()
        if self.unseen > 0:
            self.streak = 0
        self.unseen += 1
        self.history.append(self.state())
        return self.history[-1]

    def update(self, box: Row) -> None:
        self.unseen = 0
        self.history = []
        self.streak += 1
        self._filter.update(_measured(box))

    def state(self) -> Row:
        """The box as a row of shape `(1, 4)`."""
        x = self._filter.x
        width = np.sqrt(x[2] * x[3])
        height = x[2] / width
        corners = [x[0] - width / 2, x[1] - height / 2, x[0] + width / 2, x[1] + height / 2]
        return np.array(corners).reshape((1, 4))


def _measured(box: Row) -> Row:
    width, height = box[2] - box[0], box[3] - box[1]
    middle = box[0] + width / 2, box[1] + height / 2
    return np.array([*middle, width * height, width / float(height)]).reshape((4, 1))


class PlainSort:
    """`max_age` and `min_hits` count frames; tracks of one clip only."""

    def __init__(self, *, max_age: int = 1, min_hits: int = 3, min_iou: float = 0.3) -> None:
        self._max_age, self._min_hits, self._min_iou = max_age, min_hits, min_iou
        self._tracks: list[_Track] = []
        self._frame = 0
        self._count = 0

    def update(self, boxes: Row) -> list[tuple[int, Row]]:
        """`(id, box)` of everybody seen in the next frame; `boxes` has shape `(N, 4)`."""
        self._frame += 1
        expected = self._expected()
        pairs = self._pairs(boxes, expected)
        for row, column in pairs:
            self._tracks[column].update(boxes[row])
        for row in range(len(boxes)):
            if row not in pairs[:, 0]:
                self._count += 1
                self._tracks.append(_Track(self._count, boxes[row]))
        shown = []
        is_early = self._frame <= self._min_hits
        for one in self._tracks:
            box = one.state()[0]
            if one.unseen < 1 and (one.streak >= self._min_hits or is_early):
                shown.append((one.number, box))
        self._tracks = [one for one in self._tracks if one.unseen <= self._max_age]
        return shown

    def _expected(self) -> Row:
        """Where everybody should be now; tracks without a finite box are dropped."""
        expected = np.zeros((len(self._tracks), 4))
        lost = []
        for place, one in enumerate(self._tracks):
            expected[place] = one.predict()[0]
            if np.any(np.isnan(expected[place])):
                lost.append(place)
        for place in reversed(lost):
            self._tracks.pop(place)
        return np.ma.compress_rows(np.ma.masked_invalid(expected)).reshape(-1, 4)

    def _pairs(self, boxes: Row, expected: Row) -> NDArray[np.int64]:
        """Rows `(detection, person)` of the best assignment."""
        if not len(boxes) or not len(expected):
            return np.empty((0, 2), dtype=np.int64)
        iou = _iou(boxes, expected)
        good = (iou >= self._min_iou).astype(np.int32)
        if good.sum(1).max() == 1 and good.sum(0).max() == 1:
            found = np.stack(np.where(good), axis=1)
        else:
            found = np.stack(linear_sum_assignment(-iou), axis=1)
        pairs = [pair for pair in found if iou[pair[0], pair[1]] >= self._min_iou]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _iou(boxes: Row, others: Row) -> Row:
    boxes, others = boxes[:, None], others[None]
    width = np.minimum(boxes[..., 2], others[..., 2]) - np.maximum(
        boxes[..., 0], others[..., 0]
    )
    height = np.minimum(boxes[..., 3], others[..., 3]) - np.maximum(
        boxes[..., 1], others[..., 1]
    )
    overlap = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    return overlap / (_area(boxes) + _area(others) - overlap)


def _area(boxes: Row) -> Row:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
