"""A tab of a browser on the label page: it sends operations to the endpoints."""

import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.test import Client
from django.urls import reverse

from annotation.models import AnnotationTask

_ids = count(1)


@dataclass
class Tab:
    """One tab; `last` is the number of its last operation."""

    client: Client
    task: AnnotationTask
    holder: str
    last: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def post(self, what: str, body: dict[str, Any]) -> Any:
        url = reverse(
            f"annotation:label-{what}", args=[self.task.clip.video.dataset.name, self.task.pk]
        )
        content = json.dumps({"holder": self.holder, **body})
        return self.client.post(url, content, content_type="application/json")

    def open(self, **body: Any) -> Any:
        answer = self.post("open", body)
        if answer.status_code == 200:
            self.last = answer.json()["last"]
        return answer

    def operation(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A new operation at the end of this tab's log, not sent yet."""
        self.last += 1
        made = {
            "id": f"op-{next(_ids)}",
            "number": self.last,
            "kind": kind,
            "ms": 900,
            **fields,
        }
        self.log.append(made)
        return made

    def send(self, *operations: dict[str, Any], **body: Any) -> Any:
        return self.post("operations", {"operations": list(operations), **body})

    def act(self, kind: str, **fields: Any) -> Any:
        return self.send(self.operation(kind, **fields))

    def submit(self, **body: Any) -> Any:
        return self.post("submit", {"last": self.last, **body})

    def answer_all(self, **answers: Any) -> None:
        """Answer everything of both persons of `make_ready_run` from the first keyframe on."""
        seconds = self.task.clip.keyframes()
        for person in ("1", "2"):
            kept = {"person": person, "first": seconds[0], "last": seconds[-1]}
            self.act("keep", **kept, answers=answers or {"posture": "walk", "doing": []})
