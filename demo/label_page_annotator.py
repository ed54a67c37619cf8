"""A simulated annotator on the label page: does what its answers say through the endpoints."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from annotation.core.answer_segments import Operation, fold
from annotation.core.cvat_tracks import KeyframeBox, interpolate_at_keyframes
from annotation.core.label_state import LabelState, LabelTask
from annotation.models import AnnotationTask, Annotator
from annotation.selectors.labelling import label_task
from datasets.core.action_groups import UNSET
from datasets.core.formats.cvat_document import Document
from datasets.core.formats.cvat_labels import PERSON_ID, answers_from
from datasets.models import Dataset, Member

HOLDER = "simulated"
BATCH = 50  # operations of a request
MOVED = 0.01  # pixels from which a box counts as drawn anew
MS_A_KEYFRAME = 2000  # claimed working time; nothing of it is measured


class LabelPageError(RuntimeError):
    """The server refused what the simulated annotator did."""


def account_of(dataset: Dataset, name: str) -> User:
    """The account of a simulated annotator, with which nobody can log in by password."""
    user, _ = User.objects.get_or_create(
        username=name, defaults={"password": make_password(None)}
    )
    Member.objects.get_or_create(
        dataset=dataset, user=user, defaults={"role": Member.Role.ANNOTATOR}
    )
    Annotator.objects.filter(dataset=dataset, name=name).update(
        user=user, tool=Annotator.Tool.LABEL_PAGE
    )
    return user


def label_on_page(task: AnnotationTask, user: User, document: Document) -> None:
    """Label `task` so that its answers are those of `document`, and submit them.

    What arrived before an interruption is not done twice. Raises LabelPageError.
    """
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    if task.versions.exists():
        _post(client, task, "reopen", {})
    opened = _post(client, task, "open", {"take_over": True})
    about = label_task(task)
    done = [*opened["operations"]]
    new: list[Operation] = []
    for fields in _operations(about, LabelState.from_json(opened["start"]), document, done):
        number = len(done) + len(new) + 1
        new.append({"id": f"r{opened['draft']}-{number}", "number": number, **fields})
    for start in range(0, len(new), BATCH):
        _post(client, task, "operations", {"operations": new[start : start + BATCH]})
    _post(client, task, "submit", {"last": len(done) + len(new)})


def _post(client: Client, task: AnnotationTask, what: str, body: dict[str, Any]) -> Any:
    url = reverse(f"annotation:label-{what}", args=[task.clip.video.dataset.name, task.pk])
    answer = client.post(
        url, json.dumps({"holder": HOLDER, **body}), content_type="application/json",
        secure=settings.SECURE_SSL_REDIRECT,
    )  # fmt: skip
    if answer.status_code != 200:
        raise LabelPageError(f"{task}, {what}: {answer.status_code} {answer.content[:300]!r}")
    return answer.json()


def _operations(
    about: LabelTask, start: LabelState, document: Document, done: list[Operation]
) -> Iterator[dict[str, Any]]:
    """What is left to do, person by person."""
    fps = about.frame_rate // about.step
    log = list(done)
    wanted = {
        _key_of(place, track.shapes[0].attributes): {
            one.second: one
            for one in interpolate_at_keyframes(track, about.keyframes, annotation_fps=fps)
        }
        for place, track in enumerate(document.tracks)
        if track.shapes
    }
    for key in start.persons.keys() - wanted.keys():
        yield {"kind": "delete", "person": key, "ms": MS_A_KEYFRAME}
    for key, boxes in wanted.items():
        for one in _boxes(about, start, key, boxes, log):
            log.append({"id": f"draft-{len(log)}", **one})
            yield one
        yield from _answers(about, key, boxes)


def _key_of(place: int, attributes: Mapping[str, str]) -> str:
    return attributes.get(PERSON_ID, "").strip() or f"d-{place}"


def _boxes(
    about: LabelTask, start: LabelState, key: str, boxes: Mapping[int, KeyframeBox],
    log: list[Operation],
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Draw, move and hide the boxes of one person that differ from those on the page."""
    for second in about.keyframes:
        frame = second * about.frame_rate
        state = fold(about, start, log)
        lane = state.persons.get(key)
        here = lane.path.box_at(frame) if lane else None
        wanted = boxes.get(second)
        place = {"person": key, "frame": frame, "ms": MS_A_KEYFRAME}
        if wanted is None and here is not None:
            until = min(frame + about.frame_rate, about.frame_count)
            yield {"kind": "outside", **place, "until": until}
        elif wanted is not None and (here is None or _is_moved(here, wanted.box)):
            yield {"kind": "box" if lane else "add", **place, "box": list(wanted.box)}


def _is_moved(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return any(abs(one - other) > MOVED for one, other in zip(a, b, strict=True))


def _answers(
    about: LabelTask, key: str, boxes: Mapping[int, KeyframeBox]
) -> Iterator[dict[str, Any]]:
    """Answer at the first keyframe, keep to the end, and change where the answers change."""
    seconds = sorted(boxes)
    before: dict[str, Any] = {}
    for second in seconds:
        answers = answers_from(boxes[second].attributes, about.groups)
        changed = {
            name: answer for name, answer in answers.items()
            if answer not in (UNSET, before.get(name))
        }  # fmt: skip
        place = {"person": key, "ms": MS_A_KEYFRAME, "shown": MS_A_KEYFRAME}
        if second == seconds[0]:
            yield {
                "kind": "keep", **place, "first": second, "last": seconds[-1],
                "answers": changed,
            }  # fmt: skip
        elif changed:
            yield {"kind": "set", **place, "second": second, "answers": changed}
        before = answers
