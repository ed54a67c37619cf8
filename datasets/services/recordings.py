"""Recording groups of the user's own: videos with the same camera, place or subject."""

import csv
from collections.abc import Mapping
from io import StringIO

from django.db import transaction
from django.utils.translation import gettext as _

from datasets.models import Dataset, Video

MAX_ROWS = 100_000
MAX_LABEL_LENGTH = 100
HEADER = "video"  # the first cell of a header row


class GroupsError(ValueError):
    """The table of videos and groups cannot be read; the message names the line."""


def read_groups(text: str) -> dict[str, str]:
    """A table of two columns, the video's name or file name and its group; a header may be.

    Columns are separated by a comma, semicolon or tab. Raises GroupsError.

    >>> read_groups("video,camera\\nwalk-1,north gate\\nwalk-2,\\n")
    {'walk-1': 'north gate', 'walk-2': ''}
    """
    lines = text.lstrip("\ufeff").splitlines()
    if len(lines) > MAX_ROWS:
        raise GroupsError(
            _("The table has %(count)s lines; at most %(most)s are read.")
            % {"count": f"{len(lines):,}", "most": f"{MAX_ROWS:,}"}
        )
    first = next((line for line in lines if line.strip()), "")
    separator = max(",;\t", key=first.count)
    groups: dict[str, str] = {}
    for number, row in enumerate(csv.reader(lines, delimiter=separator), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (not groups and cells[0].lower() == HEADER):
            continue
        if len(cells) != 2 or not cells[0]:
            raise GroupsError(
                _("Line %(number)s is not a video and its group: %(row)s.")
                % {"number": number, "row": row}
            )
        if len(cells[1]) > MAX_LABEL_LENGTH:
            raise GroupsError(
                _(
                    "Line %(number)s has a group of %(count)s characters; at most %(most)s "
                    "are allowed."
                )
                % {"number": number, "count": len(cells[1]), "most": MAX_LABEL_LENGTH}
            )
        groups[cells[0]] = cells[1]
    return groups


def write_groups(dataset: Dataset) -> str:
    """The table of a dataset, as `read_groups` reads it."""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows(dataset.videos.order_by("name").values_list("name", "group"))
    return table.getvalue()


def set_groups(dataset: Dataset, groups: Mapping[str, str]) -> int:
    """Give videos their groups; return how many changed. Other videos keep theirs.

    Raises GroupsError, and changes nothing, if a video is unknown or a file name is not unique.
    """
    changed = []
    with transaction.atomic():
        videos = list(dataset.videos.only("pk", "name", "original_name", "group"))
        by_name: dict[str, list[Video]] = {}
        for video in videos:
            by_name.setdefault(video.original_name, []).append(video)
        by_name |= {video.name: [video] for video in videos}
        for name, label in groups.items():
            found = by_name.get(name, [])
            if len(found) != 1:
                what = _("the file name of several videos") if found else _("no video")
                raise GroupsError(
                    _("%(name)s is %(what)s of %(dataset)s; use the names on the page Videos.")
                    % {"name": name, "what": what, "dataset": dataset}
                )
            if found[0].group != label:
                found[0].group = label
                changed.append(found[0])
        for video in changed:
            Video.objects.filter(pk=video.pk).update(group=video.group)
    return len(changed)
