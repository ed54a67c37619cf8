"""AVA-Kinetics: rows as in AVA, and `video_id,timestamp` alone where nobody acts."""

from typing import BinaryIO

from datasets.core.formats import ava
from qc.core.release.formats.content import FormatContext
from qc.core.release.records import ReleaseClip
from qc.core.release.writer import evaluation_rows, label_rows


class KineticsWriter:
    def __init__(self, context: FormatContext) -> None:
        self._context = context
        self._files: dict[str, BinaryIO] = {
            split: (context.folder / f"ava_kinetics_{split}.csv").open("wb")
            for split in context.splits
        }

    def add(self, clip: ReleaseClip) -> None:
        rows = evaluation_rows(clip, label_rows(clip))
        self._files[clip.split].write(ava.dump_evaluation(rows))

    def finish(self) -> None:
        for file in self._files.values():
            file.close()
        content = ava.dump_actions(self._context.actions)
        (self._context.folder / "ava_kinetics_action_list.pbtxt").write_bytes(content)
