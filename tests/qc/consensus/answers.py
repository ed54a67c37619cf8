"""Answers of annotators and the consensus built of them."""

from qc.models import Consensus
from qc.services.consensus.build_consensus import build_clip_consensus, plan_consensuses
from tests.make import make_task, make_version

WALK = {"posture": "walk", "doing": []}
SIT = {"posture": "sit", "doing": ["wave"]}
DRAWN = {"x1": 400.0, "y1": 100.0, "x2": 450.0, "y2": 250.0}


def answered(run, annotators, *answers):
    return [
        make_version(make_task(run, who), said)
        for who, said in zip(annotators, answers, strict=False)
    ]


def built_consensus():
    plan_consensuses()
    for pk in Consensus.objects.claimable().order_by("pk").values_list("pk", flat=True):
        build_clip_consensus(pk)
    return Consensus.objects.order_by("-pk").first()


def content(consensus):
    labels = ("group", "actions", "votes", "rule")
    boxes = ("second", "person_id", "x1", "y1", "x2", "y2", "drawn_by", "status")
    return [
        ([getattr(box, name) for name in boxes], list(box.labels.values(*labels)))
        for box in consensus.boxes.all()
    ]


def draw(version, *, second, track=9, by=0.0, answers=None):
    box = {name: value + by for name, value in DRAWN.items()}
    return version.annotations.create(
        second=second, track=track, answers=answers or WALK, **box
    )
