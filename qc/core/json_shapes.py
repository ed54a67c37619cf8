"""The shapes of the JSON and YAML of a release that its checks rely on.

A shape is a type; a tuple of shapes, one of which must fit; a list of one shape, that of every
element; or a dict of the shapes of keys, with "*" for all others. Keys may be absent. None
stands for null.
"""

from typing import Any

from datasets.core.untrusted import shown

NUMBER = (int, float)
MANIFEST = {
    "official_names": bool,
    "formats": [str],
    "min_instances": int,
    "origins": int,
    "frames": {"included": bool, "longest_side": (int, None), "clips": bool},
    "faces": ({"*": object}, None),
    "counts": {"*": {"actions": {"*": int}, "*": int}},
    "score_threshold": NUMBER,
    "oracle_ap": ({"*": (int, float, None)}, None),
    "videos": [
        {
            "video_id": str, "split": str, "source_video": str, "source_start_sec": NUMBER,
            "looks": ({"*": str}, None),
        }
    ],
    "keyframes": [{"video_id": str, "timestamp": int, "status": str}],
    "actions": [{"id": int, "name": str, "type": str}],
    "files": {"*": str},
}  # fmt: skip
SETTINGS = {
    "groups": [{"name": str, "choice": str, "actions": [{"id": int, "name": str}]}],
}
CARD_HEADER = {"configs": ([{"data_files": ([{"path": str}], None)}], None)}
CROISSANT = {
    "distribution": [{"contentUrl": str, "sha256": str}],
    "recordSet": [{"field": [{"source": {"extract": {"column": str}}}]}],
}


def misfit(value: Any, shape: Any, place: str = "") -> str:
    """Where `value` is not of a shape, and what is there; empty if it is.

    >>> misfit({"videos": [{"split": "val"}, {"split": 1}]}, MANIFEST)
    'videos[1].split is 1'
    >>> misfit({"min_instances": True, "more": 1}, MANIFEST)
    'min_instances is True'
    """
    if isinstance(shape, tuple):
        found = [misfit(value, one, place) for one in shape]
        return "" if "" in found else found[0]
    if isinstance(shape, dict) and isinstance(value, dict):
        inside = (
            (f"{place}.{key}" if place else str(key), its, shape.get(key, shape.get("*")))
            for key, its in value.items()
        )
        faults = (misfit(its, wanted, name) for name, its, wanted in inside if wanted)
    elif isinstance(shape, list) and isinstance(value, list):
        faults = (misfit(its, shape[0], f"{place}[{n}]") for n, its in enumerate(value))
    else:
        is_such = value is None if shape is None else _is_of(value, shape)
        return "" if is_such else f"{place or 'it'} is {shown(value)}"
    return next((fault for fault in faults if fault), "")


def _is_of(value: Any, shape: Any) -> bool:
    if not isinstance(shape, type):  # a dict or a list, which the value is not
        return False
    return isinstance(value, shape) and not (shape is int and isinstance(value, bool))
