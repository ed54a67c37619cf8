import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import copyfile
from typing import NamedTuple

import psutil
import pytest

from datasets.core.media import sandboxed_decoder, standardising
from datasets.core.media.sandboxed_decoder import (
    ResourceLimits,
    check_video,
    standardise_sandboxed,
)
from datasets.core.media.standardising import Standardised
from datasets.core.media.video_reader import MediaError, VideoLimits
from demo.world.frame_number import read_frame_number
from tests.video_files import make_video_file

MODULE = "datasets.core.media.sandboxed_decoder"
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Ten seconds that take more than one to convert."""
    return make_video_file(
        tmp_path_factory.mktemp("video") / "video.mkv", frames=300, size=(960, 540)
    )


@pytest.fixture(scope="module")
def costly_video(tmp_path_factory):
    """Twenty frames of ten seconds each: fifteen seconds of CPU time to convert.

    On a busy machine the kernel samples less CPU time than was used: two seconds are too few.
    """
    return make_video_file(
        tmp_path_factory.mktemp("costly") / "video.mkv", ticks=range(0, 200_000, 10_000),
        size=(960, 540),
    )  # fmt: skip


@pytest.fixture
def target(tmp_path):
    return tmp_path / "standard.mp4"


class Conversion(NamedTuple):
    target: Path
    made: Standardised
    shares: list[float]
    environment: dict[str, str]


def standardised(video, target, resources=None, **options):
    return standardise_sandboxed(
        video,
        target,
        longest_side=1280,
        limits=VideoLimits(),
        resources=resources or ResourceLimits(),
        **options,
    )


def decoders():
    """Decoder processes of this test, not of others."""
    children = psutil.Process().children()
    return [each for each in children if MODULE in each.cmdline()]


def decoder():
    (child,) = decoders()
    return child


@pytest.fixture(scope="module")
def converted(video, tmp_path_factory):
    """One conversion for all tests that only look at its result."""
    target, shares, environments = tmp_path_factory.mktemp("made") / "standard.mp4", [], []

    def progress(share):
        shares.append(share)
        environments.append(decoder().environ() if not environments else {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVA_SECRET_KEY", "secret")
        made = standardised(video, target, progress=progress)
    return Conversion(target, made, shares, environments[0])


def test_the_result_is_the_same_as_in_this_process(video, converted, tmp_path):
    target, made, shares, _ = converted
    here = tmp_path / "here.mp4"
    assert made == standardising.standardise(
        video, here, longest_side=1280, limits=VideoLimits()
    )
    assert target.read_bytes() == here.read_bytes()
    assert len(set(shares)) == 10
    assert shares == sorted(shares)


def test_an_imported_video_is_decoded_completely_and_one_frame_returned(converted, target):
    copyfile(converted.target, target)
    image = check_video(target, frame_count=300, frame=217, resources=ResourceLimits())
    assert read_frame_number(image) == 217
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(lambda whole: whole, "has 300 frames and not 301", id="another length"),
        pytest.param(lambda whole: whole[: len(whole) // 2], "cannot be read", id="cut off"),
        pytest.param(lambda whole: b"#EXTM3U\n", "cannot be read", id="a script"),
    ],
)
def test_an_imported_video_that_differs_from_its_manifest_is_refused(
    converted, target, content, sentence
):
    target.write_bytes(content(converted.target.read_bytes()))
    with pytest.raises(MediaError, match=rf"standard\.mp4.*{sentence}"):
        check_video(target, frame_count=301, frame=0, resources=ResourceLimits())


def test_a_refusal_has_the_same_message(tmp_path, target):
    text = tmp_path / "text.mp4"
    text.write_text("some text\n" * 99)
    with pytest.raises(MediaError, match=r"aisle\.mp4 is not a video"):
        standardised(text, target, name="aisle.mp4")


def test_a_missing_file_is_an_os_error(tmp_path, target):
    with pytest.raises(OSError, match=r"No such file.*gone\.mp4"):
        standardised(tmp_path / "gone.mp4", target)


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        pytest.param(ResourceLimits(memory=320 << 20), "AVA_DECODE_MEMORY", id="memory"),
        pytest.param(ResourceLimits(cpu_seconds=1), "AVA_DECODE_CPU_SECONDS", id="computing"),
        pytest.param(
            ResourceLimits(seconds=0.5), "takes too long .*AVA_DECODE_SECONDS", id="clock"
        ),
        pytest.param(ResourceLimits(silence=0.01), "stopped making progress", id="silence"),
    ],
)
def test_a_video_that_exceeds_the_limits_is_refused_and_leaves_no_file(
    costly_video, target, resources, sentence
):
    with pytest.raises(MediaError, match=rf"video\.mkv .*{sentence}"):
        standardised(costly_video, target, resources)
    assert not target.exists()
    assert not decoders()


def test_a_video_that_crashes_the_decoder_is_refused(video, target):
    with pytest.raises(MediaError, match=r"video\.mkv crashed the decoder \(SIGSEGV\)"):
        standardised(video, target, progress=lambda _: decoder().send_signal(signal.SIGSEGV))
    assert not target.exists()


def test_a_decoder_that_cannot_start_is_no_fault_of_the_video(video, target, monkeypatch):
    monkeypatch.setattr(sandboxed_decoder, "ROOT", Path("/"))  # without the program
    with pytest.raises(
        MediaError, match=r"the decoder cannot start .code 1.; run \./ava doctor"
    ):
        standardised(video, target)


def test_an_unexpected_error_is_a_message_and_its_traceback_is_logged(video, target, caplog):
    request = {"source": str(video), "target": str(target), "name": "video.mkv"}
    request |= {"limits": {}, "parts": "", "no_such_option": 1}
    with pytest.raises(MediaError, match=r"video\.mkv crashed the decoder \(TypeError"):
        sandboxed_decoder._result(request, ResourceLimits())
    assert "Traceback" in caplog.text


def test_the_decoder_does_not_inherit_the_environment(converted):
    assert "AVA_SECRET_KEY" not in converted.environment


def test_an_interrupt_stops_the_decoder(video, target):
    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        standardised(video, target, progress=stop)
    assert not decoders()
    assert not target.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl of Linux")
def test_the_decoder_dies_with_its_worker(video, target):
    program = (
        "import sys; from pathlib import Path\n"
        "from datasets.core.media.sandboxed_decoder import *\n"
        "from datasets.core.media.video_reader import VideoLimits\n"
        "import psutil\n"
        "def show(share): print(psutil.Process().children()[0].pid, flush=True)\n"
        "standardise_sandboxed(Path(sys.argv[1]), Path(sys.argv[2]), longest_side=1280,\n"
        "            limits=VideoLimits(), resources=ResourceLimits(), progress=show)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, video, target], cwd=ROOT, stdout=subprocess.PIPE
    )
    with worker:
        pid = int(worker.stdout.readline())
        os.kill(worker.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        pytest.param("'[' * 99 + '\\n'", "invalid output", id="nonsense"),
        pytest.param("'a' * (64 << 20)", "endless output", id="endless"),
    ],
)
def test_invalid_output_of_a_compromised_decoder_is_refused(said, sentence):
    """Endless output must not fill the memory of the parent."""
    with subprocess.Popen(
        [sys.executable, "-c", f"print({said}, end='')"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        with pytest.raises(MediaError, match=sentence):
            sandboxed_decoder._read_result(process, {}, ResourceLimits(), "video.mp4", None)
        process.kill()
