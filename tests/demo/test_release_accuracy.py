from datasets.core.media.clips_and_keyframes import FIRST_TIMESTAMP, FRAME_RATE
from datasets.models import Clip, Video
from demo.release_accuracy import MeasuredPerson, measure
from demo.world.renderer import TruthBox

BOX = (0.1, 0.1, 0.3, 0.9)


def test_who_returns_under_another_id_costs_main_identity_alone():
    video = Video(original_name="a.mp4", frame_count=450)
    clips = {"a-c0000": Clip(video=video, start_frame=0, frame_count=450)}
    seconds = {0: 1, 1: 1, 2: 1, 5: 2, 6: 2}  # the id of the only person; away from 3 to 4 s
    released = {
        ("a-c0000", FIRST_TIMESTAMP + second): [MeasuredPerson(number, BOX, frozenset())]
        for second, number in seconds.items()
    }

    def truth_at(name, frame):
        shown = frame // FRAME_RATE in seconds
        return [TruthBox(1, BOX, 1.0, ())] if shown else []

    found = measure(released, clips, truth_at, {})
    assert found.recall == 1.0
    assert found.identity_purity == 1.0
    assert found.main_identity == 3 / 5
