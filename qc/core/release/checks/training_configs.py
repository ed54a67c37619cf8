"""Checks of the training configurations: they name existing files and fit the data.

The configurations of MMAction2 are Python; they are parsed, never run. Checked is what would
be wrong without an error: classes, threshold, timestamps and files.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datasets.core.untrusted import shown
from qc.core.release.checks.config_keys import MMACTION2_KEYS, SLOWFAST_KEYS
from qc.core.release.checks.expectations import expect
from qc.core.release.reader import ReleaseReader, ReleaseReadError

SLOWFAST = "configs/slowfast_ava.yaml"
MMACTION2 = ("configs/mmaction2_ava.py", "configs/mmaction2_slowfast_r50.py")
Settings = Mapping[str, Any]


def check_configurations(release: ReleaseReader) -> str:
    top = max((action.action_id for action in release.actions()), default=0)

    def faults() -> Iterator[str]:
        yield from unknown_keys(release.yaml(SLOWFAST), SLOWFAST_KEYS, SLOWFAST)
        for fault in _slowfast_faults(release, top):
            yield f"{SLOWFAST} {fault}"
        for name in MMACTION2:
            settings = _mmaction2(release, name)
            if base := settings.get("_base_"):
                yield f"{name} has the _base_ {base}, which no release has: it must load alone"
            yield from unknown_keys(settings, MMACTION2_KEYS, name)
            for fault in _mmaction2_faults(release, settings, top, name):
                yield f"{name} {fault}"

    return expect(faults(), f"The configurations have {top} actions and name existing files.")


def unknown_keys(settings: Settings, known: Mapping[str, str], name: str) -> Iterator[str]:
    """Keys that a configuration does not have, or whose value is of another kind.

    Args:
        known: Dotted key -> kind of its value; `[]` stands for the elements of a list.
    """
    for key, value in _flat(settings):
        if key == "_base_":
            continue
        if key not in known:
            yield f"{name} has the key {key}, which its program does not know"
        elif kind_of(value) not in known[key].split():
            yield f"{name} has {key}: {value!r:.60}, which is not of the kind {known[key]}"


def _flat(value: Any, start: str = "") -> Iterator[tuple[str, Any]]:
    """All values that are no mappings by their dotted keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{start}.{key}" if start else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        for one in value:
            yield from _flat(one, f"{start}[]")
    else:
        yield start, value


def kind_of(value: Any) -> str:
    """The kind of a value: truth, number, text, list or none.

    >>> [kind_of(value) for value in (True, 1.5, "a", [1], None)]
    ['truth', 'number', 'text', 'list', 'none']
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "truth"
    kinds = {int: "number", float: "number", str: "text", list: "list", tuple: "list"}
    return kinds.get(type(value), "another")


def slowfast_threshold(release: ReleaseReader) -> float:
    """The score below which SlowFast drops boxes."""
    found = _part(release.yaml(SLOWFAST), SLOWFAST, "AVA", "DETECTION_SCORE_THRESH")
    if kind_of(found) != "number":
        raise ReleaseReadError(
            f"{SLOWFAST} has DETECTION_SCORE_THRESH: {shown(found)}, which is not a number."
        )
    return float(found)


def _slowfast_faults(release: ReleaseReader, top: int) -> Iterator[str]:
    settings = release.yaml(SLOWFAST)
    its = _mapping(settings, SLOWFAST, "AVA")
    if (found := _part(settings, SLOWFAST, "MODEL", "NUM_CLASSES")) != top:
        yield f"has NUM_CLASSES: {found}, not {top}"
    if its.get("FULL_TEST_ON_VAL") is not True:
        yield "does not have FULL_TEST_ON_VAL: True: only every fourth second would be measured"
    if its.get("DETECTION_SCORE_THRESH") != release.manifest().get("score_threshold"):
        yield "has another DETECTION_SCORE_THRESH than the manifest"
    measured = _measured_by_slowfast(release)
    boxes = "ava_val_predicted_boxes.csv" if measured == "val" else "ava_train.csv"
    wanted = {
        "FRAME_DIR": "rawframes",
        "FRAME_LIST_DIR": "frame_lists",
        "ANNOTATION_DIR": "annotations",
        "TRAIN_LISTS": ["train.csv"],
        "TEST_LISTS": [f"{measured}.csv"],
        "TRAIN_GT_BOX_LISTS": ["ava_train.csv"],
        "TEST_PREDICT_BOX_LISTS": [boxes],
        "LABEL_MAP_FILE": "ava_action_list_for_activitynet.pbtxt",
        "EXCLUSION_FILE": f"ava_{measured}_excluded_timestamps.csv",
        "GROUNDTRUTH_FILE": f"ava_{measured}.csv",
    }
    for key, value in wanted.items():
        if its.get(key) != value:
            yield f"has {key}: {its.get(key)}, not {value}"


def _measured_by_slowfast(release: ReleaseReader) -> str:
    """Val, unless it has no labels or no boxes: then SlowFast would stop."""
    threshold = slowfast_threshold(release)
    has_boxes = any(row.score >= threshold for row in release.predicted("val"))
    return "val" if has_boxes and release.labels("val") else "train"


def _mmaction2(release: ReleaseReader, name: str) -> Settings:
    """The values of a configuration of MMAction2, of the few forms that ours are made of."""
    try:
        tree = ast.parse(release.text(name))
        values: dict[str, Any] = {}
        for line in tree.body:
            if not isinstance(line, ast.Assign) or not isinstance(line.targets[0], ast.Name):
                raise ValueError(f"line {line.lineno} is not `name = value`")
            values[line.targets[0].id] = _value(line.value, values)
    except (SyntaxError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReleaseReadError(f"{name} cannot be understood: {error}.") from error
    return values


def _value(node: ast.expr, values: Settings) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, values) + _value(right, values)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return [_value(element, values) for element in elements]
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=words):
            return {str(word.arg): _value(word.value, values) for word in words}
    raise ValueError(f"line {node.lineno} is not a value")


def _mmaction2_faults(
    release: ReleaseReader, settings: Settings, top: int, config: str
) -> Iterator[str]:
    head = _mapping(settings, config, "model", "roi_head", "bbox_head")
    wanted = {
        "root": (settings.get("root"), "{{ fileDirname }}/.."),  # so that the folder can move
        "score_threshold": (
            settings.get("score_threshold"), release.manifest().get("score_threshold"),
        ),
        "multilabel": (head.get("multilabel"), True),
        "background_class": (head.get("background_class"), True),
    }  # fmt: skip
    for name, (found, its) in wanted.items():
        if found != its:
            yield f"has {name} {found!r}, not {its!r}"
    topk = head.get("topk")
    if not topk or kind_of(topk) != "list" or not all(k in range(1, top + 1) for k in topk):
        yield f"has topk={head.get('topk')}, which {top + 1} classes do not allow"
    splits = {"train": "train"}
    if release.labels("val"):
        splits |= {"val": "val", "test": "test" if "test" in release.splits else "val"}
    elif settings.get("val_dataloader") or settings.get("test_dataloader"):
        yield "evaluates on val, which has no labels: MMAction2 would stop"
    yield from _class_faults(settings, splits, top, config)
    for name, split in splits.items():
        yield from _file_faults(settings, name, split, config)


def _class_faults(
    settings: Settings, splits: Iterable[str], top: int, config: str
) -> Iterator[str]:
    places = ["model.roi_head.bbox_head"]
    places += [f"{name}_dataloader.dataset" for name in splits]
    places += [f"{name}_evaluator" for name in splits if name != "train"]
    for place in places:
        found = _mapping(settings, config, *place.split(".")).get("num_classes")
        if found != top + 1:
            yield f"has num_classes={found} in {place}, not {top + 1}"


def _file_faults(settings: Settings, name: str, split: str, config: str) -> Iterator[str]:
    """What is wrong with the files and the clock that MMAction2 gets for train, val or test."""
    folder = f"{settings.get('root')}/annotations"
    truth = {
        "ann_file": f"{folder}/ava_{split}.csv",
        "exclude_file": f"{folder}/ava_{split}_excluded_timestamps.csv",
    }
    wanted = truth | {
        "label_file": f"{folder}/ava_action_list.pbtxt",
        "proposal_file": f"{folder}/dense_proposals_{split}.pkl",
        "data_prefix": {"img": f"{settings.get('root')}/rawframes"},
        "filename_tmpl": "img_{:05}.jpg",
        "timestamp_start": 900,
        "person_det_score_thr": settings.get("score_threshold"),
    }
    places: list[tuple[str, Settings]] = [("dataloader.dataset", wanted)]
    if name != "train":
        label_file = f"{folder}/ava_action_list_for_activitynet.pbtxt"
        places.append(("evaluator", truth | {"label_file": label_file}))
    for place, values in places:
        found = _mapping(settings, config, *f"{name}_{place}".split("."))
        for key, value in values.items():
            if found.get(key) != value:
                yield f"has {key}={found.get(key)!r} in {name}_{place}, not {value!r}"


def _part(settings: Settings, name: str, *keys: str) -> Any:
    """What stands under `keys`. Raises ReleaseReadError if it is not there."""
    found: Any = settings
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise ReleaseReadError(f"{name} has no {'.'.join(keys)}.")
        found = found[key]
    return found


def _mapping(settings: Settings, name: str, *keys: str) -> Settings:
    """The same, which must be a mapping."""
    found = _part(settings, name, *keys)
    if not isinstance(found, dict):
        raise ReleaseReadError(
            f"{name} has {'.'.join(keys)}: {shown(found)}, which is no mapping."
        )
    return found
