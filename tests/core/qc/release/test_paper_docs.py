"""Documents of a release for papers and hubs: Croissant, header, datasheet, figures."""

import json
from collections import Counter

import pytest
import yaml

from qc.core.release.baseline import NOT_TRAINED, TrainedBaseline
from qc.core.release.docs.card_figures import actions_of, baselines, label_noise, rare_actions
from qc.core.release.docs.croissant import CONFORMS_TO, CONTEXT, CroissantFacts, croissant
from qc.core.release.docs.datasheet import QUESTIONS, datasheet, unanswered
from qc.core.release.docs.hub import header_of, hub_header
from qc.core.release.docs.markup import BarChart, html, markdown
from qc.core.release.plain_yaml import PlainYamlError, read_plain_yaml
from qc.core.release.stats import ReleaseStats
from qc.core.release.writer import SplitCounts, evaluated_actions
from tests.core.qc.release.street_release import ACTIONS, NAMES, street

# What the specification of Croissant 1.0 requires of a dataset and of a file.
REQUIRED = {
    "@context", "@type", "conformsTo", "description", "license", "name", "url", "creator",
    "datePublished",
}  # fmt: skip


def described(**changes):
    given = {
        "name": "shop-release-1", "description": "A shop.", "version": "1.0.0",
        "released": "2026-01-31", "licence": "CC-BY-4.0", "authors": ["Ada Lovelace"],
        "cite_as": "Ada Lovelace: shop", "sums": {"AVA_dataset.csv": "0" * 64},
        "keywords": ["video"], "answers": {"uses": "To train.", "consent": "They signed."},
        "is_simulated": False, "has_frames": True, "has_clips": True, "annotators": 2,
        "per_item": {2: 3}, "agreement": "Alpha 0.8.", "protocol": "By majority.",
        "preprocessing": "30 frames.", "machines": ["RF-DETR"], "url": "https://doi.org/10.1/x",
    }  # fmt: skip
    return json.loads(croissant(CroissantFacts(**(given | changes))))


def test_croissant_has_what_its_specification_requires():
    content = described()
    assert content.keys() >= REQUIRED
    assert content["@type"] == "sc:Dataset"
    assert content["conformsTo"] == list(CONFORMS_TO)
    ids = [one["@id"] for one in content["distribution"]]
    assert len(ids) == len(set(ids))
    for one in content["distribution"]:
        wanted = {"sha256", "contentUrl"} if one["@type"] == "cr:FileObject" else {"includes"}
        assert one.keys() >= {"@id", "name", "encodingFormat", *wanted}
    for records in content["recordSet"]:
        for field in records["field"]:
            assert field["source"]["fileObject"]["@id"] in ids
            assert field["dataType"].startswith("sc:")


def test_croissant_says_who_annotated_and_leaves_out_what_nobody_said():
    content = described()
    assert content["rai:annotationsPerItem"] == "Annotators: 2 in all; 3 clips by 2."
    assert content["rai:personalSensitiveInformation"] == ["They signed."]
    assert "rai:annotatorDemographics" not in content
    assert "license" not in described(licence="")
    assert described(licence="none")["license"]["name"] == "None: it may not be passed on."


def test_the_context_of_croissant_is_the_standard_one():
    """`mlcroissant validate` warns of each key of the standard context that is not there."""
    terms = CONTEXT.keys() - {"@language", "@vocab", "cr", "rai", "dct", "sc"}
    assert terms == {
        "citeAs", "column", "conformsTo", "data", "dataType", "equivalentProperty", "examples",
        "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
        "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
        "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
        "subField", "transform",
    }  # fmt: skip


def test_the_header_of_a_card_is_yaml_that_the_plain_reader_reads():
    text = hub_header(
        'a "shop": one', licence="", labels=50_000, splits=["train", "val", "test"],
        has_tables=True, keywords=["video, AVA"],
    )  # fmt: skip
    read = yaml.safe_load(header_of(f"{text}# Shop\n"))
    assert read_plain_yaml(header_of(text)) == read
    assert (read["license"], read["size_categories"]) == ("unknown", ["10K<n<100K"])
    names = [one["split"] for one in read["configs"][0]["data_files"]]
    assert names == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\n\tb: 2\n", "row 2 has a tab"),
        ("a: 1\n  b: 2\n", "row 2 is indented differently"),
        ("a: 1\na: 2\n", "row 2 says a a second time"),
        ("a: [1\n", "row 1 has a bracket that is not closed"),
        ("a: &x 1\n", "row 1 has a value that is not plain"),
        ("a\n", "row 1 is not `key: value`"),
    ],
)
def test_what_is_not_plain_yaml_is_named(text, sentence):
    with pytest.raises(PlainYamlError, match=sentence):
        read_plain_yaml(text)


def test_a_card_names_the_questions_that_nobody_answered():
    text = markdown("T", datasheet({"people": "Actors.\nAll adults."}))
    assert "**Who was filmed?** Actors. All adults." in text
    assert "> Not answered by the makers of this dataset: Did they consent" in text
    whole = {question.key: "Yes." for question in QUESTIONS}
    assert unanswered(whole) == []
    assert "Not answered" not in markdown("T", datasheet(whole))


def counted():
    stats, counts = ReleaseStats(NAMES), {"train": SplitCounts(), "val": SplitCounts()}
    for clip in street()[0]:
        stats.add(clip)
        counts[clip.split].add(clip)
    return stats, counts


def test_the_votes_against_a_label_are_counted():
    stats, _ = counted()
    # one of three votes is against each label of posture at 903, one keyframe of five or four
    share = stats.dissent[2] / stats.votes[2]
    keyframes = Counter(clip.name for clip in street()[0] for _ in clip.annotated)
    assert share == pytest.approx(len(keyframes) / 3 / sum(keyframes.values()))
    text = markdown("T", label_noise(ACTIONS, stats))
    assert f"| walk | {stats.votes[2]} | {100 * share:.1f} % |" in text


def test_chance_is_the_share_of_boxes_with_an_action():
    _, counts = counted()
    counts = {"val": counts["val"]}
    shares = [count / counts["val"].boxes for count in counts["val"].labels.values()]
    text = markdown("T", baselines(ACTIONS, counts, {"val": 0.9}, NOT_TRAINED))
    chance = f"{sum(shares) / len(shares):.3f}"
    assert f"| val | {chance} | - | 0.900 |" in text
    assert "No trained model is reported here." in text
    trained = TrainedBaseline(0.5, boxes=400, keyframes=90, features=94)
    text = markdown("T", baselines(ACTIONS, counts, {"val": 0.9}, trained))
    assert f"| val | {chance} | 0.500 | 0.900 |" in text
    assert "ridge regression of every action on 94 numbers" in text


def test_rare_actions_are_not_measured_unless_all_are_rare():
    _, counts = counted()
    labels = counts["val"].labels
    least = max(labels.values())
    kept = evaluated_actions(ACTIONS, labels, min_instances=least)
    assert [one.action_id for one in kept] == [i for i in NAMES if labels[i] >= least]
    (sentence,) = rare_actions(ACTIONS, counts, min_instances=least)
    assert "are not measured by default" in sentence
    assert evaluated_actions(ACTIONS, labels, min_instances=least + 1) == ACTIONS
    (sentence,) = rare_actions(ACTIONS, counts, min_instances=least + 1)
    assert "so all are in the evaluation list" in sentence


def test_actions_that_occur_come_first_and_the_others_are_folded():
    _, counts = counted()
    text = markdown("T", actions_of([*ACTIONS, ACTIONS[0]._replace(action_id=9, name="sit")],
                                    counts))  # fmt: skip
    assert "1 more have none: sit." in text
    assert "| 9 sit |" not in text
    assert text.index("| 2 walk |") < text.index("| 5 talk |")


def test_a_chart_has_a_bar_for_each_row():
    page = html("T", [BarChart(("action", "labels"), [("walk", 4), ("sit", 1)])])
    assert 'style="width:100.0%"' in page
    assert 'style="width:25.0%"' in page
