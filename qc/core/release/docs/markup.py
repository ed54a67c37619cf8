"""A document of blocks, rendered as Markdown and as one self-contained HTML page.

Texts may hold `code` between backticks and **bold** between stars.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

_STYLE = Path(__file__).with_name("card.css").read_text(encoding="ascii")


class Heading(NamedTuple):
    text: str


class Text(NamedTuple):
    text: str


class Warn(NamedTuple):
    text: str


@dataclass(frozen=True)
class Items:
    texts: Sequence[str]
    are_steps: bool = False


@dataclass(frozen=True)
class TableBlock:
    head: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Image:
    """Only the page of HTML shows it."""

    jpeg: bytes
    caption: str


Block = Heading | Text | Warn | Items | TableBlock | Image


def markdown(title: str, blocks: Iterable[Block]) -> str:
    """The document as Markdown.

    >>> markdown("Shop", [Heading("Use"), Items(["train"])])
    '# Shop\\n\\n## Use\\n\\n- train\\n'
    """
    parts = [f"# {title}", *(_markdown(block) for block in blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Text(text):
            return text
        case Warn(text):
            return f"> {text}"
        case Items():
            marks = [
                f"{n}." if block.are_steps else "-" for n in range(1, len(block.texts) + 1)
            ]
            return "\n".join(f"{m} {text}" for m, text in zip(marks, block.texts, strict=True))
        case TableBlock():
            align = ["---", *["---:"] * (len(block.head) - 1)]
            rows = [block.head, align, *block.rows]
            return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)
        case Image():
            return ""


def html(title: str, blocks: Iterable[Block]) -> str:
    """The document as one file of HTML, frames inside."""
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Warn(text):
            return f'<p class="warn" role="note">{_inline(text)}</p>'
        case Items():
            tag = "ol" if block.are_steps else "ul"
            items = "".join(f"<li>{_inline(text)}</li>" for text in block.texts)
            return f"<{tag}>{items}</{tag}>"
        case TableBlock():
            return _html_table(block)
        case Image():
            content = base64.b64encode(block.jpeg).decode()
            caption = escape(block.caption)
            return (
                f'<figure><img src="data:image/jpeg;base64,{content}" alt="{caption}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )


def _html_table(table: TableBlock) -> str:
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{_inline(str(row[0]))}</th>'
        + "".join(f"<td>{_inline(str(cell))}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _inline(text: str) -> str:
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", safe)
