"""What is in a release, and what stays out of it keyframe by keyframe."""

import json

import pyarrow.parquet as pq
import pytest
from django.utils import timezone

from annotation.services.action_changes import merge_action, rename_action
from avaproject.base.work import Stage
from datasets.core.formats import ava
from qc.core.agreement.explanations import EXPLANATIONS, with_interval
from qc.core.annotator_keys import annotator_key
from qc.core.release.checks.run_checks import check_release
from qc.models import (
    Adjudication,
    AgreementReport,
    AgreementSummary,
    ConsensusBox,
)
from qc.selectors.agreement.agreement_tables import agreement_page
from qc.selectors.agreement.newest import newest_summary
from qc.selectors.release.approved_clips import select_clips
from qc.services.agreement.reports import (
    plan_reports,
    plan_summaries,
    report_agreement,
    summarise,
)
from qc.services.consensus.adjudicate import adjudicate
from qc.services.release import clip_content
from tests import make
from tests.qc.release.corner import add_person, consensus_of, files_of, folder_of, made

pytestmark = pytest.mark.django_db


def test_an_approved_dataset_becomes_a_folder_and_a_zip(dataset):
    release = made(dataset)
    assert release.stage == Stage.DONE
    assert (release.archive.name, release.folder) == ("", "corner/releases/1")
    assert all(check["passed"] for check in release.checks)
    files = files_of(release)
    assert list(files) == sorted(files)
    for name in (
        "AVA_dataset.csv", "README.md", "METHODS.md", "manifest.json",
        "annotations/ava_train.csv",
        "annotations/ava_val.csv", "annotations/dense_proposals_train.pkl",
        "annotations/dense_proposals_val.pkl", "annotations/ava_action_list.pbtxt",
        "annotations/ava_train_excluded_timestamps.csv", "frame_lists/train.csv",
        "frame_lists/val.csv", "clips/shop-c0000.mp4", "configs/slowfast_ava.yaml",
        "rawframes/shop-c0000/img_00001.jpg",
    ):  # fmt: skip
        assert name in files
    assert {c["name"] for c in check_release(folder_of(release)) if c["passed"]}


def test_labels_are_those_of_the_consensus(dataset):
    files = files_of(made(dataset))
    together = files["AVA_dataset.csv"].decode().splitlines()[1:]
    rows = [row for row in together if row.startswith("shop-c0001,0902")]
    box = ava.format_box([20, 20, 60, 80], width=192, height=96)
    split = rows[0].rpartition(",")[2]
    assert rows == [f"shop-c0001,0902,{box},2,1,{split}", f"shop-c0001,0902,{box},4,1,{split}"]
    # seconds 0 to 3 of a clip of 4.5 s: frame 120 has less than 1.5 s after it
    assert {row.split(",")[1] for row in together if row.startswith("shop-c0001")} == {
        "0902", "0903", "0904", "0905",
    }  # fmt: skip


def test_clips_of_a_video_are_in_one_split(dataset):
    release = made(dataset)
    assert sorted(release.counts["split_of"].values()) == ["train", "val"]
    videos = json.loads(files_of(release)["manifest.json"])["videos"]
    assert {each["source_video"]: each["split"] for each in videos} == release.counts[
        "split_of"
    ]


@pytest.mark.parametrize(
    "question",
    [
        pytest.param({"status": "disputed"}, id="is it a person"),
        pytest.param({"rules": {"posture": "open"}}, id="required group"),
        pytest.param({"rules": {"doing": "open"}}, id="tie in another group"),
    ],
)
def test_a_keyframe_with_an_undecided_item_is_excluded_everywhere(dataset, question):
    add_person(consensus_of("yard-c0000"), 2, 2, left=120, **question)
    files = files_of(made(dataset))
    split = "train" if b"yard-c0000" in files["annotations/ava_train.csv"] else "val"
    name = f"annotations/ava_{split}_excluded_timestamps.csv"
    assert files.pop(name) == b"yard-c0000,0902\n"
    assert not [n for n, content in files.items() if b"yard-c0000,0902" in content]
    keyframes = json.loads(files["manifest.json"])["keyframes"]
    assert {"video_id": "yard-c0000", "timestamp": 902, "status": "excluded"} in keyframes


def test_an_unset_optional_group_excludes_nothing(dataset):
    box = add_person(consensus_of("yard-c0000"), 2, 2, left=120, rules={"doing": "open"})
    box.labels.filter(group="doing").update(votes={"ann": "unset"})
    assert made(dataset).counts["excluded"] == 0


def test_a_dropped_box_is_nobody(dataset):
    add_person(consensus_of("yard-c0000"), 2, 2, left=120, status="dropped")
    release = made(dataset)
    assert release.counts["persons"] == 2
    assert release.counts["excluded"] == 0


def test_a_person_without_an_action_is_listed_apart(dataset):
    box = add_person(consensus_of("yard-c0000"), 2, 10_000, left=120, actions=())
    box.labels.filter(group="posture").update(actions=["unknown"])
    files = files_of(made(dataset))
    text = ava.format_box([120, 20, 160, 80], width=192, height=96)
    assert (
        files["annotations/unlabelled_boxes.csv"] == f"yard-c0000,0902,{text},,10000\n".encode()
    )
    assert text.encode() not in files["AVA_dataset.csv"]


def test_an_annotated_keyframe_without_persons_is_in_the_evaluators_list(dataset):
    ConsensusBox.objects.filter(consensus__clip__name="yard-c0000", second=2).delete()
    files = files_of(made(dataset))
    both = (
        files["annotations/ava_train_activitynet.csv"]
        + files["annotations/ava_val_activitynet.csv"]
    )
    assert b"\nyard-c0000,0902\n" in b"\n" + both


def test_two_persons_in_one_box_exclude_the_keyframe(dataset):
    add_person(consensus_of("yard-c0000"), 2, 2)
    assert made(dataset).counts["excluded"] == 1


def test_the_card_has_counts_and_methods(dataset):
    text = files_of(made(dataset))["README.md"].decode()
    assert "SIMULATED" not in text
    assert "People at a corner." in text
    assert "| 2 walk | person movement |" in text
    assert "3 clips by 2" in text
    assert "test/1" in text


def test_the_card_has_the_agreement(dataset):
    plan_reports()
    for report in AgreementReport.objects.all():
        report_agreement(report.pk)
    text = files_of(made(dataset))["README.md"].decode()
    assert "on the 3 of 3 clips that two or more annotated. Boxes: F1 1.00" in text
    undefined = "undefined: only one category was used"
    assert f"| posture | 9 | {undefined} | {undefined} | 1.00" in text


def shown(figure):
    """A figure as a card prints it."""
    return f"undefined: {figure.reason}" if figure.value is None else with_interval(figure)


def test_card_and_methods_have_the_numbers_of_the_page(dataset):
    plan_reports()
    for report in AgreementReport.objects.all():
        report_agreement(report.pk)
    plan_summaries()
    summarise(AgreementSummary.objects.get().pk)
    files = files_of(made(dataset))
    text, card = files["METHODS.md"].decode(), files["README.md"].decode()
    assert "2 annotators annotated 3 clips; 3 (100.0 %) were annotated by two or more." in text
    assert "0 (0.0 %) were blind" in text
    assert "Labels were decided by more than half of the votes." in text
    assert "0 (0.0 %) are excluded" in text
    page = agreement_page(dataset, newest_summary(dataset).figures)
    for title, figure in page.boxes[:2]:
        assert figure.value is not None, title
        assert f"{figure.value:.2f}." in text.split("**Boxes**")[1].split("\n")[0]
    columns = [column.title for column in page.groups.columns]
    names = {"Alpha": "alpha", "Kappa": "kappa", "AC1": "ac1", "Raw agreement": "percent"}
    for row in page.groups.rows:
        cells = dict(zip(columns, row, strict=True))
        line = text.split(f"**{cells['Group'].value}**")[1].split("\n")[0]
        for title, name in names.items():
            assert EXPLANATIONS[name].said(cells[title].value) in line
        printed = [cells["Rated by 2+"].value]
        printed += [shown(cells[title].value) for title in ("Alpha", "AC1", "Raw agreement")]
        assert f"| {cells['Group'].value} | {' | '.join(map(str, printed))} |" in card
    of_boxes = {row[0].value: row[1].value for row in page.all_boxes.rows}
    in_card = ("f1", "mean_iou", "alpha_giou", "sigma_giou")
    printed = [shown(of_boxes[EXPLANATIONS[name].title]) for name in in_card]
    assert (
        "Boxes: F1 {}, mean IoU {}, beyond chance alpha {} and sigma {} (with GIoU)".format(
            *printed
        )
        in card
    )
    for name in in_card:
        assert EXPLANATIONS[name].said(of_boxes[EXPLANATIONS[name].title]) in text


@pytest.mark.parametrize("whose", ["dataset", "annotator"])
def test_simulated_answers_are_marked_in_card_and_manifest(dataset, whose):
    if whose == "dataset":
        type(dataset).objects.update(is_simulated=True)
    else:
        dataset.annotators.filter(name="ben").update(is_simulated=True)
    files = files_of(made(dataset))
    assert b"**SIMULATED ANSWERS.**" in files["README.md"]
    assert json.loads(files["manifest.json"])["simulated"] is True


def test_content_is_read_with_few_queries(dataset, django_assert_max_num_queries):
    approved = select_clips(dataset).approved
    reader = clip_content.ContentReader(dataset)
    with django_assert_max_num_queries(7):
        assert len(list(reader.read(approved))) == 3


def test_every_label_row_has_its_provenance(dataset, tmp_path):
    person = consensus_of("yard-c0000").boxes.get(second=2, person_id=1)
    ann, ben = (annotator_key(one.pk) for one in dataset.annotators.order_by("name"))
    person.labels.filter(group="doing").update(
        rule="adjudicated", votes={ann: ["carry"], ben: ["wave"]}
    )
    reviewer = make.make_user("judge")
    Adjudication.objects.create(
        clip=consensus_of("yard-c0000").clip, second=2, group="doing",
        video_person=consensus_of("yard-c0000").clip.video.persons.get(person_id=1),
        actions=["wave"], decided_by=reviewer, reason="the hand is up",
    )  # fmt: skip
    files = files_of(made(dataset))
    (tmp_path / "provenance.parquet").write_bytes(files["provenance.parquet"])
    rows = pq.read_table(tmp_path / "provenance.parquet").to_pylist()
    assert len(rows) == len(files["AVA_dataset.csv"].splitlines()) - 1
    (decided,) = [row for row in rows if row["rule"] == "adjudicated"]
    assert (decided["video_id"], decided["timestamp"], decided["action_id"]) == (
        "yard-c0000", 902, 4,
    )  # fmt: skip
    assert json.loads(decided["votes"]) == {"1": ["carry"], "2": ["wave"]}
    assert (decided["reviewer"], decided["reason"]) == (1, "the hand is up")
    assert decided["decided_at"].endswith("+00:00")
    answers = json.loads(decided["answers"])
    assert [(each["annotator"], each["version"]) for each in answers] == [(1, 1), (2, 1)]
    written = b"".join(files[name] for name in files if not name.startswith("checker/"))
    assert b"judge" not in written
    assert b'"ann"' not in written


@pytest.mark.parametrize(("change", "action_id"), [("rename", 3), ("merge", 1)])
def test_a_decision_for_an_action_that_is_called_otherwise_now_is_released(
    dataset, change, action_id
):
    """Nobody answered sit, so no answers are read again; the reviewer alone decided so."""
    consensus = consensus_of("shop-c0000")
    adjudicate(
        consensus.clip, second=2, person_id=1, group="posture", actions=["sit"],
        user=make.make_user(is_superuser=True),
    )  # fmt: skip
    sit = dataset.actions.get(name="sit")
    if change == "rename":
        rename_action(sit, "be seated")
    else:
        merge_action(sit, dataset.actions.get(name="stand"))
    rows = files_of(made(dataset))["AVA_dataset.csv"].decode().splitlines()
    decided = [row.split(",") for row in rows if row.startswith("shop-c0000,0902,")]
    assert [row[6] for row in decided] == [str(action_id)]


def test_an_undone_decision_is_not_in_the_provenance(dataset):
    person = consensus_of("yard-c0000").boxes.get(second=2, person_id=1)
    person.labels.filter(group="doing").update(rule="adjudicated")
    clip, hasty = consensus_of("yard-c0000").clip, make.make_user("hasty")
    for by, reason, taken_back in (
        (make.make_user("careful"), "the hand is up", {}),
        (hasty, "no hand", {"withdrawn_at": timezone.now(), "withdrawn_by": hasty}),
    ):
        Adjudication.objects.create(
            clip=clip, second=2, video_person=clip.video.persons.get(person_id=1),
            group="doing", actions=["wave"], decided_by=by,
            reason=reason, **taken_back,
        )  # fmt: skip
    contents = clip_content.ContentReader(dataset).read(select_clips(dataset).approved)
    origins = [each for content in contents for at in content.persons for each in at.origins]
    assert {(each.reviewer, each.reason) for each in origins if each.rule == "adjudicated"} == {
        (1, "the hand is up")
    }
