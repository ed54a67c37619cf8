"""Action models: a video backbone, and a head that looks at each person with RoIAlign.

Backbones are those of `torchvision.models.video`, also narrowed for little data, or video
transformers of `transformers`, which is imported only then.
"""

from argparse import Namespace
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import video
from torchvision.models.video import resnet
from torchvision.ops import roi_align

FULL_WIDTH = 64
CONVOLUTIONS: dict[str, list[Any]] = {
    "r3d_18": [resnet.Conv3DSimple] * 4,
    "mc3_18": [resnet.Conv3DSimple, *[resnet.Conv3DNoTemporal] * 3],
    "r2plus1d_18": [resnet.Conv2Plus1D] * 4,
    "flat": [resnet.Conv3DNoTemporal] * 4,  # all frames in the stem: the least to compute
}


class ActionModel(nn.Module):
    """A backbone and a head, for the people in clips.

    The backbone makes features `(B, channels, t, h, w)` of clips `(B, 3, T, H, W)`, the head
    works on `cells` x `cells` of them for each box, averaged over time, by RoIAlign.
    """

    def __init__(self, backbone: nn.Module, channels: int, actions: int, cells: int = 7):
        super().__init__()
        self.backbone, self.cells = backbone, cells
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * channels, actions))

    def forward(self, clips: Tensor, boxes: list[Tensor]) -> Tensor:
        """Logits, `(N, actions)`, in the order of the boxes of all clips, which are pixels."""
        features = self.backbone(clips).mean(2)
        scale = features.shape[-1] / clips.shape[-1]
        grid = roi_align(features, boxes, self.cells, scale, sampling_ratio=2, aligned=True)
        return self.head(torch.cat([grid.amax((2, 3)), grid.mean((2, 3))], 1))


def narrow(convolutions: list[Any], width: int, frames: int) -> nn.Module:
    """The beginning of a ResNet of torchvision with few channels, which ends at 1/8 of a side.

    Its stem looks at 3 frames around each, or at all `frames` at once, which leaves one.
    """
    deep, step, around = (frames, frames, 0) if frames else (3, 1, 1)
    layers: list[nn.Module] = [
        nn.Conv3d(3, width, (deep, 7, 7), (step, 2, 2), (around, 3, 3), bias=False),
        nn.BatchNorm3d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
    ]
    sizes = (width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 1)
    for kind, (inputs, outputs, stride) in zip(convolutions, sizes, strict=False):
        strides = kind.get_downsample_stride(stride)
        skip = [nn.Conv3d(inputs, outputs, 1, strides, bias=False), nn.BatchNorm3d(outputs)]
        layers.append(resnet.BasicBlock(inputs, outputs, kind, stride, nn.Sequential(*skip)))
    return nn.Sequential(*layers).to(memory_format=torch.channels_last_3d)  # faster on a CPU


class Encoder(nn.Module):
    """A video transformer of `transformers`; its tokens become features."""

    def __init__(self, source: str) -> None:
        super().__init__()
        from transformers import AutoModel

        self.model = AutoModel.from_pretrained(source)
        its = self.model.config
        self.is_jepa = its.model_type == "vjepa2"
        self.frames = its.frames_per_clip if self.is_jepa else its.num_frames
        self.size = its.crop_size if self.is_jepa else its.image_size
        self.channels = its.hidden_size
        self.grid = (self.frames // its.tubelet_size, *[self.size // its.patch_size] * 2)

    def forward(self, clips: Tensor) -> Tensor:
        if tuple(clips.shape[2:]) != (self.frames, self.size, self.size):
            fit = f"--view person --size {self.size} --frames {self.frames}"
            raise SystemExit(f"This encoder needs clips of its own size: use {fit}.")
        frames = clips.transpose(1, 2)
        inputs: dict[str, Any] = {"pixel_values": frames}
        if self.is_jepa:
            inputs = {"pixel_values_videos": frames, "skip_predictor": True}
        tokens = self.model(**inputs).last_hidden_state
        return tokens.transpose(1, 2).unflatten(2, self.grid)


def build(actions: int, options: Namespace) -> ActionModel:
    """A model by its backbone: of torchvision, or `hf:` and a V-JEPA 2 or VideoMAE model.

    Below a `width` of 64 channels in the first stage it is narrow and begins at random, as
    `flat` always does; `pretrained` are the weights of Kinetics-400, downloaded.
    """
    name, width = options.backbone, options.width
    if name.startswith("hf:"):
        encoder = Encoder(name.removeprefix("hf:"))
        return ActionModel(encoder, encoder.channels, actions)
    if name not in CONVOLUTIONS:
        raise SystemExit(f"No backbone {name}: {', '.join(CONVOLUTIONS)}, or hf:FOLDER.")
    if width < FULL_WIDTH or name == "flat":
        trunk = narrow(CONVOLUTIONS[name], width, options.frames if name == "flat" else 0)
        return ActionModel(trunk, width * 4, actions, 4)
    whole = getattr(video, name)(weights="KINETICS400_V1" if options.pretrained else None)
    return ActionModel(nn.Sequential(*list(whole.children())[:5]), 512, actions)
