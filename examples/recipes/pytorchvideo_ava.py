"""Trains pytorchvideo's detection model on a release: sampling, boxes and loss in one page."""

import itertools
import sys

import torch
from pytorchvideo.data import Ava, make_clip_sampler
from pytorchvideo.models.resnet import create_resnet_with_roi_head
from pytorchvideo.transforms import Normalize, ShortSideScale, UniformTemporalSubsample
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.transforms import Compose

FRAMES = 8  # of a clip
release, *numbers = sys.argv[1:]
steps, size, actions = map(int, numbers or (100_000, 256, 80))  # the highest action id
train = Ava(
    f"{release}/frame_lists/train.csv",
    f"{release}/annotations/ava_train.csv",
    f"{release}/rawframes",
    f"{release}/annotations/ava_action_list.pbtxt",
    clip_sampler=make_clip_sampler("random", 64 / 30),
)
val = Ava(
    f"{release}/frame_lists/val_all.csv",  # every clip with boxes
    f"{release}/annotations/ava_val_predicted_boxes.csv",
    f"{release}/rawframes",
    clip_sampler=make_clip_sampler("random", 64 / 30),
)
view = Compose([
    UniformTemporalSubsample(FRAMES), lambda clip: clip / 255,
    Normalize([0.45] * 3, [0.225] * 3), ShortSideScale(size),
])  # fmt: skip
model = create_resnet_with_roi_head(
    model_num_class=actions, head_activation=None, head_pool_kernel_size=(FRAMES, 1, 1)
)
optimiser = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
for step, sample in enumerate(itertools.islice(train, steps)):
    clip, boxes = view(sample["video"]), torch.tensor(sample["boxes"]).float()
    high, wide = clip.shape[-2:]
    rois = torch.cat([torch.zeros(len(boxes), 1), boxes * torch.tensor([wide, high] * 2)], 1)
    labels = torch.zeros(len(boxes), actions)
    for person, its in enumerate(sample["labels"]):
        labels[person, [action - 1 for action in its]] = 1
    logits = model(clip[None], rois).reshape(len(boxes), actions)
    loss = binary_cross_entropy_with_logits(logits, labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    print(f"step {step}: loss {loss.item():.4f}, {len(boxes)} people", flush=True)
print(f"val: {len(next(iter(val))['boxes'])} boxes at the first keyframe")
