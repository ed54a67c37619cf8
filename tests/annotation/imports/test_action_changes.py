"""Actions that answers have are renamed, merged and retired, and answers follow."""

import pytest
from django.urls import reverse

from annotation.core.vocabulary_diff import label_diff
from annotation.models import AnswerVersion
from annotation.selectors.tasks import former_names, group_specs
from annotation.services.action_changes import (
    ActionChangeError,
    action_use,
    merge_action,
    rename_action,
    restore_action,
    retire_action,
)
from annotation.services.answers import read_answers
from annotation.services.label_imports import begin_import, confirm_import, run_import
from annotation.views import action_changes
from avaproject.base.work import Stage
from datasets.core.formats.cvat_json import LabelIds
from datasets.core.formats.cvat_labels import attribute_data, attributes_of
from datasets.core.vocabulary import VocabularyError
from datasets.selectors import vocabulary_of
from datasets.services.vocabulary import WantedAction, WantedGroup, change_vocabulary
from qc.models import Consensus
from qc.services.consensus.build_consensus import (
    build_clip_consensus,
    newest_consensus,
    plan_consensuses,
)
from tests.annotation.imports.written_files import ava
from tests.make import make_dataset, make_user
from tests.stored_files import make_ready_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset(tmp_path):
    """Both persons walk, wave and carry at every keyframe of the first clip, says a source."""
    dataset = make_dataset("shop", owner=make_user("owner"))
    make_ready_video(dataset, name="aisle", frame_count=570)
    path = tmp_path / "upload"
    path.write_bytes(ava(actions=(2, 4, 5)))
    row = begin_import(dataset, path, original_name="ava.csv", source_name="elsewhere")
    run_import(row.pk)
    confirm_import(row, {})
    run_import(row.pk)
    read()
    return dataset


def read():
    for pk in AnswerVersion.objects.filter(stage=Stage.WAITING).values_list("pk", flat=True):
        read_answers(pk)


def action(dataset, name):
    return dataset.actions.get(name=name)


def said(dataset):
    version = AnswerVersion.objects.get()
    assert version.stage == Stage.DONE, version.error
    return version.annotations.get(second=5, person_id=1).answers


def consensus(dataset):
    plan_consensuses()
    for pk in Consensus.objects.filter(stage=Stage.WAITING).values_list("pk", flat=True):
        build_clip_consensus(pk)
    found = newest_consensus(dataset.videos.get().clips.get(index=0))
    box = found.boxes.get(second=5, person_id=1)
    return {label.group: label.actions for label in box.labels.all()}


def test_the_use_of_an_action_is_counted_before_it_is_changed(dataset):
    use = action_use(action(dataset, "wave"))
    assert (use.answers, use.versions, use.annotators, use.is_in_cvat) == (24, 1, 1, False)
    assert action_use(action(dataset, "sit"))[:3] == (0, 0, 0)


def test_answers_and_consensus_follow_a_new_name(dataset):
    assert consensus(dataset) == {"posture": ["walk"], "doing": ["wave", "carry"]}
    assert rename_action(action(dataset, "walk"), "  go   on foot ") == 1
    assert rename_action(action(dataset, "carry"), "bear") == 0  # it waits to be read already
    read()
    assert rename_action(action(dataset, "wave"), "hail") == 1
    read()
    assert said(dataset) == {"posture": "go on foot", "doing": ["hail", "bear"]}
    assert consensus(dataset) == {"posture": ["go on foot"], "doing": ["hail", "bear"]}
    assert action(dataset, "hail").action_id == 4


def test_a_name_may_go_back(dataset):
    rename_action(action(dataset, "walk"), "stroll")
    read()
    rename_action(action(dataset, "stroll"), "walk")
    read()
    assert said(dataset)["posture"] == "walk"
    assert former_names(dataset) == {"posture": {"stroll": "walk"}}


def test_merged_answers_are_one_action_and_the_id_is_never_used_again(dataset):
    assert merge_action(action(dataset, "carry"), action(dataset, "wave")) == 1
    read()
    assert said(dataset)["doing"] == ["wave"]
    assert group_specs(dataset)[1].actions == ("wave",)
    groups = [
        WantedGroup(
            group.name, group.choice, group.required, group.label_type, group.max_per_person,
            group.scope, tuple(WantedAction(one.name, one.pk) for one in group.shown_actions()),
            group.pk,
        )
        for group in dataset.groups.all()
    ]  # fmt: skip
    more = groups[1]._replace(actions=(*groups[1].actions, WantedAction("point")))
    change_vocabulary(dataset, [groups[0], more])
    assert action(dataset, "point").action_id == 6
    assert action(dataset, "carry").merged_into == action(dataset, "wave")
    again = groups[1]._replace(actions=(*more.actions[:1], WantedAction("carry")))
    with pytest.raises(VocabularyError):
        change_vocabulary(dataset, [groups[0], again])


def test_a_merge_with_the_last_of_a_chain_counts_as_that(dataset):
    merge_action(action(dataset, "walk"), action(dataset, "stand"))
    merge_action(action(dataset, "stand"), action(dataset, "sit"))
    read()
    assert said(dataset)["posture"] == "sit"


def test_a_retired_action_is_not_offered_and_its_answers_count(dataset):
    retire_action(action(dataset, "wave"))
    assert [one.name for one in dataset.groups.get(name="doing").shown_actions()] == ["carry"]
    assert [one.name for group in vocabulary_of(dataset) for one in group.actions][
        -1
    ] == "carry"
    assert said(dataset)["doing"] == ["wave", "carry"]
    assert consensus(dataset)["doing"] == ["wave", "carry"]
    with pytest.raises(ActionChangeError, match="last action"):
        retire_action(action(dataset, "carry"))
    restore_action(action(dataset, "wave"))
    assert action(dataset, "wave").is_offered


@pytest.mark.parametrize(
    ("name", "why"),
    [("walk", "so already"), ("sit", "another action"), ("Sit", "only in case"),
     ("unset", "reserved"), ("", "1 to 80")],
)  # fmt: skip
def test_a_name_that_an_action_cannot_have_is_refused(dataset, name, why):
    with pytest.raises(ActionChangeError, match=why):
        rename_action(action(dataset, "walk"), name)


def test_another_group_takes_no_answers(dataset):
    with pytest.raises(ActionChangeError, match="same group"):
        merge_action(action(dataset, "walk"), action(dataset, "wave"))


def test_cvat_keeps_former_names_beside_new_ones(dataset):
    before = attributes_of(group_specs(dataset))
    label = {
        "id": 1,
        "name": "person",
        "attributes": [attribute_data(one, number=n) for n, one in enumerate(before)],
    }
    ids = LabelIds(1, {one.name: n for n, one in enumerate(before)})
    rename_action(action(dataset, "walk"), "stroll")
    merge_action(action(dataset, "carry"), action(dataset, "wave"))
    former = {name for names in former_names(dataset).values() for name in names}
    diff = label_diff(attributes_of(group_specs(dataset)), ids, label, former=former)
    assert diff.refused == []
    (posture,) = diff.attributes
    assert {"walk", "stroll"} <= set(posture["values"])


def test_many_answers_are_counted_behind_the_page(client, dataset, monkeypatch):
    monkeypatch.setattr(action_changes, "VERSIONS_AT_ONCE", 0)
    client.force_login(make_user("root", is_superuser=True))
    url = reverse("annotation:action-changes", args=["shop", action(dataset, "walk").pk])
    page = client.get(url).content.decode()
    assert "Counting in all answers" in page
    assert f'hx-get="{url}"' in page
    assert "People at keyframes" not in page
    for found in (client.get(url, headers={"HX-Request": "true"}), client.get(url, {"now": 1})):
        assert '<dd class="k">24</dd>' in found.content.decode()


def test_the_page_shows_what_a_change_does_before_it_is_made(client, dataset):
    client.force_login(make_user("root", is_superuser=True))
    walk = action(dataset, "walk")
    url = reverse("annotation:action-changes", args=["shop", walk.pk])
    shown = client.get(url, {"change": "rename", "new": "stroll"}).content.decode()
    assert "1 answer will be read again" in shown
    assert "Earlier releases do not change" in shown
    assert action(dataset, "walk") == walk
    for wrong in ("wave", "unset"):  # said at once, before anything is confirmed
        shown = client.get(url, {"change": "rename", "new": wrong}).content.decode()
        assert "Nothing was changed" in shown
        assert "will be read again" not in shown
    client.post(url, {"change": "rename", "new": "stroll"})
    assert action(dataset, "stroll") == walk
    wave, carry = action(dataset, "wave"), action(dataset, "carry")
    url = reverse("annotation:action-changes", args=["shop", carry.pk])
    shown = client.get(url, {"change": "merge", "into": wave.pk}).content.decode()
    assert "The id 5 is not used again" in shown
    client.post(url, {"change": "merge", "into": wave.pk})
    assert "counts as" in client.get(url).content.decode()
    page = client.get(reverse("datasets:vocabulary", args=["shop"])).content.decode()
    assert "No longer offered" in page
    refused = client.post(url, {"change": "merge", "into": 10**9}, follow=True)
    assert "Nothing was changed" in refused.content.decode()
