"""Training script of the demo's tiny person detector (RF-DETR), minutes on a CPU.

    python -m benchmarks.demo_detector.train --seconds 2000 --out first.pth
    python -m benchmarks.demo_detector.train --seconds 1500 --scenes 250 --start first.pth

It is RF-DETR in its smallest useful size: one layer of the backbone, one of the decoder. The
checkpoint stores half floats, and nothing for unused layers. It is for the demo and the tests.
"""

import argparse
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rfdetr import RFDETR, RFDETRNano
from rfdetr.config import TrainConfig
from rfdetr.models import build_criterion_from_config
from rfdetr.utilities.tensors import NestedTensor
from rich.logging import RichHandler
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from benchmarks.demo_detector.training_scenes import (
    FIRST_HELD_OUT,
    MIN_VISIBLE,
    TrainingSample,
    random_spec,
    sample,
    samples,
    with_random_people,
)
from demo.world.renderer import DEMO_VIDEOS, small_videos

log = logging.getLogger(__name__)

LAYERS = 1  # of the backbone's twelve; inference runs one more, whose output is unused
SHAPE: dict[str, Any] = {
    "num_classes": 1,
    "num_queries": 15,
    "num_select": 15,
    "group_detr": 3,
    "hidden_dim": 192,
    "dec_layers": 1,
    "sa_nheads": 4,
    "ca_nheads": 4,
    "dec_n_points": 2,
    "out_feature_indexes": [LAYERS],
    "num_windows": 1,
}
BATCH = 8
FRAMES = 6  # per scene
PEAK_RATE, LAST_RATE = 7e-4, 1e-5
WARM_UP = 60
PATCH = 16  # pixels of a patch of the backbone
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@dataclass(frozen=True)
class DetectorScore:
    """Quality of a detector: average precision at IoU 0.5, and the IoU of its boxes."""

    ap50: float
    mean_iou: float
    recall: float  # of the persons, at the threshold
    precision: float  # of the boxes above the threshold


def train(
    *,
    seconds: float,
    out: Path,
    start: Path | None = None,
    size: int = 160,
    scenes: int = 60,
    seed: int = 0,
) -> DetectorScore:
    """Train for `seconds` of CPU time, save to `out`, and evaluate on the demo's videos.

    `start` is a checkpoint of this script, of the same size, to continue from.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    data = _training_samples(scenes, size)
    model: RFDETR = (
        RFDETRNano(pretrain_weights=None, device="cpu", resolution=size, **SHAPE)
        if start is None
        else RFDETR.from_checkpoint(str(start), device="cpu")
    )
    net: Any = model.model.model
    criterion, _ = build_criterion_from_config(
        model.model_config, TrainConfig(dataset_dir=".", output_dir=str(out.parent))
    )
    encoder = net.backbone[0].encoder.encoder
    every_layer = encoder.encoder.layer
    encoder.encoder.layer = every_layer[:LAYERS]  # the others would only cost time
    if start is None:
        _init_position_embeddings(encoder.embeddings.position_embeddings, size // PATCH)
    dense_head = _DenseHead(net, SHAPE["hidden_dim"])
    named = {name: p for name, p in net.named_parameters() if not _is_unused(name)}
    used = [*named.values(), *dense_head.head.parameters()]
    optimiser = torch.optim.AdamW(used, lr=PEAK_RATE, weight_decay=1e-4)
    average = {name: p.detach().clone() for name, p in named.items()}
    begin, step, smooth = time.process_time(), 0, math.nan
    peak = PEAK_RATE if start is None else PEAK_RATE / 2
    while (share := (time.process_time() - begin) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = _rate(share, step, peak)
        net.train()
        images, targets = _batch(data, rng)
        losses = criterion(net(images, targets), targets)
        loss = sum(losses[k] * w for k, w in criterion.weight_dict.items() if k in losses)
        loss = loss + dense_head.loss(targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(used, 1.0)
        optimiser.step()
        step += 1
        keep = min(0.995, step / (step + 20))
        with torch.no_grad():
            for name, now in named.items():
                average[name].lerp_(now, 1 - keep)
        smooth = loss.item() if math.isnan(smooth) else 0.97 * smooth + 0.03 * loss.item()
        if step % 50 == 0:
            parts = ", ".join(
                f"{k} {losses[k]:.2f}" for k in ("loss_ce", "loss_bbox", "loss_giou")
            )
            log.info("%3.0f %%  step %d  loss %.3f (%s)", 100 * share, step, smooth, parts)
    encoder.encoder.layer = every_layer
    save(model, average, out)
    return evaluate_checkpoint(out)


def _init_position_embeddings(embeddings: torch.nn.Parameter, cells: int) -> None:
    """Initialise with sinusoids, so that attention can use positions from the start."""
    width = embeddings.shape[-1] // 4
    places = torch.arange(cells) * torch.pi / cells
    waves = places[:, None] * torch.linspace(0.5, cells / 2, width)
    across = torch.cat([waves.sin(), waves.cos()], 1)
    both = torch.cat([
        across[:, None].expand(-1, cells, -1), across[None].expand(cells, -1, -1),
    ], 2)  # fmt: skip
    with torch.no_grad():
        embeddings[0, 1:] = 0.5 * both.reshape(cells * cells, -1)


class _DenseHead:
    """Auxiliary dense head: supervises the backbone without matching; not saved.

    Each cell of the feature map predicts whether it is inside a person, and the person's box.
    """

    def __init__(self, net: Any, width: int) -> None:
        answer = torch.nn.Conv2d(width, 5, 1)
        torch.nn.init.constant_(cast(torch.Tensor, answer.bias), -2.0)
        self.head = torch.nn.Sequential(
            torch.nn.Conv2d(width, width, 1), torch.nn.GELU(), answer
        )
        net.backbone[0].projector.register_forward_hook(self._keep)

    def _keep(self, module: object, given: object, features: list[torch.Tensor]) -> None:
        self._features = features[0]

    def loss(self, targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        """The loss of the batch that passed the backbone last."""
        answers = self.head(self._features)
        cells = answers.shape[-1]
        middles = (torch.arange(cells) + 0.5) / cells
        y, x = (axis.reshape(-1) for axis in torch.meshgrid(middles, middles, indexing="ij"))
        total = torch.zeros(())
        people = 0
        for answer, target in zip(answers.flatten(2).transpose(1, 2), targets, strict=True):
            boxes = target["boxes"]
            person_index = _persons_of_cells(boxes, x, y, 0.5 / cells)
            is_there = person_index >= 0
            total = total + sigmoid_focal_loss(answer[:, 0], is_there.float(), reduction="sum")
            if is_there.any():
                mine = boxes[person_index[is_there]]
                said = answer[is_there, 1:]
                centre = torch.stack([x, y], 1)[is_there] + 0.5 * torch.tanh(said[:, :2])
                box = torch.cat([centre, said[:, 2:].sigmoid()], 1)
                total = total + 5 * (box - mine).abs().sum()
                overlap = generalized_box_iou_loss(_corners(box), _corners(mine))
                total = total + 2 * overlap.sum()
                people += int(is_there.sum())
        return total / max(people, 1)


def _persons_of_cells(
    boxes: torch.Tensor, x: torch.Tensor, y: torch.Tensor, reach: float
) -> torch.Tensor:
    """For each cell the index of the smallest person at its place, or -1."""
    person_index = torch.full(x.shape, -1)
    for number in boxes[:, 2:].prod(1).neg().argsort() if len(boxes) else ():
        cx, cy, wide, high = boxes[number]
        wide, high = torch.clamp(wide / 3, min=reach), torch.clamp(high / 3, min=reach)
        person_index[((x - cx).abs() <= wide) & ((y - cy).abs() <= high)] = number
    return person_index


def _corners(boxes: torch.Tensor) -> torch.Tensor:
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def save(model: RFDETR, average: dict[str, torch.Tensor], out: Path) -> None:
    """Write `model` with the averaged parameters as a small checkpoint.

    Weights are half floats; those of unused layers are expanded scalar zeros.
    """
    net: Any = model.model.model
    weights = {}
    for name, value in (net.state_dict() | average).items():
        if _is_unused(name):
            weights[name] = torch.zeros((), dtype=torch.float16).expand(value.shape)
        else:
            weights[name] = (value.half() if value.is_floating_point() else value).clone()
    content = {
        "model": weights,
        "model_name": type(model).__name__,
        "args": {"class_names": ["person"], "num_classes": 1},
        "model_config": model.model_config.model_dump(mode="json"),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, out)


def evaluate_checkpoint(path: Path) -> DetectorScore:
    """Log the scores of a checkpoint on held-out scenes; return that on the demo's videos."""
    model = RFDETR.from_checkpoint(str(path), device="cpu")
    size = model.model.resolution
    for name, scenes in (
        (
            "demo places with other people",
            [
                with_random_people(place, FIRST_HELD_OUT + n)
                for place in DEMO_VIDEOS
                for n in range(10)
            ],
        ),
        ("random scenes", [random_spec(FIRST_HELD_OUT + n) for n in range(20)]),
    ):
        seen = [
            one
            for scene in scenes
            for one in samples(scene, frames=100 // len(scenes), size=size, crops=False)
        ]
        log.info("%s: %s", name, evaluate(model, seen))
    everything = []
    for spec in DEMO_VIDEOS:
        seen = [sample(spec, n, size=size) for n in range(0, spec.frame_count, 20)]
        log.info("%s: %s", spec.name, evaluate(model, seen))
        everything += seen
    score = evaluate(model, everything)
    log.info("the demo: %s", score)
    return score


def evaluate(
    model: RFDETR, seen: Sequence[TrainingSample], *, threshold: float = 0.45
) -> DetectorScore:
    """Compare detections with ground truth; nearly occluded persons are ignored."""
    outcomes: list[tuple[float, float]] = []  # score, IoU with a person or 0
    persons = 0
    for first in range(0, len(seen), 16):
        some = seen[first : first + 16]
        found: Any = model.predict(
            [one.image for one in some], threshold=0.05, include_source_image=False
        )
        for one, boxes in zip(some, found, strict=True):
            size = one.image.shape[0]
            persons += int((one.visible >= MIN_VISIBLE).sum())
            people = boxes.class_id == 0
            outcomes += _outcomes(one, boxes.xyxy[people] / size, boxes.confidence[people])
    outcomes.sort(reverse=True)
    hits = np.array([iou >= 0.5 for _, iou in outcomes], bool)
    recalls = np.cumsum(hits) / max(persons, 1)
    precisions = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precisions[::-1])[::-1]
    above = np.array([score > threshold for score, _ in outcomes], bool)
    ious = [iou for score, iou in outcomes if iou >= 0.5 and score > threshold]
    return DetectorScore(
        round(float(np.sum(np.diff(recalls, prepend=0) * best)), 4),
        round(float(np.mean(ious)), 4) if ious else math.nan,
        round(float(hits[above].sum() / max(persons, 1)), 4),
        round(float(hits[above].mean()), 4) if above.any() else math.nan,
    )


def _outcomes(
    one: TrainingSample, boxes: NDArray[np.floating], scores: NDArray[np.floating]
) -> list[tuple[float, float]]:
    taken: set[int] = set()
    outcomes = []
    for number in np.argsort(-scores):
        ious = [
            (0.0 if n in taken else _iou(boxes[number], b), n) for n, b in enumerate(one.boxes)
        ]
        iou, person = max(ious, default=(0.0, -1))
        if iou >= 0.5:
            taken.add(person)
            if one.visible[person] < MIN_VISIBLE:
                continue
        outcomes.append((float(scores[number]), iou if iou >= 0.5 else 0.0))
    return outcomes


def _iou(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(both / (sum(areas) - both))


def _is_unused(name: str) -> bool:
    return any(f"encoder.layer.{layer}." in name for layer in range(LAYERS, 12))


def _rate(share: float, step: int, peak: float) -> float:
    cosine = 0.5 * (1 + math.cos(math.pi * share))
    return min(1.0, (step + 1) / WARM_UP) * (LAST_RATE + (peak - LAST_RATE) * cosine)


def _training_samples(scenes: int, size: int) -> list[TrainingSample]:
    """Frames of `scenes` scenes at each of the demo's places, and of random scenes."""
    data: list[TrainingSample] = []
    for video in (*DEMO_VIDEOS, *small_videos()):
        for seed in range(scenes):
            scene = with_random_people(video, seed)
            data += samples(scene, frames=FRAMES, size=size, crops=False)
        log.info("rendered %d scenes of %s", scenes, video.name)
    for seed in range(scenes):
        data += samples(random_spec(seed), frames=FRAMES, size=size, crops=True)
    log.info("%d images", len(data))
    return data


def _batch(
    data: list[TrainingSample], rng: np.random.Generator
) -> tuple[NestedTensor, list[dict[str, torch.Tensor]]]:
    images, targets = [], []
    for number in rng.integers(0, len(data), BATCH):
        image, boxes, visible = data[number]
        boxes = boxes[visible >= MIN_VISIBLE]
        if rng.random() < 0.5:
            image = image[:, ::-1]
            boxes = np.stack(
                [1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1
            )
        light = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
        light = light * rng.uniform(0.9, 1.1) + rng.uniform(-0.03, 0.03)
        images.append((light + torch.randn(light.shape) * rng.uniform(0, 0.02)).clamp(0, 1))
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        sizes = boxes[:, 2:] - boxes[:, :2]
        targets.append({
            "labels": torch.zeros(len(boxes), dtype=torch.long),
            "boxes": torch.from_numpy(np.concatenate([centres, sizes], axis=1)),
        })  # fmt: skip
    batch = (torch.stack(images) - MEAN) / STD
    mask = torch.zeros(batch.shape[0], *batch.shape[2:], dtype=torch.bool)
    return NestedTensor(batch, mask), targets


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train the demo's tiny person detector.")
    parser.add_argument("--seconds", type=float, default=900, help="CPU time (default 900)")
    parser.add_argument("--out", type=Path, default=Path("demo/tiny_person.pth"))
    parser.add_argument("--start", type=Path, help="checkpoint to continue from")
    parser.add_argument("--size", type=int, default=160, help="pixels, a multiple of 16")
    parser.add_argument("--scenes", type=int, default=60, help="number of scenes per place")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--evaluate", action="store_true", help="only evaluate the file at --out"
    )
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s", handlers=[RichHandler()])
    torch.set_num_threads(options.threads)
    if options.evaluate:
        evaluate_checkpoint(options.out)
    else:
        train(
            seconds=options.seconds,
            out=options.out,
            start=options.start,
            size=options.size,
            scenes=options.scenes,
        )


if __name__ == "__main__":
    main()
