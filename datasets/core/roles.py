"""Roles: what each member of a dataset may do. Permission checks read this table alone."""

from collections.abc import Mapping
from enum import StrEnum


class Act(StrEnum):
    """Something a member may do in a dataset."""

    SEE = "see"
    READ_GUIDELINES = "read guidelines"
    SEE_NAMES = "see names"
    UPLOAD = "upload"
    CONFIGURE = "configure"
    ASSIGN = "assign"
    LABEL = "label"
    ADJUDICATE = "adjudicate"
    REVIEW = "review"
    OVERRIDE = "override"
    RELEASE = "release"
    DOWNLOAD = "download"
    INVITE_ANNOTATORS = "invite annotators"
    MANAGE_MEMBERS = "manage members"
    DELETE = "delete"

    @property
    def key(self) -> str:
        """The name in templates: `{% if dataset.may.see_names %}`."""
        return self.name.lower()


MEANING: Mapping[Act, str] = {
    Act.SEE: "open the pages of the dataset: videos, clips, tracks, releases",
    Act.READ_GUIDELINES: "read the guidelines",
    Act.SEE_NAMES: "see who annotated what: tasks, agreement, gold clips, CVAT",
    Act.UPLOAD: "upload videos and bundles",
    Act.CONFIGURE: "change tracking, vocabulary, guidelines, quality rules and the CVAT "
    "project, and retry failed work",
    Act.ASSIGN: "plan and assign tasks, choose gold clips, send tasks to CVAT, ask for third "
    "opinions",
    Act.LABEL: "label the tasks assigned to oneself",
    Act.ADJUDICATE: "decide disagreements, and undo one's own decisions",
    Act.REVIEW: "approve, reject and comment on answers, and import answer files",
    Act.OVERRIDE: "approve one's own work, undo decisions of others, accept answers that were "
    "held back",
    Act.RELEASE: "make releases and bundles, and copy releases to a bucket",
    Act.DOWNLOAD: "download releases, bundles and tracks; with *see names* also packages and "
    "tables of boxes",
    Act.INVITE_ANNOTATORS: "invite annotators",
    Act.MANAGE_MEMBERS: "invite members of any role, change roles, remove members",
    Act.DELETE: "delete videos, the files of a release, and the dataset",
}

_MANAGER = frozenset(Act) - {Act.MANAGE_MEMBERS, Act.DELETE}
MAY: Mapping[str, frozenset[Act]] = {
    "owner": frozenset(Act),
    "manager": _MANAGER,
    "reviewer": frozenset(
        {
            Act.SEE,
            Act.READ_GUIDELINES,
            Act.SEE_NAMES,
            Act.LABEL,
            Act.ADJUDICATE,
            Act.REVIEW,
            Act.DOWNLOAD,
        }
    ),
    "annotator": frozenset({Act.READ_GUIDELINES, Act.LABEL}),
    "viewer": frozenset({Act.SEE, Act.READ_GUIDELINES, Act.DOWNLOAD}),
}


def roles_with(*acts: Act) -> list[str]:
    """The roles that may do all of `acts`.

    >>> roles_with(Act.REVIEW), roles_with(Act.LABEL, Act.DELETE)
    (['owner', 'manager', 'reviewer'], ['owner'])
    """
    return [role for role, may in MAY.items() if may.issuperset(acts)]


def acts_by_key(role: str) -> dict[str, bool]:
    """The acts of `role` for templates; empty for an unknown role.

    >>> acts_by_key("viewer"), acts_by_key("")
    ({'see': True, 'read_guidelines': True, 'download': True}, {})
    """
    return {act.key: True for act in Act if act in MAY.get(role, ())}
