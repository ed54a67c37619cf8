"""Guidelines: Markdown that shows images of the dataset, named like `image-12.jpg`.

Raw HTML is shown as text; an image of another site is shown as its caption.
"""

import re
from collections.abc import Callable
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

IMAGE = re.compile(
    r"!\[(?P<caption>(?:[^\[\]]|\[[^\[\]]*+\])*+)\]"
    r"\((?P<target>[^)\s]*+)(?:\s++\"[^\"]*+\")?\)"
)
TARGET = re.compile(r"image-(\d{1,18})\.jpg\Z")


def image_name(number: int) -> str:
    """The address of an image in a text, and its name in a package.

    >>> image_name(12)
    'image-12.jpg'
    """
    return f"image-{number}.jpg"


def image_numbers(text: str) -> list[int]:
    """The images that `text` shows, each once, in order.

    >>> image_numbers("![a](image-3.jpg) ![b](x.png) ![c](image-3.jpg)")
    [3]
    """
    targets = [TARGET.match(image["target"]) for image in IMAGE.finditer(text)]
    return list(dict.fromkeys(int(target[1]) for target in targets if target))


def other_images(text: str) -> list[str]:
    """The addresses of images in `text` that are no images of the dataset.

    >>> other_images("![a](image-3.jpg) ![b](https://example.org/x.png)")
    ['https://example.org/x.png']
    """
    targets = [image["target"] for image in IMAGE.finditer(text)]
    return [target for target in targets if not TARGET.match(target)]


def with_addresses(text: str, address: Callable[[int], str]) -> str:
    """`text` with each image at `address(number)`; "" leaves its caption alone.

    >>> with_addresses("![a hand](image-3.jpg)", lambda number: f"/assets/{number}")
    '![a hand](/assets/3 "image-3.jpg")'
    >>> with_addresses("![a hand](image-3.jpg)", lambda number: "")
    '*a hand*'
    """

    def replace(image: re.Match[str]) -> str:
        target = TARGET.match(image["target"])
        new = address(int(target[1])) if target else ""
        caption = image["caption"]
        if new:
            return f'![{caption}]({new} "{target[0] if target else ""}")'
        return f"*{caption}*" if caption.strip() else ""

    return IMAGE.sub(replace, text)


def to_html(text: str, address: Callable[[int], str]) -> str:
    """`text` as HTML, its headings below those of the page, its images at `address(number)`.

    >>> to_html("# Hands\\n<b>", lambda number: "")
    '<h3>Hands</h3>\\n<p>&lt;b&gt;</p>\\n'
    """
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + 2, 6)}"
        token.attrs.pop("style", None)  # alignment of tables; the pages allow no inline styles
        token.children = [_shown(child, address) for child in token.children or ()]
    return str(parser.renderer.render(tokens, parser.options, {}))


def _shown(child: Token, address: Callable[[int], str]) -> Token:
    if child.type == "link_open":
        child.attrSet("rel", "noopener noreferrer")
        child.attrSet("target", "_blank")
    if child.type != "image":
        return child
    target = TARGET.match(str(child.attrGet("src")))
    new = address(int(target[1])) if target else ""
    if not new:
        return Token("text", "", 0, content=child.content)
    child.attrSet("src", new)
    child.attrSet("loading", "lazy")
    return child


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
