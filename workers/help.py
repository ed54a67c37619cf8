"""The documents of docs/ as pages: what README.md lists under More, in its order."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

ENTRY = re.compile(r"^- \[docs/(?P<slug>[a-z]+)\.md\]\([^)]+\): (?P<what>.+)$", re.MULTILINE)
DECISION = re.compile(r"^\d{4}-[a-z0-9-]+$")
LOCAL = re.compile(r"^(?:decisions/|\.\./)?([a-z0-9-]+)\.md(#.*)?$")


@dataclass(frozen=True)
class HelpPage:
    """One document; `what` is README's sentence about it."""

    slug: str
    what: str

    @property
    def title(self) -> str:
        return _source(self.slug).split("\n", 1)[0].removeprefix("# ")

    def html(self) -> SafeString:
        return _html(self.slug)


def help_pages() -> list[HelpPage]:
    """The documents that README.md lists; empty where the documents are not installed."""
    readme = Path(settings.BASE_DIR) / "README.md"
    if not readme.exists():
        return []
    return [HelpPage(one["slug"], one["what"]) for one in ENTRY.finditer(readme.read_text())]


def decision_page(slug: str) -> HelpPage | None:
    """The decision of that name; None if there is none. Other documents link to it."""
    is_there = DECISION.match(slug) and _path(slug).exists()
    return HelpPage(slug, "") if is_there else None


def _path(slug: str) -> Path:
    folder = "docs/decisions" if DECISION.match(slug) else "docs"
    return Path(settings.BASE_DIR) / folder / f"{slug}.md"


def _source(slug: str) -> str:
    return _path(slug).read_text()


@cache
def _html(slug: str) -> SafeString:
    """The document without its title. Raw HTML in it is shown as text."""
    text = _source(slug).split("\n", 1)[1]
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        _fit(token)
        if token.type == "heading_open" and after:
            token.attrSet("id", slugify(after.content))
    return mark_safe(parser.renderer.render(tokens, parser.options, {}))  # noqa: S308  # ours


def _fit(token: Token) -> None:
    """Links lead to the pages of help; alignment is a class, for no page has inline styles."""
    if token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "num")
    for child in token.children or ():
        if child.type == "link_open":
            target = str(child.attrGet("href"))
            if found := LOCAL.match(target):
                child.attrSet("href", f"../{found[1]}/{found[2] or ''}")
            elif "://" not in target and not target.startswith("#"):
                child.attrs.pop("href")
