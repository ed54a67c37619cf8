"""Annotation guide: the Markdown that CVAT shows to the annotators of a project."""

from collections.abc import Sequence

from datasets.core.action_groups import AS_BEFORE, NONE, UNKNOWN, ActionGroupSpec
from datasets.core.formats.cvat_labels import PERSON, PERSON_ID, select_names

TRACK_DIALOG = """\
    +-- Draw new rectangle -----------+
    |  Label  person                  |
    |                                 |
    |  [  Shape  ]     [  Track  ]    |
    +-----^----------------^----------+
          |                |
       one frame        here: follows the person
       only: no         to the end of the clip
"""

RULES = f"""\
- Every detected person has a box that follows them. Correct the box where it is wrong.
- Answer every question of every person in their first frame, and again in each frame where the
  answer changes. `{AS_BEFORE}` means that the answer before holds; where there is none before
  it, the question is not answered.
- `{UNKNOWN}` means that you can't tell, `{NONE}` that no action applies.
- Only the frames at whole seconds count. The frames between them show the movement.
- Person without a box: draw a rectangle with **Track**, not with **Shape**, which is one frame
  only. Leave `{PERSON_ID}` empty.
- Box without a person: delete the whole track.
- Person leaves the frame: press **O** (outside) on the first frame without them.
- Box that changes from one person to another: **Split** the track there. Both parts keep the
  `{PERSON_ID}`: clear it in the part that shows somebody else, and answer all questions there.
- Don't change the `{PERSON_ID}` of existing boxes otherwise.
- When you are done: open the menu and choose **Finish the job**.

"""
DRAWING_TITLE = "Draw new persons with Track, not with Shape"


ONCE = {
    "keyframe": "",
    "person": ", once for each person",
    "clip": ", once for the whole clip, at any person",
}


def classes_sentence(labels: Sequence[str]) -> str:
    """What annotators are told of labels; nothing if all are persons.

    >>> classes_sentence(["person"])
    ''
    >>> classes_sentence(["person", "vehicle"])[:38]
    'This dataset follows: person, vehicle.'
    """
    if list(labels) == [PERSON]:
        return ""
    return (
        f"This dataset follows: {', '.join(labels)}. What is said of persons holds for all "
        "of these; draw each with the label of what it is."
    )


def guide(
    dataset: str,
    groups: Sequence[ActionGroupSpec],
    *,
    guidelines: str,
    drawing: str = "",
    labels: Sequence[str] = (PERSON,),
) -> str:
    """The general rules, the questions, and the dataset's own `guidelines`.

    `drawing` is the address of a drawing of CVAT's dialog; without one it is drawn in text.

    >>> groups = [ActionGroupSpec("posture", "one", True, ("sit",))]
    >>> "posture" in guide("shop", groups, guidelines="")
    True
    """
    shown = f"![{DRAWING_TITLE}]({drawing})" if drawing else TRACK_DIALOG
    rules = f"- {words}\n{RULES}" if (words := classes_sentence(labels)) else RULES
    parts = [f"# {dataset}", rules, shown.rstrip(), "## Questions", *map(_question, groups)]
    if guidelines.strip():
        parts += ["## Guidelines", guidelines.strip()]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _question(group: ActionGroupSpec) -> str:
    count = len(select_names(group))
    how = "choose one" if count == 1 else f"choose up to {count}, one a row"
    must = ", required" if group.required else ""
    return f"**{group.name}** ({how}{must}{ONCE[group.scope]}): {', '.join(group.actions)}"
