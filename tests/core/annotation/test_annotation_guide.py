from annotation.core.annotation_guide import guide
from datasets.core.action_groups import ActionGroupSpec

POSTURE = ActionGroupSpec("posture", "one", True, ("sit", "walk"), 1)
DOING = ActionGroupSpec("doing", "many", False, ("wave", "carry", "read"), 2)


def text(*groups: ActionGroupSpec, guidelines: str = "") -> str:
    return guide("shop", groups, guidelines=guidelines)


def test_each_question_says_how_it_is_asked():
    assert "**posture** (choose one, required): sit, walk" in text(POSTURE)
    assert "**doing** (choose up to 2, one a row): wave, carry, read" in text(DOING)
    assert "(choose one, required, once for each person)" in text(
        POSTURE._replace(scope="person")
    )
    assert "once for the whole clip, at any person" in text(POSTURE._replace(scope="clip"))


def test_the_rules_say_what_holds_and_which_tool_to_take():
    rules = text(POSTURE)
    for word in ("`as before`", "`none`", "`unknown`", "**Split**", "[  Track  ]"):
        assert word in rules
    assert "## Guidelines" not in rules
    assert text(guidelines="Look twice.").endswith("## Guidelines\n\nLook twice.\n")
