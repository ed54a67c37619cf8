"""Check of the actions against the vocabulary, with the limits of its groups.

Nothing here knows how the files were written.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from qc.core.json_shapes import SETTINGS
from qc.core.release.checks.expectations import expect
from qc.core.release.reader import ReleaseReader, ReleaseReadError

Faults = Iterator[str]


class GroupLimits(NamedTuple):
    """A group of the vocabulary, as `settings.json` has it."""

    name: str
    most: int  # actions of one person at one keyframe
    actions: dict[int, str]


def vocabulary(release: ReleaseReader) -> list[GroupLimits]:
    """The groups of `settings.json`; empty where it does not list their actions."""
    found = []
    for group in release.shaped("settings.json", SETTINGS).get("groups", []):
        if "actions" not in group:
            continue
        try:
            actions = {int(one["id"]): str(one["name"]) for one in group["actions"]}
            most = 1 if group["choice"] == "one" else int(group["max_per_person"])
            found.append(GroupLimits(str(group["name"]), most, actions))
        except (KeyError, TypeError, ValueError) as error:
            raise ReleaseReadError(f"settings.json has an odd group: {error}.") from error
    return found


def check_vocabulary(release: ReleaseReader) -> str:
    """The action list is the vocabulary's, and nobody does more of a group than may be."""
    groups = vocabulary(release)
    group_of = {action: group for group in groups for action in group.actions}

    def faults() -> Faults:
        for action in release.manifest_actions() if groups else ():
            group = group_of.get(action.action_id)
            named = group.actions[action.action_id] if group else None
            if named != action.name:
                yield (
                    f"action {action.action_id} is {action.name!r} in manifest.json, but "
                    f"{named!r} in settings.json"
                )
        for split in release.splits:
            counts: Counter[tuple[str, int, int, str]] = Counter()
            for row, label in enumerate(release.labels(split), start=1):
                if (group := group_of.get(label.action_id)) is None:
                    continue
                key = (label.video_id, label.timestamp, label.person_id, group.name)
                counts[key] += 1
                if counts[key] == group.most + 1:
                    who = release.name_of(label.video_id, label.person_id)
                    yield (
                        f"ava_{split}.csv row {row} gives {who} of "
                        f"{label.video_id} at {label.timestamp} {group.most + 1} actions of "
                        f"{group.name}, which allows {group.most}"
                    )

    return expect(faults(), f"All persons keep within the limits of {len(groups)} groups.")
