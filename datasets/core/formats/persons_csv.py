"""`persons.csv` of releases: the class of each person, which AVA's files have no column for.

It is there only where not all are persons.
"""

import csv
from collections.abc import Mapping
from io import StringIO

PERSONS = "persons.csv"
HEADER = ["source_video", "person_id", "class"]


def dump_classes(classes: Mapping[tuple[str, int], str]) -> bytes:
    """`persons.csv`: the class of each person, by source video and number; sorted.

    >>> dump_classes({("a", 2): "vehicle", ("a", 1): "person"}).decode().splitlines()
    ['source_video,person_id,class', 'a,1,person', 'a,2,vehicle']
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((*key, label) for key, label in sorted(classes.items()))
    return text.getvalue().encode()


def load_classes(text: str) -> dict[tuple[str, int], str]:
    """The classes in `persons.csv`. Raises ValueError if it is another file.

    >>> load_classes("source_video,person_id,class\\na,2,vehicle\\n")
    {('a', 2): 'vehicle'}
    """
    header, *rows = csv.reader(text.splitlines()) if text else ([],)
    if header != HEADER:
        raise ValueError(f"its columns are not {', '.join(HEADER)}")
    classes: dict[tuple[str, int], str] = {}
    for place, row in enumerate(rows, start=2):
        if len(row) != len(HEADER) or not row[1].isdecimal() or not row[2]:
            raise ValueError(f"row {place} is not a video, a number and a class: {row!r:.80}")
        key = (row[0], int(row[1]))
        if key in classes:
            raise ValueError(f"row {place} has {row[0]},{row[1]} a second time")
        classes[key] = row[2]
    return classes
