"""Trains an action model on a release of AVA Studio, and measures it as AVA does.

    python examples/train/train.py RELEASE --out runs/first --pretrained --device cuda

writes `model.pt`, `results.csv` for evaluators, and `metrics.json` with the frame mAP at an IoU
of 0.5, beside the best that the tracker's boxes allow.
"""

import json
import math
import resource
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch
from dataset import Keyframe, KeyframeClips, Release, collate, shown
from model import ActionModel, build
from torch.nn.functional import binary_cross_entropy_with_logits, pad
from torch.utils.data import DataLoader
from torchvision.ops import box_iou


def train(model: ActionModel, loader: DataLoader, options: Namespace) -> None:
    """Train for `epochs`, or until the CPU time is used up; the learning rate follows that."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=0.02)
    step, steps = 0, options.epochs * len(loader)
    model.train()
    for epoch in range(options.epochs):
        total = 0.0
        for keyframes, clips, boxes in loader:
            used = time.process_time() / 60 / options.cpu_minutes
            if (share := max(used, step / steps)) >= 1:
                return
            rate = options.rate * min(1, (step + 1) / 20) * (1 + math.cos(math.pi * share)) / 2
            optimiser.param_groups[0]["lr"] = rate
            on = options.device
            seen, inside = shown(clips.to(on), boxes, True)
            with torch.autocast(on, torch.bfloat16, enabled=options.bf16):
                logits = model(seen, [box.to(on) for box in inside]).float()
            labels = torch.cat([one.labels for one in keyframes]).to(on)
            loss = binary_cross_entropy_with_logits(logits, labels) * labels.shape[1]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step, total = step + 1, total + loss.item()
        print(f"epoch {epoch + 1}: loss {total / len(loader):.3f}, {share:.0%}", flush=True)


@torch.inference_mode()
def predict(model: ActionModel, loader: DataLoader, options: Namespace) -> list[Keyframe]:
    """The keyframes with labels from 0 to 1: the action's probability times the box's score."""
    model.eval()
    found = []
    for keyframes, clips, boxes in loader:
        seen, inside = shown(clips.to(options.device), boxes, False)
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            logits = model(seen, [box.to(options.device) for box in inside])
        its = logits.sigmoid().cpu().double().split([len(one.boxes) for one in keyframes])
        for one, chances in zip(keyframes, its, strict=True):
            found.append(one._replace(labels=(chances * one.scores[:, None]).round(decimals=6)))
    return found


def frame_map(truth: list[Keyframe], found: list[Keyframe]) -> dict[int, float]:
    """Average precision by column, of the actions that the truth shows, as AVA has it.

    A detection, the best first, is right if the true box of its action that it overlaps most
    has an IoU of at least 0.5 and is not found yet; all points of the precision envelope.
    """
    true = {one.key: one for one in truth}
    counts = sum(one.labels.sum(0) for one in truth)
    precisions = {}
    for column in torch.as_tensor(counts).nonzero().flatten().tolist():
        scored: list[tuple[float, object]] = []  # score, and which true box it finds
        for one in (one for one in found if one.key in true):
            boxes = true[one.key].boxes[true[one.key].labels[:, column] > 0]
            ious = pad(box_iou(one.boxes.double(), boxes.double()), (0, 1))  # or nobody
            for score, iou in zip(one.labels[:, column].tolist(), ious, strict=True):
                scored.append((score, (one.key, int(iou.argmax())) if iou.max() >= 0.5 else 0))
        seen: set[object] = {0}
        hits = []
        for _, place in sorted(scored, key=lambda pair: -pair[0]):
            hits.append(place not in seen)
            seen.add(place)
        right = torch.tensor(hits, dtype=torch.float64)
        precision = right.cumsum(0) / torch.arange(1, len(hits) + 1)
        envelope = precision.flip(0).cummax(0).values.flip(0) if hits else precision
        precisions[column] = float((envelope * right).sum() / counts[column])
    return precisions


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("release", type=Path, help="folder of the release")
    add("--out", type=Path, required=True, help="folder for the results")
    add("--backbone", default="r3d_18", help="or mc3_18, r2plus1d_18, flat, hf:NAME")
    add("--width", type=int, default=64, help="channels of the first stage")
    add("--pretrained", action="store_true", help="weights of Kinetics-400")
    add("--view", choices=["frame", "person"], default="frame", help="what a clip shows")
    add("--size", type=int, default=224, help="short side of a clip in pixels")
    add("--frames", type=int, default=16, help="frames of a clip")
    add("--step", type=int, default=4, help="from one frame of a clip to the next")
    add("--epochs", type=int, default=20)
    add("--cpu-minutes", type=float, default=math.inf, help="stop training then")
    add("--batch", type=int, default=8, help="keyframes of a step")
    add("--rate", type=float, default=3e-4, help="highest learning rate")
    add("--seed", type=int, default=0)
    add("--device", default="cpu")
    add("--workers", type=int, default=0, help="processes that load clips")
    add("--keep", action="store_true", help="all clips in memory, for a small release")
    add("--bf16", action="store_true", help="bfloat16 where torch can")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    release = Release(options.release)
    proposed = release.keyframes("val_predicted_boxes", release.manifest["score_threshold"])
    loaders = []
    for keyframes, trains in ((release.keyframes("train"), True), (proposed, False)):
        its = KeyframeClips(release, keyframes, options)
        clips: Any = [*its] if options.keep else its
        sizes = {"batch_size": options.batch, "num_workers": options.workers}
        loaders.append(DataLoader(clips, shuffle=trains, collate_fn=collate, **sizes))
    model = build(len(release.actions), options).to(options.device)
    train(model, loaders[0], options)
    found = predict(model, loaders[1], options)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.out / "model.pt")
    with (options.out / "results.csv").open("w") as file:
        for (video, at), boxes, labels, _ in found:
            for box, its in zip(boxes.tolist(), labels.tolist(), strict=True):
                place = f"{video},{at:04d}," + ",".join(f"{side:.4f}" for side in box)
                for action, score in zip(release.actions, its, strict=True):
                    file.write(f"{place},{action},{score:.6f}\n")
    precisions = frame_map(release.keyframes("val_activitynet"), found)
    names, usage = [*release.actions.values()], resource.getrusage(resource.RUSAGE_SELF)
    metrics = {
        "mAP": sum(precisions.values()) / len(precisions) if precisions else None,
        "best possible": release.manifest.get("oracle_ap", {}).get("val"),
        "per action": {names[column]: ap for column, ap in precisions.items()},
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
    }
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=1))
    print(json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
