"""Edits of a job on a real CVAT server, as CVAT's own client makes them."""

import copy


def answer(client, row, at: int, frame: int, **values: str) -> None:
    """Answer as CVAT's own client does: only in the shape at that frame, maybe a new one."""
    data = client.annotations(row.job_id)
    found = data["tracks"][at]
    labels = {one.label: one.attributes for one in row.project.label_ids.all}
    ids = labels[found["label_id"]]
    shapes = {shape["frame"]: shape for shape in found["shapes"]}
    if frame not in shapes:
        before = max(number for number in shapes if number < frame)
        shapes[frame] = copy.deepcopy(shapes[before]) | {"frame": frame}
        shapes[frame].pop("id", None)
    said = {ids[name.replace("_", " ")]: value for name, value in values.items()}
    shapes[frame]["attributes"] = [
        {**one, "value": said.get(one["spec_id"], one["value"])}
        for one in shapes[frame]["attributes"]
    ]
    found["shapes"] = [shapes[number] for number in sorted(shapes)]
    found["source"] = "semi-auto"
    change(client, row, "update", tracks=[found])


def change(client, row, action: str, **objects) -> None:
    body = {"version": 0, "tags": [], "shapes": [], "tracks": [], **objects}
    path = f"/api/jobs/{row.job_id}/annotations"
    client._transport.call("PATCH", path, query={"action": action}, body=body)
