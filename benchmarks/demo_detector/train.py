"""Training script of the demo's tiny person detector (RF-DETR), an hour or two on a CPU.

    python -m benchmarks.demo_detector.train --size 160 --seconds 3500 --out first.pth
    python -m benchmarks.demo_detector.train --scenes 400 --seconds 5000 --start first.pth

It is RF-DETR in its smallest useful size: one layer of the backbone, two of the decoder. The
checkpoint stores half floats, and nothing for unused layers. It is for the demo and the tests.
Products of matrices are of bfloat16, which recent CPUs make twice as fast.
"""

import argparse
import logging
import math
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rfdetr import RFDETRNano
from rfdetr.config import TrainConfig
from rfdetr.models import build_criterion_from_config
from rfdetr.utilities.tensors import NestedTensor
from rich.logging import RichHandler
from torch.nn.functional import interpolate
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from benchmarks.demo_detector.evaluate import DetectorScore, evaluate_checkpoint
from benchmarks.demo_detector.training_scenes import (
    MIN_VISIBLE,
    TrainingSample,
    random_spec,
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
    "dec_layers": 2,
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
POSITIONS = "backbone.0.encoder.encoder.embeddings.position_embeddings"
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def train(
    *,
    seconds: float,
    out: Path,
    start: Path | None = None,
    size: int = 224,
    scenes: int = 60,
    seed: int = 0,
) -> DetectorScore:
    """Train for `seconds` of CPU time, save to `out`, and evaluate on the demo's videos.

    `start` is a checkpoint of this script to continue from; it may be of another size, or have
    one layer of the decoder.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    data = _training_samples(scenes, size)
    model = RFDETRNano(pretrain_weights=None, device="cpu", resolution=size, **SHAPE)
    net: Any = model.model.model
    if start is not None:
        _load(net, start)
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
        with torch.autocast("cpu", torch.bfloat16):
            answers = net(images, targets)
        losses = criterion(_in_full_precision(answers), targets)
        loss = sum(losses[k] * w for k, w in criterion.weight_dict.items() if k in losses)
        loss = loss + dense_head.loss(targets)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(used, 1.0)
        optimiser.step()
        step += 1
        keep = min(0.998, step / (step + 20))
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


def _load(net: Any, start: Path) -> None:
    """Initialise from a checkpoint: positions interpolated, a missing layer copied."""
    weights: dict[str, torch.Tensor] = torch.load(start, weights_only=True)["model"]
    own = net.state_dict()
    given = weights[POSITIONS].float()
    cells, wanted = (math.isqrt(one.shape[1] - 1) for one in (given, own[POSITIONS]))
    grid = given[0, 1:].T.reshape(1, -1, cells, cells)
    grid = interpolate(grid, (wanted, wanted), mode="bicubic", align_corners=False)
    weights[POSITIONS] = torch.cat([given[:, :1], grid.flatten(2).mT], 1)
    for name in own:
        if ".decoder.layers.1." in name and name not in weights:
            weights[name] = weights[name.replace(".layers.1.", ".layers.0.")]
    net.load_state_dict(weights)


def _in_full_precision(answers: Any) -> Any:
    """`answers` of a network, nested tensors, with floats of 32 bits for the losses."""
    if isinstance(answers, torch.Tensor):
        return answers.float() if answers.is_floating_point() else answers
    if isinstance(answers, dict):
        return {name: _in_full_precision(one) for name, one in answers.items()}
    if isinstance(answers, list | tuple):
        return type(answers)(_in_full_precision(one) for one in answers)
    return answers


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
        answers = self.head(self._features.float())
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


def save(model: RFDETRNano, average: dict[str, torch.Tensor], out: Path) -> None:
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
    parser.add_argument("--size", type=int, default=224, help="pixels, a multiple of 16")
    parser.add_argument("--scenes", type=int, default=60, help="number of scenes per place")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(message)s", handlers=[RichHandler()])
    torch.set_num_threads(options.threads)
    train(
        seconds=options.seconds,
        out=options.out,
        start=options.start,
        size=options.size,
        scenes=options.scenes,
    )


if __name__ == "__main__":
    main()
