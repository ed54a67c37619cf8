"""Training configurations that go with a release, so that it trains as it is.

What stock settings get wrong without a word on data that is not AVA: the number of classes, the
score below which proposals are dropped, and `topk`, which must be smaller than the number of
classes. The consumers are MMAction2 1.x and SlowFast.
"""

from dataclasses import dataclass
from pathlib import Path
from string import Template

from qc.core.release.writer import EvaluationSettings

_BASE = (
    "mmaction::detection/slowfast/"
    "slowfast_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb.py"
)


@dataclass(frozen=True)
class ConfigValues:
    """What the configurations need to know of a release."""

    title: str  # one line, such as "shop release 2"
    max_action_id: int
    evaluation: EvaluationSettings
    has_test: bool = False

    @property
    def num_classes(self) -> int:
        """Of MMAction2, whose column 0 is the background."""
        return self.max_action_id + 1

    @property
    def topk(self) -> tuple[int, ...]:
        """The accuracies that MMAction2 reports; each must be below the number of classes."""
        return (3, 5) if self.num_classes > 5 else (1,)


def write_configs(folder: Path, values: ConfigValues) -> None:
    """Write the three configurations into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("mmaction2_ava.py", mmaction2_data(values)),
        ("mmaction2_slowfast_r50.py", mmaction2_slowfast(values)),
        ("slowfast_ava.yaml", slowfast(values)),
    ):
        (folder / name).write_text(text, encoding="ascii", newline="\n")


def mmaction2_data(values: ConfigValues) -> str:
    """What any MMAction2 configuration for AVA must override for this release."""
    return _MMACTION2_HEAD.substitute(title=values.title, base=_BASE) + _mmaction2_body(values)


def mmaction2_slowfast(values: ConfigValues) -> str:
    """A complete MMAction2 configuration: SlowFast R50, pretrained on Kinetics-400."""
    head = _MMACTION2_FULL_HEAD.substitute(title=values.title, base=_BASE)
    return head + _mmaction2_body(values) + _MMACTION2_FULL_TAIL


def slowfast(values: ConfigValues) -> str:
    """A SlowFast configuration: SlowFast R50 8x8 on 32 frames, every second one."""
    its = values.evaluation
    measured = "val" if its.has_labels and its.has_boxes else "train"
    return _SLOWFAST.substitute(
        title=values.title,
        num_classes=values.max_action_id,
        threshold=f"{its.threshold:.4f}",
        measured=measured,
        measured_boxes=f"ava_{measured}{'_predicted_boxes' * (measured == 'val')}.csv",
        why=_MEASURED_ON[measured],
    )


def _mmaction2_body(values: ConfigValues) -> str:
    body = _MMACTION2_BODY.substitute(
        num_classes=values.num_classes,
        topk=values.topk,
        threshold=f"{values.evaluation.threshold:.4f}",
    )
    if not values.evaluation.has_labels:
        return body + _MMACTION2_NOT_MEASURED
    return body + _MMACTION2_MEASURED.substitute(test="test" if values.has_test else "val")


_MMACTION2_HEAD = Template("""\
# $title: what a configuration of MMAction2 1.x for AVA must say for this release.
# Put a base in the first line, for example
# _base_ = ['$base']
# mmaction2_slowfast_r50.py is this file with that base.

""")

_MMACTION2_FULL_HEAD = Template("""\
# $title: SlowFast R50 4x16 with MMAction2 1.x, from Kinetics-400 weights.
# python tools/train.py configs/mmaction2_slowfast_r50.py

_base_ = ['$base']

""")

_MMACTION2_BODY = Template("""\
root = '{{ fileDirname }}/..'  # the release folder, wherever it lies
annotations = root + '/annotations'
num_classes = $num_classes  # highest action id + 1: column 0 is the background
score_threshold = $threshold  # best F1 of the proposals against the corrected boxes

model = dict(
    roi_head=dict(
        bbox_head=dict(
            background_class=True,
            multilabel=True,
            num_classes=num_classes,
            topk=$topk)))

train_dataloader = dict(
    dataset=dict(
        ann_file=annotations + '/ava_train.csv',
        exclude_file=annotations + '/ava_train_excluded_timestamps.csv',
        label_file=annotations + '/ava_action_list.pbtxt',
        proposal_file=annotations + '/dense_proposals_train.pkl',
        data_prefix=dict(img=root + '/rawframes'),
        filename_tmpl='img_{:05}.jpg',
        person_det_score_thr=score_threshold,
        num_classes=num_classes,
        timestamp_start=900))
""")

_MMACTION2_NOT_MEASURED = """
# Nobody does anything in val: a model can be trained, but not measured.
val_dataloader = None
val_cfg = None
val_evaluator = None
test_dataloader = None
test_cfg = None
test_evaluator = None
"""

_MMACTION2_MEASURED = Template("""
val_dataloader = dict(
    dataset=dict(
        ann_file=annotations + '/ava_val.csv',
        exclude_file=annotations + '/ava_val_excluded_timestamps.csv',
        label_file=annotations + '/ava_action_list.pbtxt',
        proposal_file=annotations + '/dense_proposals_val.pkl',
        data_prefix=dict(img=root + '/rawframes'),
        filename_tmpl='img_{:05}.jpg',
        person_det_score_thr=score_threshold,
        num_classes=num_classes,
        timestamp_start=900,
        test_mode=True))

test_dataloader = dict(
    dataset=dict(
        ann_file=annotations + '/ava_$test.csv',
        exclude_file=annotations + '/ava_${test}_excluded_timestamps.csv',
        label_file=annotations + '/ava_action_list.pbtxt',
        proposal_file=annotations + '/dense_proposals_$test.pkl',
        data_prefix=dict(img=root + '/rawframes'),
        filename_tmpl='img_{:05}.jpg',
        person_det_score_thr=score_threshold,
        num_classes=num_classes,
        timestamp_start=900,
        test_mode=True))

val_evaluator = dict(
    type='AVAMetric',
    ann_file=annotations + '/ava_val.csv',
    exclude_file=annotations + '/ava_val_excluded_timestamps.csv',
    label_file=annotations + '/ava_action_list_for_activitynet.pbtxt',
    num_classes=num_classes)

test_evaluator = dict(
    type='AVAMetric',
    ann_file=annotations + '/ava_$test.csv',
    exclude_file=annotations + '/ava_${test}_excluded_timestamps.csv',
    label_file=annotations + '/ava_action_list_for_activitynet.pbtxt',
    num_classes=num_classes)
""")

_MMACTION2_FULL_TAIL = """
# The base's learning rate is for 8 GPUs with 16 samples each; this scales it to what you have.
auto_scale_lr = dict(enable=True, base_batch_size=128)
"""

_MEASURED_ON = {
    "val": "The tracker's own boxes, before anybody corrected them.",
    "train": "Val has nothing to measure on, and SlowFast must measure: this is train itself.",
}

_SLOWFAST = Template("""\
# $title: SlowFast R50, 32 frames, every second one.
# Run it in the release folder, or give absolute paths:
# run_net.py --cfg configs/slowfast_ava.yaml AVA.FRAME_DIR /data/release/rawframes ...
# One GPU of 16 GB; BASE_LR is 0.1 for a batch of 64: scale both together.
TRAIN:
  ENABLE: True
  DATASET: ava
  BATCH_SIZE: 8
  EVAL_PERIOD: 5
  CHECKPOINT_PERIOD: 1
  AUTO_RESUME: True
DATA:
  NUM_FRAMES: 32
  SAMPLING_RATE: 2
  TRAIN_JITTER_SCALES: [256, 320]
  TRAIN_CROP_SIZE: 224
  TEST_CROP_SIZE: 224
  INPUT_CHANNEL_NUM: [3, 3]
DETECTION:
  ENABLE: True
  ALIGNED: True
AVA:
  FRAME_DIR: rawframes
  FRAME_LIST_DIR: frame_lists
  ANNOTATION_DIR: annotations
  TRAIN_LISTS: ["train.csv"]
  TEST_LISTS: ["$measured.csv"]
  TRAIN_GT_BOX_LISTS: ["ava_train.csv"]
  # Boxes of the tracker have no actions: as training boxes they would teach "does nothing".
  TRAIN_PREDICT_BOX_LISTS: []
  # $why
  TEST_PREDICT_BOX_LISTS: ["$measured_boxes"]
  LABEL_MAP_FILE: ava_action_list_for_activitynet.pbtxt
  EXCLUSION_FILE: ava_${measured}_excluded_timestamps.csv
  GROUNDTRUTH_FILE: ava_${measured}.csv
  # Best F1 of the proposals against the corrected boxes; the frame lists fit this value.
  DETECTION_SCORE_THRESH: $threshold
  FULL_TEST_ON_VAL: True
SLOWFAST:
  ALPHA: 4
  BETA_INV: 8
  FUSION_CONV_CHANNEL_RATIO: 2
  FUSION_KERNEL_SZ: 7
RESNET:
  ZERO_INIT_FINAL_BN: True
  WIDTH_PER_GROUP: 64
  NUM_GROUPS: 1
  DEPTH: 50
  TRANS_FUNC: bottleneck_transform
  STRIDE_1X1: False
  NUM_BLOCK_TEMP_KERNEL: [[3, 3], [4, 4], [6, 6], [3, 3]]
  SPATIAL_DILATIONS: [[1, 1], [1, 1], [1, 1], [2, 2]]
  SPATIAL_STRIDES: [[1, 1], [2, 2], [2, 2], [1, 1]]
NONLOCAL:
  LOCATION: [[[], []], [[], []], [[], []], [[], []]]
  GROUP: [[1, 1], [1, 1], [1, 1], [1, 1]]
  INSTANTIATION: dot_product
  POOL: [[[1, 2, 2], [1, 2, 2]], [[1, 2, 2], [1, 2, 2]],
         [[1, 2, 2], [1, 2, 2]], [[1, 2, 2], [1, 2, 2]]]
BN:
  USE_PRECISE_STATS: False
  NUM_BATCHES_PRECISE: 200
SOLVER:
  BASE_LR: 0.0125
  LR_POLICY: steps_with_relative_lrs
  STEPS: [0, 10, 15, 20]
  LRS: [1, 0.1, 0.01, 0.001]
  MAX_EPOCH: 20
  MOMENTUM: 0.9
  WEIGHT_DECAY: 1.0e-7
  WARMUP_EPOCHS: 5.0
  WARMUP_START_LR: 0.0000156
  OPTIMIZING_METHOD: sgd
MODEL:
  NUM_CLASSES: $num_classes
  ARCH: slowfast
  MODEL_NAME: SlowFast
  LOSS_FUNC: bce
  DROPOUT_RATE: 0.5
  HEAD_ACT: sigmoid
TEST:
  ENABLE: True
  DATASET: ava
  BATCH_SIZE: 8
DATA_LOADER:
  NUM_WORKERS: 2
  PIN_MEMORY: True
NUM_GPUS: 1
NUM_SHARDS: 1
RNG_SEED: 0
OUTPUT_DIR: .
""")
