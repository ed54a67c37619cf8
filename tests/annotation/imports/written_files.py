"""Small files of other tools about the video `aisle` of 19 s with persons 1 and 2."""

import json

WIDTH, HEIGHT = 640, 360
LABELS = {1: "standing", 2: "walking"}


def box_of(person: int, *, off: float = 3.0) -> list[float]:
    """Where `tests.make.make_run` has a person, a few pixels beside."""
    left = 100.0 * person + off
    return [left, 100.0, left + 50, 250.0]


def coco(*, video: str = "aisle.mp4", persons=(1, 2), seconds=range(2, 14)) -> bytes:
    """COCO-video of the whole video at 10 frames a second; person 9 is somewhere else."""
    images, annotations = [], []
    for second in seconds:
        images.append({"id": second, "video_id": 1, "frame_id": second * 10,
                       "file_name": f"aisle/{second * 10:06d}.jpg",
                       "width": WIDTH, "height": HEIGHT})  # fmt: skip
        for person in persons:
            x1, y1, x2, y2 = box_of(person) if person < 9 else (500, 10, 560, 90)
            annotations.append({
                "id": len(annotations) + 1, "image_id": second, "category_id": 1,
                "instance_id": person, "bbox": [x1, y1, x2 - x1, y2 - y1],
                "attributes": {"pose": "walk", "waving": second > 4},
            })  # fmt: skip
    annotations.append({"id": 9999, "image_id": images[0]["id"], "category_id": 2,
                        "instance_id": 77, "bbox": [0, 0, 20, 20]})  # fmt: skip
    return json.dumps({
        "videos": [{"id": 1, "name": video, "width": WIDTH, "height": HEIGHT, "fps": 10}],
        "images": images, "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "trolley"}],
    }).encode()  # fmt: skip


def ava(clip: str = "aisle-c0000", *, seconds=range(2, 14), actions=(2, 4)) -> bytes:
    """AVA rows of both persons in one clip without padding before it."""
    rows = []
    for second in seconds:
        for person in (1, 2):
            x1, y1, x2, y2 = box_of(person)
            box = f"{x1 / WIDTH:.4f},{y1 / HEIGHT:.4f},{x2 / WIDTH:.4f},{y2 / HEIGHT:.4f}"
            rows += [f"{clip},{900 + second:04d},{box},{one},{person}\n" for one in actions]
    return "".join(rows).encode()
