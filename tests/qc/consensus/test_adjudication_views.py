import json
import re
from uuid import uuid4

import pytest
from django.urls import reverse

from qc.models import Adjudication, Consensus
from tests.make import make_user

pytestmark = pytest.mark.django_db

JSON = "application/json"


def url(page, *arguments):
    return reverse(f"qc:{page}", args=["shop", *arguments])


def page_text(response):
    return response.content.decode()


def test_a_decision_closes_its_item(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    before = Consensus.objects.get().open_count
    data = {"clip": clip.name, "second": 2, "person_id": 1, "group": "posture", "answer": "sit"}
    assert (
        client.post(url("adjudicate"), data)["Location"] == url("adjudication") + "?kind=open"
    )
    decision = Adjudication.objects.get()
    assert (decision.actions, decision.decided_by) == (["sit"], reviewer)
    assert Consensus.objects.get().open_count == before - 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"answer": ["sit", "walk"]}, id="two answers of one"),
        pytest.param({"answer": []}, id="no answer"),
        pytest.param({"answer": ["fly"]}, id="no action"),
        pytest.param({"group": "mood", "answer": ["sit"]}, id="no group"),
        pytest.param({"second": "x"}, id="no second"),
        pytest.param({"chosen": '["fly"]'}, id="no action by button"),
        pytest.param({"chosen": "{}"}, id="no list by button"),
        pytest.param({"chosen": "[[1]]"}, id="no names by button"),
        pytest.param({"group": "~box", "chosen": "[1, 2]"}, id="no box"),
        pytest.param({"group": "~box", "chosen": "[1, 2, NaN, 9]"}, id="no finite box"),
        pytest.param({"group": "~box", "chosen": "[9, 9, 9, 9]"}, id="an empty box"),
        pytest.param({"person_id": "77"}, id="nobody there"),
    ],
)
def test_an_invalid_decision_is_refused_with_a_message(
    client, reviewer, clip, disputed, change
):
    client.force_login(reviewer)
    data = {"clip": clip.name, "second": 2, "person_id": 1, "group": "posture", "answer": "sit"}
    page = client.post(url("adjudicate"), data | change, follow=True)
    assert 'class="msg error"' in page_text(page)
    assert not Adjudication.objects.exists()


def sent(client, *entries):
    """What the server answers to entries of the outbox, numbered from 1."""
    numbered = [{"number": place + 1} | one for place, one in enumerate(entries)]
    content = {"kind": "open", "entries": numbered}
    return client.post(url("adjudication-entries"), content, content_type=JSON)


def decision(clip, second, *, answer="sit"):
    fields = {"clip": clip.name, "second": second, "person_id": 1, "group": "posture"}
    pairs = [[name, str(value)] for name, value in fields.items()]
    return {"id": str(uuid4()), "fields": [*pairs, ["chosen", json.dumps([answer])]]}


def test_decisions_of_the_outbox_are_stored_once_however_often_they_are_sent(
    client, reviewer, clip, disputed
):
    client.force_login(reviewer)
    before = Consensus.objects.get().open_count
    first, second = decision(clip, 2), decision(clip, 3)
    answer = sent(client, first).json()
    assert (answer["last"], answer["refused"], answer["count"]) == (1, {}, before - 1)
    answer = sent(client, first, second).json()
    assert (answer["last"], answer["count"]) == (2, before - 2)
    assert Adjudication.objects.count() == 2


def test_an_undo_of_the_outbox_withdraws_once_and_a_late_repeat_does_not_decide_again(
    client, reviewer, clip, disputed
):
    client.force_login(reviewer)
    before = Consensus.objects.get().open_count
    made = decision(clip, 2)
    undo = {"id": str(uuid4()), "undoes": made["id"]}
    assert sent(client, made, undo).json()["count"] == before
    assert sent(client, made, undo).json()["count"] == before
    assert Adjudication.objects.exclude(withdrawn_at=None).count() == 1
    assert Adjudication.objects.count() == 1


def test_a_decision_that_is_refused_does_not_stop_those_after_it(
    client, reviewer, clip, disputed
):
    client.force_login(reviewer)
    wrong, right = decision(clip, 2, answer="fly"), decision(clip, 3)
    answer = sent(client, wrong, right).json()
    assert list(answer["refused"]) == [wrong["id"]]
    assert "not one of the options" in answer["refused"][wrong["id"]]
    assert (answer["last"], Adjudication.objects.get().second) == (2, 3)


def test_nobody_undoes_decisions_of_others_by_their_operation(client, reviewer, clip, disputed):
    other = make_user("other")
    clip.video.dataset.members.create(user=other, role="reviewer")
    client.force_login(reviewer)
    made = decision(clip, 2)
    sent(client, made)
    client.force_login(other)
    answer = sent(client, {"id": str(uuid4()), "undoes": made["id"]}).json()
    assert "can undo this decision" in next(iter(answer["refused"].values()))
    assert Adjudication.objects.in_force().count() == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("{", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param('{"entries": []}', id="none"),
        pytest.param('{"entries": [{"id": "x", "number": 1}]}', id="no id"),
        pytest.param('{"entries": [{"id": 5, "number": 1}]}', id="a number as id"),
        pytest.param(
            '{"entries": [{"id": "00000000-0000-4000-8000-000000000000", "number": 1,'
            ' "fields": [["reason", "\\u0000"]]}]}',
            id="NUL",
        ),
    ],
)
def test_what_is_no_decision_is_refused(client, reviewer, clip, disputed, body):
    client.force_login(reviewer)
    url_of = url("adjudication-entries")
    assert client.post(url_of, body, content_type=JSON).status_code == 400


def test_the_time_of_a_decision_is_kept_once_and_shown(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    data = {"clip": clip.name, "person_id": 1, "group": "posture", "answer": "sit"}
    client.post(url("adjudicate"), data | {"second": [2, 3], "ms": 700})
    client.post(url("adjudicate"), data | {"second": 4, "ms": 90_000})  # a minute at most
    times = [one.decision_ms for one in Adjudication.objects.order_by("second")]
    assert times == [700, None, 90_000]
    shown = page_text(client.get(url("decisions")))
    assert "30.4 s" in shown  # (0.7 + 60) / 2
    assert "50 % of 2 within a second" in shown


def test_the_next_items_are_html_fragments(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    page = page_text(client.get(url("adjudication")))
    assert f'data-key="{clip.name}.1.posture.' in page
    assert "<!doctype" in page
    first = f"{clip.name}.1.posture.{clip.keyframes()[0]}"
    following = page_text(client.get(url("adjudication-next"), {"after": first}))
    assert "<!doctype" not in following
    assert following.count("<article") == 8
    assert f'data-key="{first}"' not in following
    last = f"{clip.name}.9.posture.99"
    assert page_text(client.get(url("adjudication-next"), {"after": last})).strip() == ""
    assert "End of the queue" in page_text(client.get(url("adjudication"), {"after": last}))


def test_names_of_annotators_are_not_shown_at_first(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    page = page_text(client.get(url("adjudication")))
    page = re.sub('<form class="filter-bar".*?</form>', "", page, flags=re.DOTALL)
    assert page.count("kim") == page.count('<span class="by" hidden>kim</span>') > 0


def test_a_box_is_decided_on(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    data = {"clip": clip.name, "second": 2, "person_id": 1, "group": "~box"}
    client.post(url("adjudicate"), data | {"chosen": "[90, 100, 160.5, 250]"})
    assert Adjudication.objects.get().box == (90, 100, 160.5, 250)


def test_the_clip_tells_who_said_what_and_who_decided(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    page = page_text(client.get(url("clip", clip.name)))
    assert '<span class="mut">kim</span> walk' in page
    assert "mean of kim and lee" in page
    assert f"{url('adjudication')}?at={clip.name}.1.posture.2" in page
    data = {"clip": clip.name, "second": 2, "person_id": 1}
    why = {"group": "posture", "answer": "sit", "reason": "He has a chair."}
    client.post(url("adjudicate"), data | why)
    client.post(url("adjudicate"), data | {"group": "~box", "chosen": "[90, 100, 160, 250]"})
    page = page_text(client.get(url("clip", clip.name)))
    assert "Decided by reviewer" in page
    assert "He has a chair." in page
    assert "box chosen by reviewer" in page
    asked = client.get(url("adjudication"), {"at": f"{clip.name}.1.posture.2"})
    assert 'data-key="aisle-c0000.1.posture.2"' in page_text(asked)


def test_decisions_are_listed_and_undone(client, reviewer, clip, disputed):
    client.force_login(reviewer)
    data = {"clip": clip.name, "second": 2, "person_id": 1, "group": "posture"}
    client.post(url("adjudicate"), data | {"answer": "sit", "reason": "He has a chair."})
    assert "He has a chair." in page_text(client.get(url("decisions")))
    made = Adjudication.objects.get()
    answer = client.post(
        url("undo-decisions"), {"made": made.pk, "back": "decisions"}, follow=True
    )
    assert "1 decision undone." in page_text(answer)
    assert "undone by reviewer" in page_text(answer)
