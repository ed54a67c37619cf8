"""Every figure with an interval, of many simulated datasets at once.

The formulas, sums and intervals are those of the pages; only the loop over datasets is an axis
of arrays. `./ava bench intervals` compares some datasets of every batch with what the pages
themselves would show (`page_figures`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.numbers._interval_worlds import Floats, Worlds
from datasets.core.action_groups import ActionGroupSpec
from qc.core.agreement import kappa_intervals
from qc.core.agreement.box_agreement import box_figures, box_ratios
from qc.core.agreement.coefficient_counts import (
    SUMS,
    Block,
    CategorySums,
    RatingSums,
    mean_of_defined,
    ratio,
    unit_agreement,
)
from qc.core.agreement.coefficients import ALPHA, FLEISS, KAPPA, OF_RATINGS
from qc.core.agreement.figures import Figure
from qc.core.agreement.jackknife import Estimate, estimates
from qc.core.agreement.label_agreement import Units, brief_figures, group_figures, of_pair
from qc.core.agreement.per_action import ActionSums, action_sums
from qc.core.agreement.rating_intervals import IS_RATE, rating_intervals
from qc.core.box_matching import BoxCounts

NAMES = ("ann", "bob", "cleo", "dan", "eve")
VALUES = ["a", "b", "c", "d"]
ONE = ActionGroupSpec("one", "one", True, tuple(VALUES), 1)
MANY = ActionGroupSpec("many", "many", False, ("w", "x"), 2)
SETS = [frozenset[str](), frozenset({"w"}), frozenset({"x"}), frozenset({"w", "x"})]
BOXES = ("f1", "mean_iou", "share_50", "share_75")


@dataclass
class Columns:
    """Some figures of W datasets of at most G clips."""

    names: list[str]
    values: Floats  # (W, k)
    left_out: Floats  # (W, G, k)
    has_units: Any  # (W, G, k) or (W, G, 1)
    shared: Any = np.inf  # (W, k)
    is_rate: Any = False  # (k,)
    is_mean: Any = False

    def estimates(self) -> list[list[Estimate]]:
        """The interval of each figure of each dataset."""
        count, clips, width = self.left_out.shape
        has = np.broadcast_to(self.has_units, self.left_out.shape)
        found = estimates(
            self.values.ravel(),
            self.left_out.transpose(1, 0, 2).reshape(clips, -1),
            has_units=has.transpose(1, 0, 2).reshape(clips, -1),
            is_rate=np.tile(np.broadcast_to(self.is_rate, width), count),
            is_mean=np.tile(np.broadcast_to(self.is_mean, width), count),
            shared=np.broadcast_to(self.shared, self.values.shape).ravel(),
        )
        return [found[start : start + width] for start in range(0, len(found), width)]


class Padding:
    """Where a row of each clip goes in an array `(W, G)`."""

    def __init__(self, world: Any) -> None:
        sizes = np.bincount(world)
        self.world = world
        self.place = np.arange(len(world)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        self.shape = (len(sizes), int(sizes.max()))

    def padded(self, rows: Floats, clips: Any = slice(None)) -> Floats:
        """Rows of `clips` (all, or their numbers), 0 where there is none."""
        found = np.zeros((*self.shape, *rows.shape[1:]), dtype=rows.dtype)
        found[self.world[clips], self.place[clips]] = rows
        return found


def columns_of(these: Worlds) -> list[Columns]:
    """Every figure that a page shows with an interval."""
    padding = Padding(these.world)
    names = NAMES[: len(these.one)]
    block = Block(names, these.one, these.tracks, these.clips)
    one = Units([block], VALUES, ONE)
    many = Units([block._replace(codes=these.many)], SETS, MANY)
    pair = Units(of_pair([block], *names[:2]), VALUES, ONE)
    found = []
    sources = {}
    for title, units in (("one", one), ("many", many), ("pair", pair), ("edited", many.edited)):
        sources[title] = _of_ratings(title, units, padding)
        found.append(sources[title])
    found.append(_mean_of_groups(sources["one"], sources["many"]))
    for title, units, source in (
        ("one", one, sources["one"]), ("many", many, sources["many"]),
        ("pair", pair, sources["pair"]),
    ):  # fmt: skip
        found.append(_kappas(title, units, padding, source, with_actions=title == "one"))
    if len(names) > 2:
        found.append(_fleiss(one, padding, sources["one"]))
    found.append(_of_actions(one, padding))
    return [*found, _of_boxes(these, padding)]


def _of_ratings(title: str, units: Units, padding: Padding) -> Columns:
    [(codes, clips)] = units.parts
    source = units.sums
    rows = {key: padding.padded(getattr(source.sums, key), source.clusters) for key in SUMS}
    total = replace(source.sums, **{key: one.sum(axis=1) for key, one in rows.items()})
    left_out = replace(
        source.sums, **{key: one.sum(axis=1)[:, None] - one for key, one in rows.items()}
    )
    counts = rows["values"].sum(axis=1)
    commonest = np.zeros(len(counts), dtype=np.int64) if units.are_edited else np.array(
        [min((-count, f"{_plain(units.values[k])}", k) for k, count in enumerate(row))[2]
         for row in counts.tolist()]
    )  # fmt: skip
    of_unit = commonest[padding.world[clips]]
    shared = np.zeros(len(padding.world), dtype=bool)
    for i, first in enumerate(codes):
        for second in codes[i + 1 :]:
            shared[clips[(first == second) & (first != of_unit)]] = True
    in_world = np.bincount(padding.world[shared], minlength=padding.shape[0])
    matters = units.are_edited | np.array([one is ALPHA for one in OF_RATINGS])
    return Columns(
        [f"{title} {spec.name}" for spec in OF_RATINGS],
        _stacked(total),
        _stacked(left_out),
        (rows["pairable"] > 0)[..., None],
        np.where(matters, in_world[:, None], np.inf),
        IS_RATE,
        is_mean=units.are_edited,
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else sorted(value)


def _stacked(sums: RatingSums) -> Floats:
    return np.stack([spec.formula(sums) for spec in OF_RATINGS], axis=-1)


def _mean_of_groups(one: Columns, many: Columns) -> Columns:
    return Columns(
        [f"mean of groups {spec.name}" for spec in OF_RATINGS],
        mean_of_defined(np.stack([one.values, many.values]), axis=0),
        mean_of_defined(np.stack([one.left_out, many.left_out]), axis=0),
        one.has_units | many.has_units,
        np.maximum(one.shared, many.shared),
        IS_RATE,
    )


def _kappas(
    title: str, units: Units, padding: Padding, ratings: Columns, *, with_actions: bool
) -> Columns:
    member = units.member if with_actions else units.member[:, :0]
    sums = kappa_intervals.PairSumsOfClusters(
        np.arange(len(padding.world)), len(units.values), member
    )
    for block in units.blocks:
        sums.add(block)
    matrix = sums.matrix()
    rows = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    table = padding.padded(rows.reshape(len(rows), len(sums.pairs), -1))
    total = table.sum(axis=1)
    left_out = (total[:, None] - table).reshape(-1, *table.shape[2:])
    of_all = kappa_intervals.means_over_pairs(total, member)
    without = kappa_intervals.means_over_pairs(left_out, member)
    alpha = ratings.names.index(f"{title} {ALPHA.name}")
    shared = [ratings.shared[:, alpha]]
    if with_actions:
        shared += list(_shared_of_actions(units, padding).T)
    return Columns(
        [f"{title} {KAPPA.name}"]
        + [f"action {one} {KAPPA.name}" for one in units.group.actions] * with_actions,
        of_all,
        without.reshape(*padding.shape, -1),
        ratings.has_units,
        np.stack(shared, axis=1),
    )


def _shared_of_actions(units: Units, padding: Padding) -> Floats:
    sums = action_sums(units.parts, units.member)
    return padding.padded((sums.shared > 0).astype(np.float64)).sum(axis=1)


def _fleiss(units: Units, padding: Padding, ratings: Columns) -> Columns:
    [(codes, clips)] = units.parts
    rows = np.zeros((len(padding.world), 1 + len(units.values)))
    np.add.at(rows[:, 0], clips, unit_agreement(codes))
    for row in codes:
        np.add.at(rows, (clips, 1 + row), 1)
    table = padding.padded(rows)
    total = table.sum(axis=1)
    every = np.concatenate([total[:, None], total[:, None] - table], axis=1)
    values = FLEISS.formula(CategorySums(every[..., 0], every[..., 1:], len(codes)))
    return Columns(
        [f"one {FLEISS.name}"],
        values[:, 0, None],
        values[:, 1:, None],
        ratings.has_units,
        ratings.shared[:, [OF_RATINGS.index(ALPHA)]],
    )


def _of_actions(units: Units, padding: Padding) -> Columns:
    sums = action_sums(units.parts, units.member)
    rows = {key: padding.padded(one) for key, one in vars(sums).items()}
    total = ActionSums(**{key: one.sum(axis=1) for key, one in rows.items()})
    left_out = ActionSums(
        **{key: (one.sum(axis=1)[:, None] - one).reshape(-1, *one.shape[2:])
           for key, one in rows.items()}
    )  # fmt: skip
    of_all, without = total.binary(), left_out.binary()
    shared = (rows["shared"] > 0).sum(axis=1)
    width = len(units.group.actions)
    shape = (*padding.shape, width)
    return Columns(
        [f"action {one} {spec.name}" for spec in OF_RATINGS for one in units.group.actions],
        np.concatenate([spec.formula(of_all) for spec in OF_RATINGS], axis=1),
        np.concatenate([spec.formula(without).reshape(*shape) for spec in OF_RATINGS], axis=2),
        (rows["pairable"] > 0)[..., None],
        np.tile(shared, len(OF_RATINGS)),
        np.repeat(IS_RATE, width),
    )


def _of_boxes(these: Worlds, padding: Padding) -> Columns:
    fields = [
        np.bincount(these.clips, row, minlength=len(padding.world))
        for row in np.sum(list(these.boxes.values()), axis=0)
    ]
    parts, wholes = (padding.padded(one) for one in box_ratios(np.stack(fields, axis=1)))
    part, whole = parts.sum(axis=1), wholes.sum(axis=1)
    return Columns(
        [f"boxes {one}" for one in BOXES],
        ratio(part, whole),
        ratio(part[:, None] - parts, whole[:, None] - wholes),
        wholes > 0,
        is_rate=True,
        is_mean=np.array([one == "mean_iou" for one in BOXES]),
    )


def page_figures(world: Worlds, *, with_intervals: bool = True) -> dict[str, Figure]:
    """The figures of one dataset by the functions that make the pages."""
    names = NAMES[: len(world.one)]
    found: dict[str, Figure] = {}
    block = Block(names, world.one, world.tracks, world.clips)
    one = Units([block], VALUES, ONE)
    many = Units([block._replace(codes=world.many)], SETS, MANY)
    groups = [
        group_figures(one, with_intervals=with_intervals),
        brief_figures(many, with_intervals=with_intervals),
    ]
    for group in groups:
        found |= {f"{group.name} {key}": it for key, it in group.coefficients.items()}
        for action, of_action in group.actions.items():
            found |= {
                f"action {action} {key}": it for key, it in of_action.coefficients.items()
            }
    pair = Units(of_pair([block], *names[:2]), VALUES, ONE)
    of_pair_alone = brief_figures(pair, with_intervals=with_intervals).coefficients
    found |= {f"pair {key}": it for key, it in of_pair_alone.items()}
    found |= {f"edited {key}": it for key, it in groups[1].edited.coefficients.items()}
    around: Any = rating_intervals([one.sums, many.sums]) if with_intervals else {}
    for spec in OF_RATINGS:
        of_groups = (group.coefficients[spec.name] for group in groups)
        found[f"mean of groups {spec.name}"] = Figure.mean(
            of_groups, *around.get(spec.name, ())
        )
    boxes = box_figures(counts_of(world), with_intervals=with_intervals)
    return found | {f"boxes {key}": getattr(boxes, key) for key in BOXES}


def counts_of(world: Worlds) -> Iterator[dict[int, BoxCounts]]:
    size = len(world.world)
    for columns in world.boxes.values():
        sums = [np.bincount(world.clips, column, minlength=size) for column in columns]
        yield {
            number: BoxCounts._make((*map(int, row[:-1]), float(row[-1])))
            for number, row in enumerate(np.stack(sums, axis=1))
        }
