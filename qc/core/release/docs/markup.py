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

from tracking.core.tracks_file import PERSON, person_in_sentence, with_class

BOX_COLOURS = 5  # in card.css
BOXES_WITH_LABELS = 6  # of an image; more would cover each other
LINE = 12  # pixels from one label to the next
WIDEST = 7  # pixels of a letter

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


class LabelledBox(NamedTuple):
    """A person on an image."""

    corners: Sequence[float]  # x1, y1, x2, y2 in pixels of the image
    number: int
    labels: Sequence[str]
    is_a: str = PERSON  # what it is


@dataclass(frozen=True)
class Image:
    """Only the page of HTML shows it, with boxes and labels drawn over it."""

    jpeg: bytes
    caption: str
    size: tuple[int, int]  # width and height in pixels
    boxes: Sequence[LabelledBox] = ()


@dataclass(frozen=True)
class BarChart:
    """A chart of bars; Markdown has its numbers alone."""

    head: Sequence[str]  # what is counted, and the name of the number
    rows: Sequence[tuple[str, float]]  # not negative


Block = Heading | Text | Warn | Items | TableBlock | Image | BarChart


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
        case BarChart():
            return _markdown(TableBlock(block.head, [(n, f"{v:g}") for n, v in block.rows]))
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
        case BarChart():
            return _html_bars(block)
        case Image():
            return _html_image(block)


def _html_image(image: Image) -> str:
    """The image as a drawing: labels stay sharp, and of any script."""
    content = base64.b64encode(image.jpeg).decode()
    width, height = image.size
    by_area = sorted(image.boxes, key=lambda one: -_area(one))
    written = {one.number for one in by_area[:BOXES_WITH_LABELS]}
    drawn = "".join(
        _html_box(box, image.size, place % BOX_COLOURS, is_written=box.number in written)
        for place, box in enumerate(image.boxes)
    )
    said = "; ".join(
        f"{person_in_sentence(one.number, one.is_a)}: {', '.join(one.labels) or 'no action'}"
        for one in image.boxes
    )
    more = len(image.boxes) - len(written)
    caption = image.caption + (
        f", with labels of the {len(written)} largest of {len(image.boxes)} boxes"
        * bool(more > 0)
    )
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(f"{image.caption}: {said}")}">'
        f'<image href="data:image/jpeg;base64,{content}" width="{width}" height="{height}"/>'
        f"{drawn}</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _area(box: LabelledBox) -> float:
    x1, y1, x2, y2 = box.corners
    return (x2 - x1) * (y2 - y1)


def _html_box(box: LabelledBox, size: tuple[int, int], colour: int, *, is_written: bool) -> str:
    """A box, and what its person does from its upper left corner down."""
    x1, y1, x2, y2 = box.corners
    name = with_class(str(box.number), box.is_a)
    lines = [name, *box.labels] if is_written else []
    top = min(y1, max(0.0, size[1] - LINE * len(lines) - 3))
    left = min(x1, max(0.0, size[0] - WIDEST * max(map(len, lines), default=0) - 6))
    text = "".join(
        f'<text x="{left + 3:.1f}" y="{top + LINE * (place + 1):.1f}">{escape(line)}</text>'
        for place, line in enumerate(lines)
    )
    return (
        f'<g class="b{colour}"><rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" '
        f'height="{y2 - y1:.1f}"/>{text}</g>'
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


def _html_bars(bars: BarChart) -> str:
    most = max((value for _, value in bars.rows), default=0) or 1
    rows = "".join(
        f'<tr><th scope="row">{_inline(name)}</th><td class="bar"><span style="width:'
        f'{100 * value / most:.1f}%"></span></td><td>{value:g}</td></tr>'
        for name, value in bars.rows
    )
    head = f'<th scope="col">{_inline(bars.head[0])}</th><td></td>'
    return (
        f'<div class="scroll" tabindex="0"><table class="bars"><thead><tr>{head}'
        f'<th scope="col">{_inline(bars.head[1])}</th></tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )


def _inline(text: str) -> str:
    safe = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", safe)
