"""Whether answers can be those to a clip, by where their persons lie, and of its vocabulary.

Places are `(second, person id)`; boxes are pixels of the standard video.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from datasets.core.action_groups import ActionGroupSpec
from datasets.core.formats.cvat_document import AnswerProblem, Document, Shape
from datasets.core.formats.cvat_labels import PERSON_ID, foreign_values, select_names
from datasets.core.translation import gettext as _
from tracking.core.boxes import pairwise_iou
from tracking.core.tracks_file import person_label

OWN_IOU = 0.3  # answers that fit less, and another clip well, are those to the other clip
OTHER_IOU = 0.7

Places = Mapping[tuple[int, int], Sequence[float]]


class Fit(NamedTuple):
    """How well the persons of an answer lie where they were given."""

    places: int  # of persons that were given and are in the answer
    mean: float  # IoU, 0 without places
    best: float


def fit(answered: Places, given: Places) -> Fit:
    """Compare the boxes of the same persons at the same seconds.

    >>> fit({(0, 1): (0, 0, 10, 10)}, {(0, 1): (0, 0, 10, 5), (0, 2): (0, 0, 1, 1)})
    Fit(places=1, mean=0.5, best=0.5)
    """
    ious = [
        float(pairwise_iou(np.array([answered[place]]), np.array([given[place]]))[0, 0])
        for place in answered.keys() & given.keys()
    ]
    return Fit(len(ious), sum(ious) / len(ious), max(ious)) if ious else Fit(0, 0.0, 0.0)


def is_of_another_clip(own: Fit, others: Mapping[str, Fit]) -> tuple[bool, str]:
    """Whether answers are hardly those to their clip, and to which clip they seem to belong.

    Args:
        own: With the clip that the answers are said to be of.
        others: With other clips, by name.

    Returns:
        False for answers whose persons overlap with the given ones, unless another clip fits
        much better; the name is empty if no clip fits.

    >>> is_of_another_clip(Fit(9, 0.0, 0.0), {"yard": Fit(9, 0.9, 1.0)})
    (True, 'yard')
    >>> is_of_another_clip(Fit(9, 0.6, 0.9), {"yard": Fit(9, 0.9, 1.0)})
    (False, '')
    """
    if not own.places or own.mean >= OWN_IOU:
        return False, ""
    name, best = max(
        sorted(others.items()), key=lambda one: one[1].mean, default=("", Fit(0, 0.0, 0.0))
    )
    if best.mean >= OTHER_IOU:
        return True, name
    return own.best == 0, ""


def with_current_names(
    document: Document,
    groups: tuple[ActionGroupSpec, ...],
    former: Mapping[str, Mapping[str, str]],
) -> Document:
    """The document with the names that actions have now.

    Args:
        former: Of each group, what its actions were called before -> what they are called.
    """
    renamed = {
        name: former[group.name]
        for group in groups
        if former.get(group.name)
        for name in select_names(group)
    }
    if not renamed:
        return document
    tracks = tuple(
        replace(track, shapes=tuple(
            shape._replace(attributes={
                name: renamed[name].get(value, value) if name in renamed else value
                for name, value in shape.attributes.items()
            })
            for shape in track.shapes
        ))
        for track in document.tracks
    )  # fmt: skip
    return replace(document, tracks=tracks)


def of_vocabulary(
    document: Document,
    groups: tuple[ActionGroupSpec, ...],
    classes: Mapping[int, str] | None = None,
) -> tuple[Document, list[AnswerProblem]]:
    """The document without answers that are none of the vocabulary's, and these.

    A group with such a value counts as not answered while the value holds.

    Args:
        classes: What those are who were given out and are no persons, by number.
    """
    problems, tracks = [], []
    names = {name: group for group in groups for name in select_names(group)}
    for number, track in enumerate(document.tracks):
        shapes: list[Shape] = []
        before: dict[str, str] = {}
        for shape in track.shapes:
            foreign = foreign_values(shape.attributes, groups)
            for name, value in foreign.items() - before.items():
                text = _(
                    '%(person)s: "%(value)s" is not an answer to %(name)s; these are: '
                    "%(actions)s"
                ) % {
                    "person": _who(shape.attributes, number, track.label, classes or {}),
                    "value": value,
                    "name": name,
                    "actions": ", ".join(names[name].actions),
                }
                problems.append(AnswerProblem(shape.frame, text, shape.box))
            before = foreign
            unread = {names[name] for name in foreign}
            left = {
                name: value
                for name, value in shape.attributes.items()
                if names.get(name) not in unread
            }
            shapes.append(shape._replace(attributes=left))
        tracks.append(replace(track, shapes=tuple(shapes)))
    return replace(document, tracks=tuple(tracks)), problems


def _who(
    attributes: Mapping[str, str], track: int, label: str, classes: Mapping[int, str]
) -> str:
    """Who a track of the label `label` shows, in a sentence."""
    given = attributes.get(PERSON_ID, "").strip()
    if not given:
        return _("%(class)s of track %(number)s") % {"class": label, "number": track}
    if given.isdecimal() and int(given) in classes:
        return person_label(int(given), classes)
    return _("person %(number)s") % {"number": given}
