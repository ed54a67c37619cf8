"""State of the queues: the number of rows of each step by stage."""

from dataclasses import dataclass

from avaproject.base.work import Stage
from workers.pipeline import STEPS


@dataclass
class StepState:
    name: str
    queue: str
    waiting: int
    running: int
    failed: int
    done: int


@dataclass
class QueueState:
    name: str
    waiting: int
    running: int

    @property
    def sentence(self) -> str:
        parts = [
            f"{self.running} running" if self.running else "",
            f"{self.waiting} waiting" if self.waiting else "",
        ]
        return " · ".join(part for part in parts if part) or "idle"


def steps() -> list[StepState]:
    """Every step of the pipeline with its row counts over all datasets."""
    found = []
    for step in STEPS:
        counts = step.rows.counts()
        found.append(
            StepState(
                step.name, step.queue, counts[Stage.WAITING], counts[Stage.RUNNING],
                counts[Stage.FAILED], counts[Stage.DONE],
            )
        )  # fmt: skip
    return found


def queues(rows: list[StepState]) -> list[QueueState]:
    """The two queues, `gpu` first, with the sums of their steps."""
    return [
        QueueState(
            name.upper(),
            sum(row.waiting for row in rows if row.queue == name),
            sum(row.running for row in rows if row.queue == name),
        )
        for name in ("gpu", "cpu")
    ]
