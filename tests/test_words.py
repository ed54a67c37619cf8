"""Retired words: names that the field's own terms have replaced do not return.

A name is retired everywhere (`RETIRED`), as the name of a function, class, parameter or field
(`RETIRED_DEFINITIONS`: as a local variable it may still be the plain word), or as a part of a
name (`RETIRED_PARTS`, after splitting at `_` and capitals). Pages have lists of their own.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_layout import ROOT, tracked


def words(text: str) -> set[str]:
    return set(text.split())


RETIRED = words(
    """
    hand_out handed_out_at put_back take_back_from_the_dead give_up PATIENCE patiently
    PatientModel hurry put_off postpone waits_until Tell take_and_clear lend lend_stored
    receive_unread UNREAD Leftover hanging_on HOLD_ON wall_off standing_walls Film turning
    _toning conforming BroughtAlong followed _Follower _Sights sway_of _steadied Beliefs
    GROWING gains_in_hindsight pairs_in_turns has_rivals Joining stitched _meetings _likeness
    Linking least_iou lost_weight without_overlaps boxes_at chosen_ways Way Trial bring_in
    Brought _said_tracks Wishes Standing Draft Outlook draw_up give_out take_back give_back
    strangers barred Pull look_at look_into Wire Parcel JobMove order_moves seal unseal
    SealBrokenError ForgedError settlement Settlement weighed Question GroupSpec Asked
    estimated believed STILL Lead Marks BAR merit proposal_merit Merit Ceiling ScoreCurve
    tally release_texts release_check_papers release_faults dispute_rows isTold isAlone
    Journey Persona Beat Deed ensure_admin work_off unwrapped is_brought_along
    """
)
RETIRED_DEFINITIONS = words(
    """
    say nothing keep reaching glance jumps slots follow through looks grown shortest
    ahead behind recipe takeover adopt meetings owed settle settled estimated touched led
    doubt beside surprise room paper told hear note_death
    """
)
RETIRED_PARTS = {"room", "house", "law", "road", "film", "films", "picture", "pictures"}
RETIRED_MODULES = words(
    """
    stages files ranged walls confined slides shots door takeover settle moves
    opinions outlook draft control table sheet inspect units_of reach accounts checks film
    stamp
    """
)
# On pages: what users read, each a part of a sentence.
RETIRED_PHRASES = (
    "goes its road", "whom to believe", "who meets whom", "put together", "brought along",
    "bring answers in", "with annotator", "make it anew", "boxes far apart", "keep these",
    "look now", "forget this server", "told us", "do not go together", "the plain choice",
    "you may not do this", "begun and not finished", "hangs on it", "what goes with it",
    "try another way", "begin the trial", "how good are they", "waiting for people",
    "coded anew", "mend the box", "give it out", "who is not named", "of one's own",
    "finding the people", "is waited for", "out of the pictures",
)  # fmt: skip
RETIRED_ON_PAGES = {"film", "films", "house", "road", "picture", "pictures", "ways"}


def python_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Every identifier of a module, and whether it is a definition."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, True
            case ast.arg():
                yield node.arg, True
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, True
            case ast.Name():
                yield node.id, False
            case ast.Attribute():
                yield node.attr, False
            case ast.keyword(arg=str(name)):
                yield name, False


def script_names(path: Path) -> Iterator[tuple[str, bool]]:
    """Every identifier of a script, without comments and texts."""
    text = (ROOT / path).read_text()
    code = re.sub(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"|'[^'\n]*'", " ", text, flags=re.DOTALL)
    for found in re.finditer(r"(function |const |let |class )?([A-Za-z_$][\w$]*)", code):
        yield found[2], bool(found[1])


def parts(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def retired(names: Iterator[tuple[str, bool]]) -> set[str]:
    return {
        name
        for name, is_definition in names
        if name in RETIRED
        or (is_definition and name in RETIRED_DEFINITIONS)
        or parts(name) & RETIRED_PARTS
    }


def shown(path: Path) -> str:
    """What a template shows: its text and attributes, without tags of Django and comments."""
    text = (ROOT / path).read_text()
    text = re.sub(r"\{% translate ([\"'])(.*?)\1 %\}", r"\2", text)
    text += " ".join(re.findall(r'_\("([^"]*)"\)', text))
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", text)
    attributes = re.findall(r'(?:title|text|placeholder|aria-label|alt|action)="([^"]*)"', text)
    return " ".join([re.sub(r"<[^>]*>", " ", text), *attributes]).lower()


PYTHON = [path for path in tracked(".py") if "migrations" not in path.parts]
SCRIPTS = [path for path in tracked(".js") if "node_modules" not in path.parts]
TEMPLATES = [path for path in tracked(".html") if path.parts[0] == "templates"]


def test_no_module_uses_a_retired_name():
    found = {str(path): retired(python_names(path)) for path in PYTHON}
    assert {path: names for path, names in found.items() if names} == {}
    assert [str(path) for path in PYTHON if path.stem in RETIRED_MODULES] == []


def test_no_script_uses_a_retired_name():
    found = {str(path): retired(script_names(path)) for path in SCRIPTS}
    assert {path: names for path, names in found.items() if names} == {}


def test_no_page_uses_a_retired_word():
    found = {}
    for path in TEMPLATES:
        text = shown(path)
        found[str(path)] = {phrase for phrase in RETIRED_PHRASES if phrase in text}
        found[str(path)] |= set(re.findall(r"[a-z]+", text)) & RETIRED_ON_PAGES
    assert {path: words for path, words in found.items() if words} == {}
