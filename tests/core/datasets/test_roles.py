import re
from pathlib import Path

from datasets.core.roles import MAY, MEANING, Act, roles_with

PAGE = Path(__file__).resolve().parents[3] / "docs/roles.md"


def test_the_page_of_roles_shows_the_table_that_is_checked():
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in re.findall(r"^\|.*\|$", PAGE.read_text(), re.MULTILINE)
    ]
    assert lines[0] == ["act", *MAY, "what it is"]
    assert lines[2:] == [
        [act, *("yes" if act in may else "" for may in MAY.values()), MEANING[act]]
        for act in Act
    ]


def test_some_role_may_do_each_act_and_owners_all():
    assert MAY["owner"] == set(Act)
    assert all(roles_with(act)[0] == "owner" for act in Act)


def test_annotators_label_read_the_guidelines_and_nothing_else():
    assert MAY["annotator"] == {Act.LABEL, Act.READ_GUIDELINES}
