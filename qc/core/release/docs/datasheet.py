"""The datasheet of a dataset: what only its makers know, asked once and printed in every card.

The questions follow Gebru et al., Datasheets for Datasets (2021), as far as footage of people
raises them. What the rows of the database tell is not asked.
"""

from collections.abc import Mapping
from typing import NamedTuple

from qc.core.release.docs.markup import Block, Heading, Text, Warn


class SheetQuestion(NamedTuple):
    """One question; a public release needs an answer to it if it is required."""

    key: str
    text: str
    hint: str
    is_required: bool = True


QUESTIONS = (
    SheetQuestion("people", "Who was filmed?", "Adults, children, staff, actors, passers-by"),
    SheetQuestion(
        "consent", "Did they consent, and to what?",
        "How they were told, what they signed, how they withdraw; or why no consent was needed",
    ),
    SheetQuestion(
        "identity", "Can people be recognised?",
        "Faces, plates, name badges, voices; what was blurred and what was not",
    ),
    SheetQuestion("place", "Where and when was it filmed?", "Country, kind of place, months"),
    SheetQuestion("uses", "What is it for?", "Tasks that it was made for, and that it suits"),
    SheetQuestion(
        "refused_uses", "What must it not be used for?",
        "Identification, surveillance, conclusions about individuals",
    ),
    SheetQuestion("maintainer", "Who maintains it?", "A name and an address that is read"),
    SheetQuestion(
        "errata", "How are errors reported, and how are they corrected?",
        "Where to write; whether corrected releases follow, and how they are announced",
    ),
    SheetQuestion(
        "annotators", "Who annotated it, and how were they paid?",
        "Recruitment, training, pay per hour", is_required=False,
    ),
    SheetQuestion(
        "ethics", "Was it reviewed by an ethics board?", "Which, and its reference",
        is_required=False,
    ),
    SheetQuestion("funding", "Who funded it?", "Grants and companies", is_required=False),
)  # fmt: skip
MAX_ANSWER = 4000  # characters


def unanswered(answers: Mapping[str, str]) -> list[SheetQuestion]:
    """The required questions that have no answer.

    >>> [question.key for question in unanswered({"people": "Actors."})][:2]
    ['consent', 'identity']
    """
    return [
        question
        for question in QUESTIONS
        if question.is_required and not answers.get(question.key, "").strip()
    ]


def datasheet(answers: Mapping[str, str]) -> list[Block]:
    """The answers for a card; says so if questions are open."""
    blocks: list[Block] = [Heading("Datasheet")]
    for question in QUESTIONS:
        if answer := answers.get(question.key, "").strip():
            blocks.append(Text(f"**{question.text}** {' '.join(answer.split())}"))
    if missing := unanswered(answers):
        questions = " ".join(question.text for question in missing)
        blocks.append(Warn(f"Not answered by the makers of this dataset: {questions}"))
    return blocks
