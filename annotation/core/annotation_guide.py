"""Annotation guide: the Markdown that CVAT shows to the annotators of a project."""

from collections.abc import Sequence

from datasets.core.action_groups import UNKNOWN, UNSET, ActionGroupSpec
from datasets.core.formats.cvat_labels import PERSON_ID

RULES = f"""\
- Every detected person has a box that follows them. Correct the box where it is wrong.
- Answer all questions for every person. An answer holds until the frame where you change it.
- `{UNSET}` means not answered yet. `{UNKNOWN}` means that you can't tell.
- Only the frames at whole seconds count. The frames between them show the movement.
- Person without a box: draw a rectangle in **Track** mode and leave `{PERSON_ID}` empty.
- Box without a person: delete the whole track.
- Person leaves the frame: press **O** (outside) on the first frame without them.
- Don't change the `{PERSON_ID}` of existing boxes.
- When you are done: open the menu and choose **Finish the job**.
"""


def guide(dataset: str, groups: Sequence[ActionGroupSpec], *, guidelines: str) -> str:
    """The general rules, the questions, and the dataset's own `guidelines`.

    >>> groups = [ActionGroupSpec("posture", "one", True, ("sit",))]
    >>> "posture" in guide("shop", groups, guidelines="")
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
