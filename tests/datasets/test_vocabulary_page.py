"""The vocabulary page: what can be changed before tasks are assigned, and after."""

import re

import pytest
from django.urls import reverse
from django.utils.html import escape

from datasets.core.vocabulary import VocabularyError
from datasets.services.vocabulary import (
    WantedAction,
    WantedGroup,
    change_vocabulary,
    is_in_use,
    vocabulary_of,
)
from tests.make import (
    make_annotator,
    make_clips,
    make_dataset,
    make_run,
    make_task,
    make_user,
    make_video,
)

pytestmark = pytest.mark.django_db
GROUP_FIELDS = ("name", "choice", "required", "label_type", "max_per_person", "scope")


@pytest.fixture
def dataset():
    return make_dataset("shop", owner=make_user("owner"))


@pytest.fixture
def browser(client, dataset):
    client.force_login(dataset.members.get().user)
    return client


def assign(dataset):
    clip = make_clips(make_video(dataset))[0]
    make_task(make_run(clip), make_annotator(dataset, "ann"))


def wanted(dataset, **changed):
    """The groups as they are, with some fields of the first changed."""
    groups = [
        WantedGroup(
            *(getattr(group, name) for name in GROUP_FIELDS),
            actions=tuple(WantedAction(one.name, one.pk) for one in group.shown_actions()),
            pk=group.pk,
        )
        for group in dataset.groups.all()
    ]
    return [groups[0]._replace(**changed), *groups[1:]]


def names(dataset, *, ids=False):
    return [
        [(one.action_id, one.name) if ids else one.name for one in group.actions]
        for group in vocabulary_of(dataset)
    ]


def posted(dataset):
    """The form of the page as a browser sends it unchanged."""
    data = {"group": [], "remove": []}
    for group in dataset.groups.all():
        key = str(group.pk)
        data["group"].append(key)
        data[f"{key}-action"] = [str(one.pk) for one in group.shown_actions()]
        data |= {f"{key}-{name}": getattr(group, name) for name in GROUP_FIELDS}
        if not group.required:
            del data[f"{key}-required"]
        data[f"{key}-added"] = ""
    return data


def url():
    return reverse("datasets:vocabulary", args=["shop"])


def test_new_actions_get_the_next_ids_whatever_their_place(dataset):
    old = wanted(dataset)[0].actions
    change_vocabulary(dataset, wanted(dataset, actions=(WantedAction("run"), *old)))
    assert names(dataset, ids=True)[0] == [(6, "run"), (1, "stand"), (2, "walk"), (3, "sit")]
    assert dataset.groups.all()[0].spec().actions == ("stand", "walk", "sit", "run")


def test_before_tasks_are_assigned_ids_stay_as_they_are_after_a_removal(dataset):
    kept = wanted(dataset)[0].actions[1:]
    change_vocabulary(dataset, wanted(dataset, actions=kept))
    assert names(dataset, ids=True) == [
        [(2, "walk"), (3, "sit")],
        [(4, "wave"), (5, "carry")],
    ]


def test_a_vocabulary_in_use_grows_and_keeps_its_meaning(dataset):
    assert not is_in_use(dataset)
    assign(dataset)
    assert is_in_use(dataset)
    before = vocabulary_of(dataset)
    old = wanted(dataset)[0].actions
    renamed = (old[0]._replace(name="stand up"), *old[1:])
    for changed, why in (
        ({"actions": old[1:]}, "stand must keep"),
        ({"actions": renamed}, "stand must keep"),
        ({"name": "pose"}, "posture must keep its name"),
        ({"choice": "many"}, "one or many"),
        ({"scope": "clip"}, "scope"),
        ({"label_type": "PERSON_INTERACTION"}, "label type"),
    ):
        with pytest.raises(VocabularyError, match=why):
            change_vocabulary(dataset, wanted(dataset, **changed))
    assert vocabulary_of(dataset) == before
    assert change_vocabulary(dataset, wanted(dataset, actions=(*old, WantedAction("run")))) == 1


def test_an_action_keeps_a_name_that_differs_only_in_case_but_gets_none(dataset):
    stand, walk, *others = wanted(dataset)[0].actions
    renamed = (stand._replace(name="Walk"), walk, *others)
    with pytest.raises(VocabularyError, match="'Walk' differs from 'walk' only in case"):
        change_vocabulary(dataset, wanted(dataset, actions=renamed))
    change_vocabulary(dataset, wanted(dataset, actions=(stand._replace(name="Stand"), walk)))
    dataset.actions.filter(name="Stand").update(name="Walk")  # as older datasets may have it
    kept = (*wanted(dataset)[0].actions, WantedAction("run"))
    assert change_vocabulary(dataset, wanted(dataset, actions=kept)) == 1


def test_what_cvat_would_refuse_is_refused_here(dataset):
    more = tuple(WantedAction(f"{number} {'x' * 70}") for number in range(60))
    with pytest.raises(VocabularyError, match="does not fit into packages and CVAT"):
        change_vocabulary(dataset, wanted(dataset, actions=more))


def test_the_page_sent_unchanged_changes_nothing(browser, dataset):
    before = vocabulary_of(dataset)
    assert browser.get(url()).status_code == 200
    assert browser.post(url(), posted(dataset)).status_code == 302
    assert vocabulary_of(dataset) == before


def test_the_page_orders_adds_and_removes(browser, dataset):
    data = posted(dataset)
    posture, doing = data["group"]
    data["group"] = [doing, posture]
    data[f"{posture}-action"].reverse()
    data[f"{posture}-added"] = "run\n\n climb \n"
    data["remove"] = [f"action-{data[f'{doing}-action'][0]}"]
    assert browser.post(url(), data).status_code == 302
    assert names(dataset) == [["carry"], ["sit", "walk", "stand", "run", "climb"]]


def test_a_button_moves_one_thing_without_javascript(browser, dataset):
    data = posted(dataset)
    walk = data[f"{data['group'][0]}-action"][1]
    browser.post(url(), data | {"move": f"action-{walk}-up"})
    assert names(dataset)[0] == ["walk", "stand", "sit"]
    browser.post(url(), posted(dataset) | {"move": f"group-{data['group'][1]}-up"})
    assert [group.name for group in vocabulary_of(dataset)] == ["doing", "posture"]


def test_a_new_group_is_built_on_the_page(browser, dataset):
    data = posted(dataset) | {
        "new-name": "dress", "new-choice": "one", "new-max_per_person": 1,
        "new-scope": "person", "new-label_type": "OBJECT_MANIPULATION",
        "new-added": "coat\nsuit",
    }  # fmt: skip
    assert browser.post(url(), data).status_code == 302
    assert names(dataset)[2] == ["coat", "suit"]


@pytest.mark.parametrize("added", ["walk", "Walk", "unset", 'say "hi"', "x" * 81])
def test_a_refused_change_says_why_and_keeps_what_was_typed(browser, dataset, added):
    data = posted(dataset)
    data[f"{data['group'][0]}-added"] = added
    page = browser.post(url(), data)
    assert page.status_code == 422
    assert "Nothing was saved" in page.content.decode()
    assert escape(added) in page.content.decode()


def test_a_new_group_is_no_duty_to_a_browser(browser, dataset):
    page = browser.get(url()).content.decode()
    fields = re.findall(r'<(?:input|select|textarea)[^>]*name="new-[^>]*>', page)
    assert len(fields) > 3
    assert not [field for field in fields if " required" in field]


def test_actions_of_a_new_group_without_a_name_are_not_lost(browser, dataset):
    data = posted(dataset) | {
        "new-added": "yodel",
        "new-choice": "one",
        "new-scope": "keyframe",
    }
    page = browser.post(url(), data)
    assert page.status_code == 422
    assert "yodel</textarea>" in page.content.decode()
    assert not dataset.groups.filter(actions__name="yodel").exists()


def test_in_use_the_page_locks_what_would_change_answers(browser, dataset):
    assign(dataset)
    page = browser.get(url()).content.decode()
    assert "what was asked keeps its meaning" in page
    assert 'name="remove"' not in page
    data = posted(dataset)
    key = data["group"][0]
    data["remove"] = [f"action-{data[f'{key}-action'][0]}"]
    browser.post(url(), data)
    assert names(dataset)[0] == ["stand", "walk", "sit"]
