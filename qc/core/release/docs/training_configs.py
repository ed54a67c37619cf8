"""Training configurations of a release for MMAction2 1.x and SlowFast, so that it trains as is.

Stock settings are wrong for data that is not AVA, without an error: the number of classes, the
score below which proposals are dropped, and `topk`, which must be smaller than the number of
classes. The text of the configurations is in the `.txt` files beside this module.
"""

from dataclasses import dataclass
from pathlib import Path
from string import Template

from qc.core.release.writer import EvaluationSettings

_BASE = (
    "mmaction::detection/slowonly/"
    "slowonly_kinetics400-pretrained-r50_8xb16-4x16x1-20e_ava21-rgb.py"
)
_MEASURED_ON = {
    "val": "The tracker's boxes before correction.",
    "train": "Val has no labels or boxes, and SlowFast needs a test set: this is train.",
}


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
    """Write the three configurations into `folder`, which is created if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("mmaction2_ava.py", mmaction2_data(values)),
        ("mmaction2_slowfast_r50.py", mmaction2_slowfast(values)),
        ("slowfast_ava.yaml", slowfast(values)),
    ):
        (folder / name).write_text(text, encoding="ascii", newline="\n")


def mmaction2_data(values: ConfigValues) -> str:
    """The data of a configuration of MMAction2 for this release, which builds its datasets."""
    return (
        f"# {values.title}: data and evaluation for MMAction2 1.x. It loads by itself and\n"
        "# builds the datasets; for a model put a base in the first line, for example\n"
        f"# _base_ = ['{_BASE}']\n# mmaction2_slowfast_r50.py is this file with a model.\n\n"
    ) + _mmaction2(values)


def mmaction2_slowfast(values: ConfigValues) -> str:
    """A complete MMAction2 configuration, without a base: SlowFast R50 from Kinetics-400."""
    its = values.evaluation
    data, _, rest = _mmaction2(values).partition("model = dict(")
    rest = rest[rest.index("\n\n") + 2 :]
    model = _filled(
        "mmaction2_model",
        topk=values.topk,
        val_cfg="dict(type='ValLoop')" if its.has_labels else None,
        test_cfg="dict(type='TestLoop')" if its.has_labels else None,
        save_best="'auto'" if its.has_labels else None,
    )
    return (
        f"# {values.title}: SlowFast R50 4x16 with MMAction2 1.x, from Kinetics-400 weights.\n"
        f"# python tools/train.py configs/mmaction2_slowfast_r50.py\n\n{data}{rest}\n{model}"
    )


def slowfast(values: ConfigValues) -> str:
    """A SlowFast configuration: SlowFast R50 8x8 on 32 frames, every second one."""
    its = values.evaluation
    measured = "val" if its.has_labels and its.has_boxes else "train"
    return _filled(
        "slowfast",
        title=values.title,
        num_classes=values.max_action_id,
        threshold=f"{its.threshold:.4f}",
        measured=measured,
        measured_boxes=f"ava_{measured}{'_predicted_boxes' * (measured == 'val')}.csv",
        why=_MEASURED_ON[measured],
    )


def _mmaction2(values: ConfigValues) -> str:
    evaluation = values.evaluation
    return _filled(
        "mmaction2",
        num_classes=values.num_classes,
        topk=values.topk,
        threshold=f"{evaluation.threshold:.4f}",
    ) + _filled(
        "mmaction2_measured" if evaluation.has_labels else "mmaction2_unmeasured",
        test="test" if values.has_test else "val",
    )


def _filled(name: str, **values: object) -> str:
    text = Path(__file__).with_name(f"{name}.txt").read_text(encoding="ascii")
    return Template(text).substitute(values)
