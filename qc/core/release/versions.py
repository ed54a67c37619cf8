"""Semantic versions of releases: what a reader of the last one must expect of the next.

Major: somebody who trained on the last release cannot go on with this one, since actions or
splits changed or clips are gone. Minor: there is more of the same. Patch: corrections.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

FIRST = "1.0.0"
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


class ReleaseOutline(NamedTuple):
    """What decides how much changed from one release to the next."""

    splits: Mapping[str, str]  # clip -> split
    keyframes: Collection[tuple[str, int]]  # annotated ones
    actions: Mapping[int, str]


def outline_of(manifest: Mapping[str, Any]) -> ReleaseOutline:
    """The outline of a release by its manifest."""
    return ReleaseOutline(
        {video["video_id"]: video["split"] for video in manifest["videos"]},
        {
            (one["video_id"], one["timestamp"])
            for one in manifest["keyframes"]
            if one["status"] == "annotated"
        },
        {action["id"]: action["name"] for action in manifest["actions"]},
    )


def next_version(version: str, before: ReleaseOutline, after: ReleaseOutline) -> str:
    """The version of a release that follows one of `version`; 1.0.0 where that is none.

    >>> one = ReleaseOutline({"a-c0000": "train"}, {("a-c0000", 902)}, {1: "walk"})
    >>> more = one._replace(splits={"a-c0000": "train", "b-c0000": "val"})
    >>> next_version("1.0.0", one, more), next_version("1.1.0", more, one)
    ('1.1.0', '2.0.0')
    >>> next_version("2.0.0", one, one)
    '2.0.1'
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        return FIRST
    major, minor, patch = map(int, match.groups())
    if any(after.splits.get(clip) != split for clip, split in before.splits.items()):
        return f"{major + 1}.0.0"
    if any(after.actions.get(action) != name for action, name in before.actions.items()):
        return f"{major + 1}.0.0"
    is_more = set(after.keyframes) - set(before.keyframes)
    if is_more or len(after.splits) > len(before.splits) or len(after.actions) > len(
        before.actions
    ):  # fmt: skip
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"
