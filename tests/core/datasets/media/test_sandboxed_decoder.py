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

from datasets.core.media import sandboxed_decoder, standard_video
from datasets.core.media.sandboxed_decoder import Caps, examine, standardise
from datasets.core.media.standard_video import Limits, MediaError
from datasets.core.media.standardising import Standardised
from demo.world.frame_number import read_frame_number
from tests.video_files import make_video_file

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Ten seconds that take more than one to work on."""
    return make_video_file(tmp_path_factory.mktemp("film") / "film.mkv", frames=300, size=(960, 540))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "standard.mp4"


class Conversion(NamedTuple):
    target: Path
    made: Standardised
    shares: list[float]
    environment: dict[str, str]


def standardised(film, target, caps=None, **options):
    return standardise(
        film, target, longest_side=1280, limits=Limits(), caps=caps or Caps(), **options
    )


def decoders():
    """Those of ours that run; what other tests have started does not count."""
    children = psutil.Process().children()
    return [one for one in children if "datasets.core.media.sandboxed_decoder" in one.cmdline()]


def decoder():
    (child,) = decoders()
    return child


@pytest.fixture(scope="module")
def converted(film, tmp_path_factory):
    """One conversion for all tests that only look at its result."""
    target, shares, environments = tmp_path_factory.mktemp("made") / "standard.mp4", [], []

    def progress(share):
        shares.append(share)
        environments.append(decoder().environ() if not environments else {})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVA_SECRET_KEY", "secret")
        made = standardised(film, target, progress=progress)
    return Conversion(target, made, shares, environments[0])


def test_the_result_is_the_same_as_in_this_process(film, converted, tmp_path):
    target, made, shares, _ = converted
    here = tmp_path / "here.mp4"
    assert made == standard_video.standardise(film, here, longest_side=1280, limits=Limits())
    assert target.read_bytes() == here.read_bytes()
    assert len(set(shares)) == 10
    assert shares == sorted(shares)


def test_a_film_made_elsewhere_is_read_to_its_end_and_shows_one_picture(converted, target):
    copyfile(converted.target, target)
    picture = examine(target, frame_count=300, picture=217, caps=Caps())
    assert read_frame_number(picture) == 217
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(lambda whole: whole, "has 300 frames and not 301", id="another length"),
        pytest.param(lambda whole: whole[: len(whole) // 2], "cannot be read", id="cut off"),
        pytest.param(lambda whole: b"#EXTM3U\n", "cannot be read", id="a script"),
    ],
)
def test_a_film_made_elsewhere_that_is_not_what_is_said_of_it_is_refused(
    converted, target, content, sentence
):
    target.write_bytes(content(converted.target.read_bytes()))
    with pytest.raises(MediaError, match=rf"standard\.mp4.*{sentence}"):
        examine(target, frame_count=301, picture=0, caps=Caps())


def test_a_refusal_is_the_same_sentence(tmp_path, target):
    text = tmp_path / "text.mp4"
    text.write_text("some text\n" * 99)
    with pytest.raises(MediaError, match=r"aisle\.mp4 is not a video"):
        standardised(text, target, name="aisle.mp4")


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path, target):
    with pytest.raises(OSError, match=r"No such file.*gone\.mp4"):
        standardised(tmp_path / "gone.mp4", target)


@pytest.mark.parametrize(
    ("caps", "sentence"),
    [
        pytest.param(Caps(memory=320 << 20), "AVA_DECODE_MEMORY", id="memory"),
        pytest.param(Caps(cpu_seconds=1), "AVA_DECODE_CPU_SECONDS", id="computing"),
        pytest.param(Caps(seconds=0.5), "takes too long", id="clock"),
        pytest.param(Caps(silence=0.01), "makes no headway", id="silence"),
    ],
)
def test_a_film_that_exceeds_its_caps_is_refused_and_leaves_nothing(
    film, target, caps, sentence
):
    with pytest.raises(MediaError, match=rf"film\.mkv .*{sentence}"):
        standardised(film, target, caps)
    assert not target.exists()
    assert not decoders()


def test_a_film_that_brings_the_decoder_down_is_refused(film, target):
    with pytest.raises(MediaError, match=r"film\.mkv brought the decoder down \(SIGSEGV\)"):
        standardised(film, target, progress=lambda _: decoder().send_signal(signal.SIGSEGV))
    assert not target.exists()


def test_an_error_that_nobody_foresaw_is_a_sentence_and_its_trace_is_logged(
    film, target, caplog
):
    with pytest.raises(MediaError, match=r"film\.mkv brought the decoder down \(TypeError"):
        sandboxed_decoder._made({"source": str(film), "target": str(target), "name": "film.mkv",
                        "limits": {}, "no_such_option": 1}, Caps())  # fmt: skip
    assert "Traceback" in caplog.text


def test_the_decoder_knows_nothing_of_our_environment(converted):
    assert "AVA_SECRET_KEY" not in converted.environment


def test_who_stops_the_work_stops_the_decoder(film, target):
    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        standardised(film, target, progress=stop)
    assert not decoders()
    assert not target.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux sees to it")
def test_the_decoder_dies_with_its_worker(film, target):
    program = (
        "import sys; from pathlib import Path\n"
        "from datasets.core.media.sandboxed_decoder import Caps, standardise\n"
        "from datasets.core.media.standard_video import Limits\n"
        "import psutil\n"
        "def tell(share): print(psutil.Process().children()[0].pid, flush=True)\n"
        "standardise(Path(sys.argv[1]), Path(sys.argv[2]), longest_side=1280,\n"
        "            limits=Limits(), caps=Caps(), progress=tell)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, film, target], cwd=ROOT, stdout=subprocess.PIPE
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
        pytest.param("'[' * 99 + '\\n'", "no answer of ours", id="nonsense"),
        pytest.param("'a' * (64 << 20)", "an answer without end", id="endless"),
    ],
)
def test_a_decoder_taken_over_by_its_film_can_only_be_refused(said, sentence):
    """It has none of our memory, and gets none by talking without end."""
    with subprocess.Popen(
        [sys.executable, "-c", f"print({said}, end='')"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        with pytest.raises(MediaError, match=sentence):
            sandboxed_decoder._answer(process, {}, Caps(), "film.mp4", None)
        process.kill()
