"""Near-equal footage: stretches of two videos that show the same recording.

Perceptual hashes say which videos look alike at all. Of those the movement is compared: the
thumbnails less their local mean over time. Its cross-correlation proposes time offsets, and at
each of them windows of some seconds are correlated. A fixed camera shows the same place at any
time, but never the same movement, so only movement is evidence; a part without any is counted
where it lies beside matching parts and looks the same.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datasets.core.media.fingerprints import CELLS, SAMPLES_PER_SECOND, SIDE, Hashes, Thumbnails

MAX_BITS = 14  # of 64, between the hashes of one moment
MIN_HASHES = 3  # that agree on an offset
MAX_OFFSETS = 24  # of two videos that are looked at
SEARCH_SECONDS = 20.0  # parts whose movement is searched for in the other video
PEAKS, MIN_PEAK = 3, 0.2
LOCAL_SECONDS = 2.2
WINDOW_SECONDS = 4.0
MIN_CORRELATION = 0.82
MIN_UNCROPPED = 0.45  # below, a crop does not explain the difference
CROPPED, CROP_STARTS = 0.95, (0.0, 0.025, 0.05)  # of a side
MIN_ENERGY = 0.6  # mean square of the movement of a part, grey levels
MIN_LIKENESS = 0.9  # of two stills
EDGE_SAMPLES = 4
MIN_EDGE_CORRELATION = 0.5
MIN_SECONDS = 4.0
MAX_HOLE_SECONDS = 3.0

Floats = NDArray[np.float32]


class FootageStretch(NamedTuple):
    """The same footage in two videos, seconds."""

    start: float
    other_start: float
    seconds: float


def look_alike(hashes: Hashes, other_hashes: Hashes) -> bool:
    """Whether two videos look alike for some seconds at one offset.

    Args:
        hashes: Five a second.
        other_hashes: One a second.
    """
    if not len(hashes) or not len(other_hashes):
        return False
    distance = np.bitwise_count(hashes[None, :] ^ other_hashes[:, None])
    rows, columns = np.nonzero(distance <= MAX_BITS)
    first = -SAMPLES_PER_SECOND * (len(other_hashes) - 1)
    votes = np.bincount(columns - SAMPLES_PER_SECOND * rows - first)
    return bool(len(votes)) and int(votes.max()) >= MIN_HASHES


def offsets(one: Thumbnails, other: Thumbnails) -> list[int]:
    """Time offsets at which the movement of a part of `one` is that of a part of `other`.

    Returns:
        Samples, the likeliest first: `other` begins at that sample of `one`; may be negative.
    """
    if min(len(one), len(other)) < MIN_SECONDS * SAMPLES_PER_SECOND:
        return []
    a, b = _pooled(_movement(one)), _pooled(_movement(other))
    size = min(round(SEARCH_SECONDS * SAMPLES_PER_SECOND), len(a))
    length = 1 << (len(b) + size - 1).bit_length()
    spectrum = np.fft.rfft(b, length, axis=0)
    sums = np.concatenate([[0.0], (b**2).sum(axis=1, dtype=np.float64).cumsum()])
    strength: dict[int, float] = {}
    for start in range(0, len(a) - size // 2, size):
        part = a[start : start + size]
        for place, score in _peaks(part, spectrum, sums, length):
            lag = start - place
            strength[lag] = strength.get(lag, 0.0) + score
    return sorted(strength, key=lambda lag: -strength[lag])[:MAX_OFFSETS]


def _peaks(
    part: Floats, spectrum: NDArray[np.complex128], sums: NDArray[np.float64], length: int
) -> list[tuple[int, float]]:
    """Where in the other video the movement of `part` correlates best, and how well."""
    energy, size, samples = float((part**2).sum()), len(part), len(sums) - 1
    if energy < MIN_ENERGY * size * part.shape[1]:
        return []
    product = (np.conj(np.fft.rfft(part, length, axis=0)) * spectrum).sum(axis=1)
    places = np.arange(1 - size, samples)
    found = np.fft.irfft(product, length)[places]
    others = sums[np.minimum(places + size, samples)] - sums[np.maximum(places, 0)]
    floor = MIN_ENERGY * size * part.shape[1]
    scores = found / np.sqrt(energy * np.maximum(others, floor))
    peaks = []
    for _ in range(PEAKS):
        best = int(scores.argmax())
        if scores[best] < MIN_PEAK:
            break
        peaks.append((int(places[best]), float(scores[best])))
        scores[max(0, best - 2) : best + 3] = 0
    return peaks


def _pooled(movement: Floats) -> Floats:
    """Movement of 4x4 parts, shape `(samples, 16)`: enough to find an offset."""
    half = SIDE // 2
    parts = movement.reshape(len(movement), half, 2, half, 2)
    return np.asarray(parts.mean(axis=(2, 4)).reshape(len(movement), half * half), np.float32)


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """How alike two thumbnails look, -1 to 1; 1 for the same frame at another brightness."""
    return float(_alike(one[None], other[None])[0])


def repeats(one: Thumbnails, other: Thumbnails) -> list[FootageStretch]:
    """The stretches that two videos share, by start; none overlap."""
    found: list[tuple[float, FootageStretch]] = []
    for lag in offsets(one, other):
        start = max(0, lag)
        count = min(len(one) - start, len(other) - (start - lag))
        if count >= MIN_SECONDS * SAMPLES_PER_SECOND:
            a, b = one[start : start + count], other[start - lag : start - lag + count]
            for strength, begin, end in _matching_runs(*_uncropped(a, b)):
                places = (start + begin, start - lag + begin, end - begin)
                found.append(
                    (
                        strength,
                        FootageStretch(*(place / SAMPLES_PER_SECOND for place in places)),
                    )
                )
    kept: list[FootageStretch] = []
    for _, stretch in sorted(found, reverse=True):
        if not any(_overlap(stretch, better) for better in kept):
            kept.append(stretch)
    return sorted(kept)


def _uncropped(a: Thumbnails, b: Thumbnails) -> tuple[Floats, Floats]:
    """Both videos as the more cropped one shows them, if one is cropped by 5 %."""
    one, other = a.astype(np.float32), b.astype(np.float32)
    best, found = _similarity(one, other), (one, other)
    if best >= MIN_CORRELATION or best < MIN_UNCROPPED:
        return found
    for crop in CROPS:
        for pair in ((one @ crop.T, other), (one, other @ crop.T)):
            if (similarity := _similarity(*pair)) > best:
                best, found = similarity, pair
    return found


def _similarity(a: Floats, b: Floats) -> float:
    """The correlation of the movement in the better half of the windows."""
    size = min(round(WINDOW_SECONDS * SAMPLES_PER_SECOND), len(a))
    slow, moves = _correlation(_movement(a), _movement(b), size)
    return float(np.median(slow[moves])) if moves.any() else 0.0


def _crop_matrices() -> list[Floats]:
    """What the thumbnails of a cropped frame are made of; each of shape `(64, 64)`."""
    sides = [_crop_side(start) for start in CROP_STARTS]
    return [np.asarray(np.kron(down, across), np.float32) for down in sides for across in sides]


def _crop_side(start: float) -> NDArray[np.float64]:
    """Shares of the 8 parts of a side in those of its cropped one, which begins at `start`."""
    edges = (start + np.arange(SIDE + 1) * CROPPED / SIDE) * SIDE
    parts = np.arange(SIDE)
    low = np.maximum(edges[:-1, None], parts)
    high = np.minimum(edges[1:, None], parts + 1)
    return np.maximum(high - low, 0) / CROPPED


CROPS = _crop_matrices()


def _matching_runs(a: Floats, b: Floats) -> Iterator[tuple[float, int, int]]:
    """Runs of samples in which two videos of one length show the same, with their strength."""
    size = min(round(WINDOW_SECONDS * SAMPLES_PER_SECOND), len(a))
    slow, moves = _correlation(_movement(a), _movement(b), size)
    same = moves & (slow > MIN_CORRELATION)
    if not same.any():
        return
    quick, moves_quickly = _correlation(_steps(a), _steps(b), EDGE_SAMPLES)
    edge = moves_quickly & (quick > MIN_EDGE_CORRELATION)
    still = ~moves & ~moves_quickly & (_alike(a, b) > MIN_LIKENESS)
    for begin, end in _runs(same, edge | still):
        if end - begin >= MIN_SECONDS * SAMPLES_PER_SECOND:
            yield float(slow[begin:end].clip(0).sum()), begin, end


def _movement(thumbnails: Floats | Thumbnails) -> Floats:
    """Thumbnails less their local mean over time."""
    grey = thumbnails.astype(np.float32)
    return grey - _local_mean(grey, round(LOCAL_SECONDS * SAMPLES_PER_SECOND))


def _steps(thumbnails: Floats) -> Floats:
    """The change from each thumbnail to the next; the last one repeats."""
    grey = thumbnails.astype(np.float32)
    steps = np.diff(grey, axis=0)
    return np.concatenate([steps, steps[-1:]])


def _correlation(a: Floats, b: Floats, size: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Concordance over windows of `size` samples, and whether both move there.

    It is the correlation, less if one moves more than the other: two people who walk the same
    way seldom change a place equally.
    """
    both = _window_sum((a * b).sum(axis=1), size)
    energy_a = _window_sum((a**2).sum(axis=1), size)
    energy_b = _window_sum((b**2).sum(axis=1), size)
    moves = np.minimum(energy_a, energy_b) > MIN_ENERGY * size * CELLS
    return 2 * both / np.maximum(energy_a + energy_b, 1e-6), moves


def _alike(a: Floats | Thumbnails, b: Floats | Thumbnails) -> Floats:
    """Correlation of each thumbnail with its counterpart, over its parts."""
    one, other = (
        each - each.mean(axis=1, keepdims=True)
        for each in (a.astype(np.float32), b.astype(np.float32))
    )
    lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-6), np.float32)


def _runs(same: NDArray[np.bool_], edge: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of `same`, made longer as long as `edge` holds; near ones are merged."""
    hole = round(MAX_HOLE_SECONDS * SAMPLES_PER_SECOND)
    edges = np.flatnonzero(np.diff(np.r_[False, same | edge, False]))
    parts = [
        (int(begin), int(end))
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
        if same[begin:end].any()
    ]
    merged: list[tuple[int, int]] = []
    for begin, end in parts:
        if merged and begin - merged[-1][1] <= hole:
            begin, _ = merged.pop()
        merged.append((begin, end))
    return merged


def _overlap(one: FootageStretch, other: FootageStretch) -> bool:
    in_first = min(one.start + one.seconds, other.start + other.seconds) > max(
        one.start, other.start
    )
    in_second = min(one.other_start + one.seconds, other.other_start + other.seconds) > max(
        one.other_start, other.other_start
    )
    return in_first or in_second


def _local_mean(values: Floats, size: int) -> Floats:
    """Mean over `size` samples around each one, fewer at the ends; shape of `values`."""
    sums = np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0, dtype=np.float64)])
    place = np.arange(len(values))
    low = np.maximum(place - size // 2, 0)
    high = np.minimum(place + size // 2 + 1, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None], np.float32)


def _window_sum(values: Floats, size: int) -> Floats:
    """Sum over `size` samples around each one; the windows at the ends lie inside."""
    sums = np.concatenate([[0.0], values.cumsum(dtype=np.float64)])
    low = np.clip(np.arange(len(values)) - size // 2, 0, len(values) - size)
    return np.asarray(sums[low + size] - sums[low], np.float32)
