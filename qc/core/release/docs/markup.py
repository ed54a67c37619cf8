"""A small document: written once, shown as Markdown and as a page of HTML that needs nothing.

Texts may hold `code` between backticks and **bold** between stars.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple


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


_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d9dee5;--ground:#fff;
--warn:#7a4b00;--warnground:#fff4dd}
@media (prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#9aa4b1;--line:#333a43;
--ground:#14171b;--warn:#ffd48a;--warnground:#3a2b10}}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:58rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;border-top:1px solid var(--line);padding-top:1.2rem}
.scroll{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);text-align:right;
white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{color:var(--soft);font-weight:600}tbody th{font-weight:400}
code{font:.88em ui-monospace,monospace;overflow-wrap:anywhere}
li{margin:.25rem 0}
.warn{background:var(--warnground);color:var(--warn);padding:.8rem 1rem;border-radius:.5rem}
figure{display:inline-block;margin:.5rem .75rem .5rem 0;max-width:100%}
img{display:block;max-width:100%;height:auto;border-radius:.4rem}
figcaption{color:var(--soft);font-size:.85rem;margin-top:.25rem}
"""
