"""The annotation guide that CVAT shows beside every job, in Markdown."""

from collections.abc import Sequence

from annotation.core.labels import PERSON_ID, UNKNOWN, UNSET, ActionGroupSpec

RULES = f"""\
- Every person found so far has a box that follows him or her. Correct it where it is wrong.
- Answer the questions of every person. An answer holds until the frame where you change it.
- `{UNSET}` means that nobody looked yet; `{UNKNOWN}` that you looked and cannot tell.
- What counts is the picture at every whole second; those between show the movement.
- A person without a box: draw a rectangle in the mode **Track** and leave `{PERSON_ID}` empty.
- A box without a person: delete the whole track.
- A person leaves the picture: press **O** (outside) in the first frame without him or her.
- Leave `{PERSON_ID}` of the others as it is.
- When you are through: menu, **Finish the job**. That tells us that it is done.
"""


def guide(dataset: str, groups: Sequence[ActionGroupSpec], *, guidelines: str) -> str:
    """The rules, the questions, and the dataset's own `guidelines`.

    >>> "posture" in guide("shop", [ActionGroupSpec("posture", "one", True, ("sit",))], guidelines="")
    True
    """
    parts = [f"# {dataset}", RULES, "## Questions", *map(_question, groups)]
    if guidelines.strip():
        parts += ["## Guidelines", guidelines.strip()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _question(group: ActionGroupSpec) -> str:
    how = "choose one" if group.choice == "one" else "tick all that fit"
    must = ", required" if group.required else ""
    return f"**{group.name}** ({how}{must}): {', '.join(group.actions)}"
