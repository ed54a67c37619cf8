"""MOTChallenge: `<split>/<video_id>/gt/gt.txt` and `seqinfo.ini`, people with identities.

A row is `frame,id,left,top,width,height,1,class,1`: frames from 1, pixels of the frames, only
keyframes. The class is 1, a person; where others are followed, the line of `gt/labels.txt`. As
MOTChallenge's own files, left and top count from 1: the corner of the first pixel is 1, 1. MOT
has no place for actions.
"""

from qc.core.release.formats.content import FormatContext, by_person, frame_of, pixels
from qc.core.release.records import ReleaseClip


class MotWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context

    def add(self, clip: ReleaseClip) -> None:
        folder = self._context.folder / clip.split / clip.name
        (folder / "gt").mkdir(parents=True)
        width, height = self._context.frame_size(clip)
        rows = []
        for person_id, persons in by_person(clip).items():
            for person in persons:
                x1, y1, x2, y2 = pixels(person.box, width=width, height=height)
                rows.append(
                    f"{frame_of(person.timestamp) + 1},{person_id},{x1 + 1:.2f},{y1 + 1:.2f},"
                    f"{x2 - x1:.2f},{y2 - y1:.2f},1,"
                    f"{self._context.number_of(person.label)},1\n"
                )
        (folder / "gt" / "gt.txt").write_text("".join(rows), encoding="ascii")
        if not self._context.is_of_persons:
            names = "".join(f"{name}\n" for name in self._context.labels)
            (folder / "gt" / "labels.txt").write_text(names, encoding="utf-8")
        lines = (
            "[Sequence]", f"name={clip.name}", f"imDir=../../../../rawframes/{clip.name}",
            "frameRate=30", f"seqLength={clip.window.frame_count}", f"imWidth={width}",
            f"imHeight={height}", "imExt=.jpg", "",
        )  # fmt: skip
        (folder / "seqinfo.ini").write_text("\n".join(lines), encoding="ascii")

    def finish(self) -> None:
        """Nothing is left to write."""
