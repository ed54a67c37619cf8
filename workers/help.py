"""Help pages: the user's guide in `docs/guide/`, and the documents listed in README.md.

Markdown is rendered by markdown-it-py. Pages of the guide are ordered by the number at the
start of their file names, which is not part of the address; images are in `images/` folders.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

README_ENTRY = re.compile(r"^- \[docs/([a-z]+)\.md\]\([^)]+\): (.+)$", re.MULTILINE)
NUMBER = re.compile(r"^\d\d-")
IMAGE = re.compile(r"^(?:\.\./)?(?:guide/)?images/([a-z0-9-]+\.(?:png|jpg|svg))$")
PAGE = re.compile(r"^(?:\.\./|guide/|decisions/)*(?:\d\d-)?([a-z0-9-]+)\.md(#.*)?$")


@dataclass(frozen=True)
class HelpPage:
    """One document; `summary` is shown in the index."""

    path: Path
    summary: str = ""

    @property
    def slug(self) -> str:
        return NUMBER.sub("", self.path.stem)

    @property
    def title(self) -> str:
        return self.path.read_text().partition("\n")[0].removeprefix("# ")

    def html(self) -> SafeString:
        return _html(self.path)


def guide_pages() -> list[HelpPage]:
    """The pages of the user's guide in order, each with its first paragraph as summary."""
    paths = sorted((_docs() / "guide").glob("*.md"))
    return [HelpPage(path, path.read_text().split("\n\n")[1].strip()) for path in paths]


def developer_pages() -> list[HelpPage]:
    """The documents listed in README.md; empty if the documents are not installed."""
    readme = _docs().parent / "README.md"
    text = readme.read_text() if readme.exists() else ""
    return [HelpPage(_docs() / f"{name}.md", what) for name, what in README_ENTRY.findall(text)]


def decision_pages() -> list[HelpPage]:
    """The decision records, to which other documents link."""
    return [HelpPage(path) for path in sorted((_docs() / "decisions").glob("*.md"))]


def image_path(name: str) -> Path | None:
    """The image file `name` of the documents; None if there is none."""
    if IMAGE.match(f"images/{name}"):
        for folder in (_docs() / "guide" / "images", _docs() / "images"):
            if (folder / name).is_file():
                return folder / name
    return None


def _docs() -> Path:
    return Path(settings.BASE_DIR) / "docs"


@cache
def _html(path: Path) -> SafeString:
    """The document without its title. Raw HTML in it is shown as text."""
    text = path.read_text().partition("\n")[2]
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        _adapt(token)
        if token.type == "heading_open" and after:
            token.attrSet("id", slugify(after.content))
    return mark_safe(parser.renderer.render(tokens, parser.options, {}))  # noqa: S308  # ours


def _adapt(token: Token) -> None:
    """Point links and images to help pages; set alignment by class, as CSP forbids styles."""
    if token.attrs.pop("style", "") == "text-align:right":
        token.attrSet("class", "num")
    for child in token.children or ():
        if child.type == "image" and (image := IMAGE.match(str(child.attrGet("src")))):
            child.attrSet("src", f"../images/{image[1]}")
            child.attrSet("loading", "lazy")
        elif child.type == "link_open":
            target = str(child.attrGet("href"))
            if page := PAGE.match(target):
                child.attrSet("href", f"../{page[1]}/{page[2] or ''}")
            elif "://" not in target and not target.startswith("#"):
                child.attrs.pop("href")
