"""How pages call groups of actions and persons; files keep names and ids as they are."""

from qc.core.consensus.identity import DRAWN_IDS_PER_CLIP


def group_words(name: str) -> str:
    """A group of actions, as a heading or alone in a cell.

    >>> group_words("object_manipulation"), group_words("")
    ('Object manipulation', '')
    """
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def person_words(person_id: int) -> str:
    """A person by the number, or as the how manieth that annotators drew in the clip.

    >>> person_words(3), person_words(10_000), person_words(30_001)
    ('P3', 'new person 1', 'new person 2')
    """
    if person_id < DRAWN_IDS_PER_CLIP:
        return f"P{person_id}"
    return f"new person {person_id % DRAWN_IDS_PER_CLIP + 1}"
