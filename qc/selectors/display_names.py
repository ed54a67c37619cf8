"""Display names of action groups and persons on pages; files keep names and ids unchanged."""

from qc.core.consensus.identity import DRAWN_IDS_PER_CLIP


def group_title(name: str) -> str:
    """An action group as a heading or a table cell.

    >>> group_title("object_manipulation"), group_title("")
    ('Object manipulation', '')
    """
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def person_label(person_id: int) -> str:
    """A person by id, or by order among the persons that annotators drew in the clip.

    >>> person_label(3), person_label(10_000), person_label(30_001)
    ('P3', 'new person 1', 'new person 2')
    """
    if person_id < DRAWN_IDS_PER_CLIP:
        return f"P{person_id}"
    return f"new person {person_id % DRAWN_IDS_PER_CLIP + 1}"
