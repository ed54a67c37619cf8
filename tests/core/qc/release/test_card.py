import re
from collections import Counter
from html.parser import HTMLParser

import yaml

from datasets.core.formats import ava
from qc.core.release.docs.card import CardFacts, card, card_page
from qc.core.release.docs.citation import CitationFacts, citation
from qc.core.release.docs.markup import Image, LabelledBox, TableBlock, Text, html, markdown
from qc.core.release.plain_yaml import read_plain_yaml
from qc.core.release.stats import ReleaseStats
from qc.core.release.writer import SplitCounts
from tests.core.qc.release.test_formats import ACTIONS, CLIPS


def facts(**changes):
    stats, counts = ReleaseStats(), {"train": SplitCounts(), "val": SplitCounts()}
    for clip in CLIPS:
        stats.add(clip)
        counts[clip.split].add(clip)
    given = {
        "title": "corner release 1", "description": "People <at> a corner.",
        "is_simulated": False, "actions": ACTIONS, "counts": counts,
        "split_of": {"shop": "train", "yard": "val"}, "threshold": 0.42, "annotation_fps": 5,
        "clip_seconds": 15,
        "detectors": ["rfdetr"], "annotators": {2: 3}, "stats": stats,
        "oracle_aps": {"train": 0.75, "val": None}, "licence": "CC-BY-4.0",
        "authors": ["Ada Lovelace"], "formats": ["coco"],
    }  # fmt: skip
    return CardFacts(**(given | changes))


def test_the_card_says_how_many_labels_rest_on_one_vote_and_why():
    stats = ReleaseStats(single=Counter({"yard-c0000": 24, "shop-c0000": 12}))
    text = card(facts(stats=stats, unanswered={"shop-c0000"}))
    said = (
        "36 labels rest on one vote: 24 by plan, as one annotator was assigned, 12 because "
        "others who were assigned did not answer."
    )
    assert said in " ".join(text.split())
    assert "on one vote" not in card(facts())


def test_the_card_says_what_is_said_together_and_how_large_people_are():
    text = card(facts())
    assert "| walk and wave | 1 |" in text
    assert "| posture | 3 | 1 |" in text
    assert "| doing | 1 | 0 |" in text
    assert "| train | 252 | 252 | 252 |" in text
    assert "| shop | train | 1 | 6 | 4 | 4 |" in text
    assert "1 keyframe with an undecided item" in text
    assert "(at IoU 0.5): train 0.750." in text
    assert "CC-BY-4.0 (name the authors). Authors: Ada Lovelace." in text
    assert "`formats/coco/`: COCO-video." in text


def test_an_action_that_nobody_does_is_a_known_gap():
    lonely = [*ACTIONS, ava.AvaAction(4, "sit", "PERSON_MOVEMENT")]
    assert "Actions without a label: sit." in card(facts(actions=lonely))


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_html_that_needs_nothing_else():
    image = Image(b"jpeg", "shop at 902", (480, 270))
    page = card_page(facts(images=[image], is_simulated=True))
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "People &lt;at&gt; a corner." in page
    assert "SIMULATED" in page
    links = [attrs[k] for _, attrs in tags.seen for k in ("src", "href") if k in attrs]
    assert links == ["data:image/jpeg;base64,anBlZw=="]


def test_examples_have_their_boxes_and_labels_of_any_script():
    boxes = [
        LabelledBox((10, 20, 60, 120), 3, ["走る", "a<b"]),
        LabelledBox((0, 0, 9, 9), 4, []),
        LabelledBox((0, 0, 8, 8), 5, [], "vehicle"),
    ]
    page = card_page(facts(images=[Image(b"jpeg", "shop at 902", (480, 270), boxes)]))
    assert '<rect x="10.0" y="20.0" width="50.0" height="100.0"/>' in page
    assert re.findall("<text[^>]*>([^<]*)</text>", page) == [
        "3", "走る", "a&lt;b", "4", "5 vehicle",
    ]  # fmt: skip
    said = "shop at 902: person 3: 走る, a&lt;b; person 4: no action; P5 vehicle: no action"
    assert f'aria-label="{said}"' in page
    tags = Tags()
    tags.feed(page)
    assert tags.open == []


def test_labels_stay_on_the_image_and_are_those_of_the_largest_boxes():
    boxes = [
        LabelledBox((470 - 9 * n, 260 - 9 * n, 480, 270), n, ["walk"]) for n in range(1, 9)
    ]
    page = card_page(facts(images=[Image(b"jpeg", "shop at 902", (480, 270), boxes)]))
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)">walk', page)
    assert len(places) == 6
    assert all(float(x) < 480 - 20 and float(y) <= 270 for x, y in places)
    assert "with labels of the 6 largest of 8 boxes" in page


def test_markdown_and_html_say_the_same():
    blocks = [Text("use `a` & **b**"), TableBlock(("", "n"), [("x", 1)])]
    assert (
        markdown("T", blocks)
        == "# T\n\nuse `a` & **b**\n\n|  | n |\n| --- | ---: |\n| x | 1 |\n"
    )
    page = html("T", blocks)
    assert "use <code>a</code> &amp; <b>b</b>" in page
    assert '<th scope="row">x</th><td>1</td>' in page


def test_a_citation_is_yaml_with_what_the_schema_requires():
    its = CitationFacts('a "corner"', "3.0.0", [], released="2026-01-31", abstract="A\nb.")
    read = yaml.safe_load(citation(its))
    assert read.keys() == {
        "cff-version", "message", "type", "title", "version", "date-released", "abstract",
        "keywords", "authors",
    }  # fmt: skip
    assert (read["date-released"], read["abstract"]) == ("2026-01-31", "A b.")
    assert read_plain_yaml(citation(its)) == read
    assert read["title"] == 'a "corner"'
    assert read["authors"] == [{"name": 'The annotators of a "corner"'}]
