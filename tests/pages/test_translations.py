"""Texts of templates, views, forms, services and parts of the core are marked, and read."""

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils.translation import gettext, override

from datasets.core import translation
from tests.make import make_user

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
APPS = ("avaproject", "datasets", "tracking", "annotation", "qc", "workers")
# Views that answer programs: their sentences are those of the API, in one language.
OF_PROGRAMS = {
    "annotation/views/labelling.py",
    "annotation/views/webhook.py",
    "datasets/views/tus.py",
}
PAGES = sorted(
    str(path.relative_to(ROOT))
    for app in APPS
    for path in (ROOT / app).rglob("*.py")
    if {"views", "forms", "views.py", "forms.py"} & set(path.relative_to(ROOT).parts)
    and str(path.relative_to(ROOT)) not in OF_PROGRAMS
)
# Services whose sentences are for files and for operators of commands.
OF_FILES = {
    "annotation/services/cvat/compatibility.py",
    "qc/services/release/paper_docs.py",
    "qc/services/release/release_docs.py",
    "qc/services/release/release_images.py",
    "qc/services/release/release_plan.py",
}
SERVICES = sorted(
    str(path.relative_to(ROOT))
    for app in APPS
    for path in (ROOT / app / "services").rglob("*.py")
    if str(path.relative_to(ROOT)) not in OF_FILES
)
SCRIPTS = sorted((ROOT / "static").rglob("*.js"))
# Strings and templates of scripts; those of errors of code and of selectors are passed over.
STRING = re.compile(
    r"""((?:gettext|Error|[qQ]uerySelector\w*|closest|matches|matchMedia)\(\s*)?"""
    r"""("[^"\n]*"|`[^`]*`)"""
)
# Comments, sentences with a plural, classes of elements, and what is compared.
NO_STRING = re.compile(
    r"""/\*.*?\*/|(?<!:)//[^\n]*|ngettext\(\s*"[^"\n]*",\s*"[^"\n]*"|"""
    r"""(?<=\belement\()"\w+",\s*"[^"\n]*"|(?:===|className =)\s*"[^"\n]*\"""",
    re.DOTALL,
)
# Two words, one that is or ends a sentence, or a word beside a value.
SPOKEN = re.compile(
    r"[A-Za-z']{2,},? [a-z]|^[A-Z][a-z]+[.…]?$|[a-z]\.$|\} [a-z']{2,}|[A-Za-z]{2,}:? \$\{"
)
# Names of keys and headers, states, classes, units and a font.
NO_SPOKEN = re.compile(
    r"Arrow|Ctrl|Digit|End|Enter|Esc|Escape|Home|Minus|Numpad|Quote|Semicolon|Shift|Slash|Space|"
    r"Location|log in|read only|sent back|taken over|label \$\{task.pk\}|"
    r"badge b-.*|label-notice \$.*|person-lanes \$.*|stretch differs|small mut|"
    r"\$\{[^}]*\} min|600 \$.*"
)
# Modules of the core whose sentences pages show, and no file of a release.
CORE = [
    "annotation/core/answer_checks.py",
    "annotation/core/assignment.py",
    "annotation/core/vocabulary_diff.py",
    "datasets/core/media/source_notes.py",
    "datasets/core/video_files.py",
    "datasets/core/vocabulary.py",
    "datasets/core/vocabulary_lists.py",
    "datasets/core/zip_reader.py",
    "qc/core/consensus/clip_consensus.py",
    "qc/core/consensus/person_quorum.py",
    "tracking/core/doubts.py",
]
# What services write for files, programs and CVAT, and what they compare.
NO_SENTENCES = re.compile(
    r"^track \{\}$|^person \{\}, second \{\}$|^\{\} release \{\}$|^\{\} is \{\}$| or $|^ - |"
    r"^\{name\}|^something else$|^every keyframe has undecided items$|can be deleted$|"
    r"^imported without a video|^Please correct this, |^Email backend$|^cannot begin$|"
    r"^taken over$|"
    r"^of track \{\}$|^(blind|gold) share$|^action( id| \{\})$|^-c|^-framerate |^as before$|"
    r"^not set$|^\(\?P|^ and $|^the list$|^a system file$|^\{\}, not a video$"
)

TRANSLATED = re.compile(
    r"\{% blocktranslate\b.*?\{% endblocktranslate %\}|\{% comment %\}.*?\{% endcomment %\}",
    re.DOTALL,
)
TAG = re.compile(r"\{%.*?%\}")
VARIABLE = re.compile(r"\{\{.*?\}\}|\{#.*?#\}")
BLOCK = re.compile(r"\{% block (?:wrap_class|at_\w+) %\}.*?\{% endblock")  # names of classes
ELEMENT = re.compile(r"<!--.*?-->|<[a-zA-Z/!][^>]*>", re.DOTALL)
CODE = re.compile(r"<(script|style|kbd|code|svg|pre)\b[^>]*>.*?</\1>", re.DOTALL)
ATTRIBUTE = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
ARGUMENT = re.compile(r'\b(?:title|text|action|label|noun)="([^"]*)"|\{% badge "([^"]*)"')
ENTITY = re.compile(r"&#?\w+;")
LETTER = re.compile(r"[^\W\d_]")
MANY = {"_plan_tables.html", "import.html"}  # the first 500 of more
NAMES = {"AVA Studio"}  # of the product, the same in every language


# A text: one word with a capital, or words with spaces between them.
TEXT = re.compile(r"^[A-Z][a-z]+$|[A-Za-z,.:;)]+ [A-Za-z(]")
SENTENCE = re.compile(r"[A-Za-z]{2} |[A-Za-z]{2}\.(?!\w)| [a-z]{2}")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
MARKS |= {"ValueError", "RuntimeError", "MalformedError"}  # of code and of programs
MARKS |= {"record", "record_many"}  # of the log
NO_TEXT = re.compile(r"text/csv|private, |[ .]csv$")  # headers, names of files and caches
PLACEHOLDER = re.compile(r"%\((\w+)\)")
# Of scripts: sentences that are filled where they are marked, and the names of their values.
FILLED = re.compile(r"""\bfill\(\s*n?gettext\(((?:\s*"[^"\n]*",?)+)[^"{]*?\),\s*\{([^}]*)\}""")
VALUE = re.compile(r"(\w+)\s*(?::|,|$)")
COUNTED = re.compile(
    r"\{% blocktranslate(?! count)[^%]*%\}(?:(?!endblocktranslate).)*?\{\{ \w+ \}\} "
    r"(?:clips|videos|tasks|boxes|labels|answers|actions|tracks|annotators|people|persons)\b",
    re.DOTALL,
)


def unmarked(source: str) -> Iterator[str]:
    """The texts of a template that no translator would see."""
    source = BLOCK.sub("", TRANSLATED.sub("", source))
    for tag in TAG.findall(source):
        if re.match(r"\{% (?:include|badge)", tag):
            yield from filter(_is_text, (a or b for a, b in ARGUMENT.findall(tag)))
    # Tags of templates are cut out first: their quotes would end attributes.
    plain = CODE.sub("", VARIABLE.sub("", TAG.sub("\N{ZERO WIDTH SPACE}", source)))
    for element in ELEMENT.findall(plain):
        yield from filter(_is_text, ATTRIBUTE.findall(element))
    for text in ELEMENT.sub("\N{ZERO WIDTH SPACE}", plain).split("\N{ZERO WIDTH SPACE}"):
        if _is_text(text):
            yield text.strip()


def unmarked_code(source: str, pattern: re.Pattern[str] = TEXT) -> list[str]:
    """The texts of a module that no translator would see, variables as {}."""
    return list(_texts(ast.parse(source), pattern))


def _texts(node: ast.AST, pattern: re.Pattern[str]) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        parts = (getattr(one, "value", None) for one in node.values)
        text = "".join(one if isinstance(one, str) else "{}" for one in parts)
        if SENTENCE.search(text) and not NO_TEXT.search(text):
            yield text
    elif isinstance(node, ast.Constant):
        text = node.value if isinstance(node.value, str) else ""
        if pattern.search(text) and not NO_TEXT.search(text):
            yield text
    elif not _is_passed_over(node):
        types = (getattr(node, "annotation", None), getattr(node, "returns", None))
        for child in ast.iter_child_nodes(node):
            if child not in types:
                yield from _texts(child, pattern)


def _is_passed_over(node: ast.AST) -> bool:
    """Whether it is a docstring, a text that is marked, or one for code and logs alone."""
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        return called in MARKS or called.startswith("logger.")
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def unmarked_script(source: str) -> list[str]:
    """The texts of a script that no translator would see."""
    texts = (text[1:-1] for call, text in STRING.findall(NO_STRING.sub("", source)) if not call)
    return [one for one in texts if _is_spoken(one) and not NO_SPOKEN.fullmatch(one)]


def unfilled(source: str) -> Iterator[str]:
    """Marked sentences of a script whose placeholders are no values beside them."""
    for texts, values in FILLED.findall(source):
        named = set(PLACEHOLDER.findall(texts)) <= set(VALUE.findall(values))
        if not named and "..." not in values:
            yield texts.strip()


def _is_spoken(text: str) -> bool:
    return bool(SPOKEN.search(text)) and "gettext(" not in text


def mismatched(source: str) -> Iterator[str]:
    """Marked sentences with `%` whose placeholders are not the keys on the right of it."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.left, ast.Call)
            and ast.unparse(node.left.func) in MARKS
            and isinstance(node.right, ast.Dict)
        ):
            keys = {key.value for key in node.right.keys if isinstance(key, ast.Constant)}
            texts = [one.value for one in node.left.args if isinstance(one, ast.Constant)]
            yield from (text for text in texts if set(PLACEHOLDER.findall(text)) != keys)


def _is_text(text: str) -> bool:
    return bool(LETTER.search(ENTITY.sub("", text))) and text.strip() not in NAMES


@pytest.mark.parametrize(
    "path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates"))
)
def test_every_text_of_a_template_is_marked_for_translation(path):
    assert list(unmarked(path.read_text())) == []


@pytest.mark.parametrize("path", PAGES)
def test_every_text_of_views_and_forms_is_marked_for_translation(path):
    assert unmarked_code((ROOT / path).read_text()) == []


@pytest.mark.parametrize("path", SERVICES + CORE)
def test_every_sentence_of_services_and_core_is_marked_for_translation(path):
    found = unmarked_code((ROOT / path).read_text(), SENTENCE)
    assert [one for one in found if not NO_SENTENCES.search(one)] == []


@pytest.mark.parametrize("app", APPS)
def test_marked_sentences_get_the_values_that_they_name(app):
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in (ROOT / app).rglob("*.py")
        if (found := list(mismatched(path.read_text())))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    "path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT / "static"))
)
def test_every_sentence_of_scripts_is_marked_for_translation(path):
    source = path.read_text()
    assert unmarked_script(source) == []
    assert list(unfilled(source)) == []


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "de"])
def test_pages_name_their_language_and_load_sentences_of_scripts(client, settings, language):
    settings.USE_I18N, settings.LANGUAGE_CODE = language != "en", language
    client.force_login(make_user("kim"))
    with override(language):
        page = client.get(reverse("workers:work")).content.decode()
        assert f'<html lang="{language}">' in page
        assert (reverse("javascript-catalog") in page) == (language == "de")
        assert "django.gettext" in client.get(reverse("javascript-catalog")).content.decode()


def test_sentences_of_the_core_are_translated_where_django_runs(monkeypatch):
    german = {"it is empty": "sie ist leer", "%d place": "%d Ort", "%d places": "%d Orte"}
    monkeypatch.setattr(translation, "_gettext", german.get)
    monkeypatch.setattr(
        translation, "_ngettext", lambda one, many, n: german[one if n == 1 else many]
    )
    assert translation.gettext("it is empty") == "sie ist leer"
    assert translation.ngettext("%d place", "%d places", 2) % 2 == "2 Orte"
    monkeypatch.undo()
    assert translation._gettext is gettext  # by datasets/apps.py


def test_numbers_of_things_have_a_plural():
    """Where a template says how many, translators give the forms of their language."""
    found = [path.name for path in TEMPLATES if COUNTED.search(path.read_text())]
    assert [name for name in found if name not in MANY] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""A page."""\nmessages.info(request, "It is done.")', ["It is done."]),
        ('messages.info(request, f"{n} videos")', ["{} videos"]),
        ('messages.info(request, _("It is done."))', []),
        ('messages.info(request, ngettext("%d video", "%d videos", n) % n)', []),
        ('COLUMNS = {"name": "Clip"}', ["Clip"]),
        ('get_object_or_404(found, name=name, stage="done")', []),
    ],
)
def test_what_is_not_marked_in_code_is_found(source, found):
    assert unmarked_code(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('speak("It is done.")', ["It is done."]),
        ('speak(\n  "It is done",\n)', ["It is done"]),
        ('button.textContent = "Merge";', ["Merge"]),
        ('element("button", "btn sm", "Try again")', ["Try again"]),
        ('{ act: "next-group", description: "next group" }', ["next group"]),
        ("speak(`${name} is gone`)", ["${name} is gone"]),
        ("title = `Same as second ${second}`", ["Same as second ${second}"]),
        ("text = `second ${second}`", ["second ${second}"]),
        ("const text = isOne ? \"One answer\" : `${count} answers`;",
         ["One answer", "${count} answers"]),
        ('speak(gettext(\n  "It is done.",\n)) // "It is done."', []),
        ('fill(ngettext("%(n)s box is", "%(n)s boxes are", n), { n })', []),
        ('element("div", "lane mut").closest("input, textarea")', []),
        ('if (event.key === "Enter") throw new Error("There is no person.")', []),
    ],
)  # fmt: skip
def test_what_is_not_marked_in_scripts_is_found(source, found):
    assert unmarked_script(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('fill(gettext("%(a)s has %(b)s"), { a: nameOf(x.y, z), b })', []),
        ('fill(gettext("%(a)s has %(b)s"), { a: 1 })', ['"%(a)s has %(b)s"']),
        ('fill(\n  gettext(\n    "(%(a)s)",\n  ),\n  { b, c },\n)', ['"(%(a)s)",']),
        ('fill(ngettext("%(n)s box", "%(n)s boxes", n), { n: n + 1 })', []),
    ],
)
def test_a_placeholder_of_a_script_without_a_value_is_found(source, found):
    assert list(unfilled(source)) == found


def test_a_placeholder_without_a_value_is_found():
    source = (
        '_("%(a)s has %(b)s") % {"a": 1}, ngettext("%(n)d row", "%(n)d rows", n) % {"n": n}'
    )
    assert list(mismatched(source)) == ["%(a)s has %(b)s"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello {{ name }}</p>", ["Hello"]),
        ('<p>{% translate "Hello" %} {{ name }}, 5 &nbsp; %</p>', []),
        ("{% blocktranslate with a=b.c %}Hello {{ a }}{% endblocktranslate %}", []),
        ('<a href="/x" aria-label="Open" title="{% translate \'Go\' %}">{% icon "x" %}</a>',
         ["Open"]),
        ('{% include "_empty.html" with icon_name="x" title="None" text=_("Yes") %}', ["None"]),
        ('{% badge "Sent" "ok" %}{% badge _("Sent") "ok" %}', ["Sent"]),
        ("{% block wrap_class %}narrow{% endblock %}<kbd>Enter</kbd>", []),
    ],
)  # fmt: skip
def test_what_is_not_marked_is_found(source, found):
    assert list(unmarked(source)) == found


@pytest.mark.skipif(not shutil.which("xgettext"), reason="needs Debian's package gettext")
def test_makemessages_reads_templates_and_modules(tmp_path, settings, monkeypatch):
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    for path in PAGES + SERVICES + CORE:
        shutil.copy(ROOT / path, tmp_path / path.replace("/", "_"))
    settings.LOCALE_PATHS = [str(tmp_path / "locale")]
    (tmp_path / "locale").mkdir()
    monkeypatch.chdir(tmp_path)
    call_command("makemessages", locale=["de"], verbosity=0)
    catalogue = (tmp_path / "locale/de/LC_MESSAGES/django.po").read_text()
    assert 'msgid "Add videos"' in catalogue  # a tag
    assert "msgid_plural" in catalogue  # a block
    assert 'msgid "Custom vocabulary"' in catalogue  # a form
    assert 'msgid_plural "%d videos changed."' in catalogue  # a view
    assert 'msgid "Give a reason for the annotator."' in catalogue  # a service
    assert 'msgid "mostly interpolated"' in catalogue  # the core
    shutil.copytree(ROOT / "static", tmp_path / "static")
    call_command("makemessages", locale=["de"], domain="djangojs", verbosity=0)
    catalogue = (tmp_path / "locale/de/LC_MESSAGES/djangojs.po").read_text()
    assert 'msgid "This browser can\'t play the clip, or its file is missing."' in catalogue
    assert 'msgid_plural "%(count)s decisions"' in catalogue
    assert 'msgid "This is the last person."' in catalogue  # the label page
    assert 'msgid_plural "%(count)s answers are missing"' in catalogue
