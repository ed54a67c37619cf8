"""A release of AVA Studio as a torch dataset: clips around keyframes, boxes and actions.

Boxes are `(x1, y1, x2, y2)`; those of keyframes are fractions of the frame, as in AVA's files.
"""

import csv
import json
from argparse import Namespace
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad
from torch.utils.data import Dataset
from torchvision.ops import roi_align
from torchvision.transforms.functional import pil_to_tensor

FPS, FIRST_TIMESTAMP = 30, 900
MARGIN = 1.4  # side of a person's square over the longer side of its box
MEAN = torch.tensor([0.43216, 0.394666, 0.37645]).view(3, 1, 1, 1)  # of Kinetics-400,
STD = torch.tensor([0.22803, 0.22145, 0.216989]).view(3, 1, 1, 1)  # as torchvision's weights


class Keyframe(NamedTuple):
    """The N people at one keyframe."""

    key: tuple[str, int]  # video id, timestamp
    boxes: Tensor  # (N, 4)
    labels: Tensor  # (N, K), 1 where the person does the action
    scores: Tensor  # (N,), of the tracker; 1 for annotated boxes


class Release:
    """The files of a release folder with frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.actions = {one["id"]: one["name"] for one in self.manifest["actions"]}
        self.lengths = {one["video_id"]: one["n_frames"] for one in self.manifest["videos"]}
        if not (folder / "rawframes").is_dir():
            raise SystemExit(f"{folder} has no frames: docs/train.md says how to extract them.")

    def keyframes(self, name: str, threshold: float = 0.0) -> list[Keyframe]:
        """The people of `annotations/ava_<name>.csv`; of proposals those above `threshold`."""
        is_proposed = name.endswith("predicted_boxes")
        columns = {action: column for column, action in enumerate(self.actions)}
        people: dict = defaultdict(dict)
        with (self.folder / f"annotations/ava_{name}.csv").open(newline="") as file:
            for video, at, *row in csv.reader(file):
                there = people[video, int(at)]
                if row and (score := float(row[5]) if is_proposed else 1.0) >= threshold:
                    _, actions = there.setdefault(tuple(map(float, row[:4])), (score, []))
                    actions += [columns[int(row[4])]] if row[4] else []
        found = []
        for key, there in people.items():
            labels = torch.zeros(len(there), len(columns))
            for person, (_, actions) in enumerate(there.values()):
                labels[person, actions] = 1
            scores = torch.tensor([score for score, _ in there.values()])
            found.append(Keyframe(key, torch.tensor([*there]).view(-1, 4), labels, scores))
        return found

    def clip(self, key: tuple[str, int], frames: int, step: int) -> Tensor:
        """`frames` frames, `step` apart, around a keyframe: `(T, 3, height, width)`, 0 to 1."""
        video, at = key
        middle = FPS * (at - FIRST_TIMESTAMP) + 1  # frames are numbered from 1
        wanted = (middle + step * (n - frames // 2) for n in range(frames))
        names = (f"img_{min(max(number, 1), self.lengths[video]):05d}.jpg" for number in wanted)
        images = (Image.open(self.folder / "rawframes" / video / name) for name in names)
        return torch.stack([pil_to_tensor(image.convert("RGB")) for image in images]) / 255


class KeyframeClips(Dataset[tuple[Keyframe, Tensor, list[Tensor]]]):
    """Keyframes, their clips of bytes `(V, T, 3, height, width)`, boxes `(n, 4)` in each.

    The view `frame` is the whole frame, as is usual for AVA; `person` a square around each
    person: less to compute, and to learn from little data.
    """

    def __init__(self, release: Release, keyframes: list[Keyframe], view: Namespace) -> None:
        self.release, self.view = release, view
        self.keyframes = [one for one in keyframes if len(one.boxes)]

    def __len__(self) -> int:
        return len(self.keyframes)

    def __getitem__(self, place: int) -> tuple[Keyframe, Tensor, list[Tensor]]:
        keyframe = self.keyframes[place]
        clip = self.release.clip(keyframe.key, self.view.frames, self.view.step)
        high, wide = clip.shape[-2:]
        boxes = keyframe.boxes * torch.tensor([wide, high, wide, high])
        areas, people = torch.tensor([[0.0, 0.0, wide, high]]), [boxes]
        if self.view.view == "person":
            side = MARGIN * (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True).clamp(min=1)
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            areas, people = torch.cat([middle - side / 2, middle + side / 2], 1), boxes.split(1)
            high = wide = 1
        scales = self.view.size / (areas[:, 2:] - areas[:, :2]).amin(1)
        size = [round(self.view.size * side / min(high, wide)) for side in (high, wide)]
        frames = torch.arange(len(clip)).repeat(len(areas)).view(-1, 1)
        places = torch.cat([frames, areas.repeat_interleave(len(clip), 0)], 1)
        cut = (roi_align(clip, places, size, aligned=True) * 255).round().clamp(0, 255).byte()
        moves = zip(people, areas[:, [0, 1, 0, 1]], scales, strict=True)
        inside = [(box - corner) * scale for box, corner, scale in moves]
        return keyframe, cut.unflatten(0, (len(areas), -1)), inside


def shown(clips: Tensor, boxes: list[Tensor], augment: bool) -> tuple[Tensor, list[Tensor]]:
    """What a model sees of clips of bytes: `(V, 3, T, height, width)`, normalised, and boxes.

    With `augment` each clip is moved, zoomed, flipped and tinted by chance.
    """

    def chance(*shape: int) -> Tensor:  # -0.5 to 0.5
        return (torch.rand(len(clips), *shape, device=clips.device) - 0.5) * augment

    count, frames, _, high, wide = clips.shape
    zoom, shift = (1 + 0.3 * chance(1)).repeat(1, 2), 0.3 * chance(2)
    zoom[:, 0] *= 1 - 2 * (chance() < 0).float()
    turn = torch.cat([torch.diag_embed(zoom), shift[..., None]], 2)
    grid = affine_grid(turn, [count, 1, high, wide], align_corners=False)
    pixels = grid_sample(clips.flatten(1, 2) / 255, grid, "bilinear", "border", False)
    pixels = pixels.unflatten(1, (frames, 3)).transpose(1, 2) * (1 + 0.6 * chance(3, 1, 1, 1))
    half, moved = torch.tensor([wide, high]) / 2, []
    for its, by, away in zip(boxes, zoom.cpu(), shift.cpu(), strict=True):
        corners = ((its.view(-1, 2, 2) / half - 1 - away) / by + 1) * half
        moved.append(torch.cat([corners.amin(1), corners.amax(1)], 1))
    return (pixels - MEAN.to(pixels)) / STD.to(pixels), moved


def collate(samples: list) -> tuple[list[Keyframe], Tensor, list[Tensor]]:
    """The keyframes of a batch, all clips, padded at the right and below, and their boxes."""
    keyframes, clips, boxes = zip(*samples, strict=True)
    high, wide = (max(one.shape[side] for one in clips) for side in (-2, -1))
    padded = [pad(one, (0, wide - one.shape[-1], 0, high - one.shape[-2])) for one in clips]
    return list(keyframes), torch.cat(padded), [box for its in boxes for box in its]
