"""Decoding of untrusted videos in a sandboxed child process with memory and time limits.

A malicious video can at worst crash the child: it has none of the parent's secrets, memory or
connections, no network, and no file but its input and output (see `sandbox` for what the system
supports). The request is one line of JSON on stdin; the child answers with a progress line per
second of video and a last line with the result or the reason why the video was refused. If the
parent is killed, the kernel kills the child (Linux), and so does the closed pipe.
"""

import ctypes
import errno
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np

from datasets.core.media.clips_and_keyframes import FrameRange
from datasets.core.media.sandbox import Restrictions, enter_sandbox
from datasets.core.media.standard_video import FrameArray, read_frames
from datasets.core.media.standardising import SegmentReport, Standardised, standardise
from datasets.core.media.stills import decode_jpeg, write_still_video
from datasets.core.media.video_reader import MediaError, VideoLimits
from datasets.core.sizes import size_text

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1
MAX_SILENCE_SECONDS = 600.0  # for one second of video, on a busy machine
CHUNK = 1 << 16
# How a library may end that is refused memory: not all of them say so.
OUT_OF_MEMORY = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
RANGES = ("unreadable", "stills")  # of frames, in answers
MAX_LINE_BYTES = 4 << 20  # bytes
# BLAS threads would be of no use, and would start before the sandbox.
ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
}


class ResourceLimits(NamedTuple):
    """VideoLimits of the child process: bytes of address space, seconds."""

    memory: int = 4 << 30
    cpu_seconds: int = 12 * 3600
    seconds: float = 16200.0
    silence: float = MAX_SILENCE_SECONDS

    @property
    def most_memory(self) -> str:
        return f"{size_text(self.memory)} of memory"


def standardise_sandboxed(
    source: Path,
    target: Path,
    *,
    longest_side: int,
    limits: VideoLimits,
    resources: ResourceLimits,
    keep_truncated: bool = True,
    progress: Callable[[float], None] | None = None,
    name: str = "",
    parts: Path | None = None,
    thumbnails: Path | None = None,
    on_segment: Callable[[SegmentReport], object] | None = None,
) -> Standardised:
    """`standardising.standardise` in the sandbox; MediaError too beyond `resources`.

    `thumbnails` must be in the folder of `target`.
    """
    request = {
        "parts": str(parts) if parts else None,
        "thumbnails": str(thumbnails) if thumbnails else None,
        "source": str(source),
        "target": str(target),
        "longest_side": longest_side,
        "limits": asdict(limits),
        "keep_truncated": keep_truncated,
        "name": name or source.name,
    }
    try:
        made = _result(request, resources, progress, on_segment)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return Standardised(**_with_ranges(made))


def _with_ranges(facts: dict[str, Any]) -> dict[str, Any]:
    ranges = {name: [FrameRange(*each) for each in facts[name]] for name in RANGES}
    return facts | ranges


def check_video(
    source: Path, *, frame_count: int, frame: int, resources: ResourceLimits
) -> FrameArray:
    """Decode an imported standard video or clip completely; return its frame `frame`.

    Raises MediaError unless it has exactly `frame_count` readable frames.
    """
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        target = Path(folder) / "frame.npy"
        request = {"source": str(source), "target": str(target), "name": source.name}
        found = _result(request | {"frame": frame}, resources)["frame_count"]
        if found != frame_count or not target.exists():
            raise MediaError(f"{source.name} has {found} frames and not {frame_count}")
        return np.asarray(np.load(target), dtype=np.uint8)


def make_still_video(
    source: Path, target: Path, *, rate: int, resources: ResourceLimits
) -> FrameArray:
    """Encode the JPEGs in the zip `source`, in its order, as a video of `rate` frames/s.

    Returns the frame in the middle. Raises MediaError if one cannot be read, or their sizes
    differ.
    """
    request = {"source": str(source), "target": str(target), "name": source.name}
    _result(request | {"rate": rate}, resources)
    middle = target.with_suffix(".npy")
    try:
        return np.asarray(np.load(middle), dtype=np.uint8)
    finally:
        middle.unlink()


def active_restrictions() -> Restrictions:
    """The sandbox restrictions that this system supports."""
    with tempfile.TemporaryDirectory() as folder:
        request = {"source": folder, "target": f"{folder}/none", "name": "nothing"}
        return Restrictions(**_result(request, ResourceLimits())["restrictions"])


def _result(
    request: dict[str, Any],
    resources: ResourceLimits,
    progress: Callable[[float], None] | None = None,
    on_segment: Callable[[SegmentReport], object] | None = None,
) -> dict[str, Any]:
    """The result of a request. Raises MediaError and OSError."""
    answer = _run_decoder(
        request | {"parent": os.getpid(), "resources": resources},
        resources,
        progress,
        on_segment,
    )
    if "error" in answer:
        raise MediaError(answer["error"])
    if "os_error" in answer:
        raise OSError(*answer["os_error"])
    if "traceback" in answer:
        logger.error("decoding %s failed:\n%s", request["name"], answer["traceback"])
        reason = answer["traceback"].strip().rpartition("\n")[2]
        raise MediaError(_crash_message(request["name"], reason))
    made: dict[str, Any] = answer["result"]
    return made


def _run_decoder(
    request: dict[str, Any],
    resources: ResourceLimits,
    progress: Callable[[float], None] | None,
    on_segment: Callable[[SegmentReport], object] | None,
) -> dict[str, Any]:
    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=ENVIRONMENT,
        start_new_session=True,  # Ctrl-C lets the current row be finished
    )
    try:
        return _read_result(process, request, resources, request["name"], progress, on_segment)
    finally:
        process.kill()
        process.communicate()


def _read_result(
    process: Any,
    request: dict[str, Any],
    resources: ResourceLimits,
    name: str,
    progress: Callable[[float], None] | None,
    on_segment: Callable[[SegmentReport], object] | None = None,
) -> dict[str, Any]:
    end, has_started = time.monotonic() + resources.seconds, False
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it has exited already; the reason is read below
    for line in _read_lines(process.stdout, end, resources, name):
        answer = _parsed(line, name)
        if "ready" in answer:
            has_started = True
        elif not _tell(answer, progress, on_segment):
            return answer
    code = process.wait()
    if not has_started:
        raise MediaError(
            f"{name} was not looked at: the decoder cannot start ({_exit_name(code)}); "
            "run ./ava doctor, then try again"
        )
    raise MediaError(_exit_reason(code, resources, name))


def _parsed(line: bytes, name: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise MediaError(_crash_message(name, "invalid output")) from error
    return answer


def _tell(
    answer: dict[str, Any],
    progress: Callable[[float], None] | None,
    on_segment: Callable[[SegmentReport], object] | None,
) -> bool:
    """Hand on what an answer says about work that goes on; False if it is the last one."""
    if "progress" in answer:
        if progress:
            progress(answer["progress"])
    elif "on_segment" in answer:
        if on_segment:
            on_segment(SegmentReport(**_with_ranges(answer["on_segment"])))
    else:
        return False
    return True


def _read_lines(pipe: Any, end: float, resources: ResourceLimits, name: str) -> Iterator[bytes]:
    """Complete lines as they arrive. Raises MediaError on a timeout or an endless line."""
    rest = b""
    while True:
        wait = min(resources.silence, end - time.monotonic())
        if wait <= 0 or not select.select([pipe], [], [], wait)[0]:
            if wait < resources.silence:
                most = f"more than {resources.seconds:,.0f} s (AVA_DECODE_SECONDS)"
                raise MediaError(f"{name} takes too long to decode: {most}")
            raise MediaError(
                f"{name} stopped making progress; it is damaged, or this machine is too slow"
            )
        chunk = os.read(pipe.fileno(), CHUNK)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise MediaError(_crash_message(name, "endless output"))
        yield from lines


def _exit_reason(code: int, resources: ResourceLimits, name: str) -> str:
    if code == -signal.SIGXCPU:
        most = f"{resources.cpu_seconds:,} s of CPU time"
        return f"{name} takes more than {most} to decode (AVA_DECODE_CPU_SECONDS)"
    message = _crash_message(name, _exit_name(code))
    if code in OUT_OF_MEMORY:
        message += f", or needs more than {resources.most_memory} (AVA_DECODE_MEMORY)"
    return message


def _exit_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"code {code}"


def _crash_message(name: str, how: str) -> str:
    return f"{name} crashed the decoder ({how}); it is damaged or malicious"


def main() -> None:
    """Child process: carry out the request on stdin; write progress and result to stdout."""
    request = json.loads(sys.stdin.readline())
    resources = ResourceLimits(*request.pop("resources"))
    name, source, target = (
        request["name"],
        Path(request.pop("source")),
        Path(request.pop("target")),
    )
    tempfile.tempdir = str(target.parent)
    parts = [Path(request["parts"])] if request.get("parts") else []
    restrictions = enter_sandbox(readable=[source], writable=[target.parent, *parts])
    cv2.setNumThreads(1)  # threads cost address space, and gain nothing for thumbnails
    _set_resource_limits(resources, request.pop("parent"))

    def send(**fact: Any) -> None:
        print(json.dumps(fact), flush=True)  # noqa: T201  read by the parent

    send(ready=True)
    try:
        made = _execute(
            request, source, target,
            progress=lambda share: send(progress=share),
            on_segment=lambda known: send(on_segment=known._asdict()),
        )  # fmt: skip
        send(result=made or {"restrictions": restrictions._asdict()})
    except MediaError as error:
        send(error=str(error))
    except (MemoryError, ImportError, av.error.ExternalError):  # of the encoder, or a module
        send(error=_too_large(name, resources))
    except OSError as error:
        if error.errno == errno.ENOMEM:
            send(error=_too_large(name, resources))
        else:
            send(os_error=[error.errno, error.strerror, str(error.filename or target)])
    except Exception:  # noqa: BLE001  the parent raises it
        send(traceback=traceback.format_exc())


def _too_large(name: str, resources: ResourceLimits) -> str:
    return f"{name} needs more than {resources.most_memory} to decode (AVA_DECODE_MEMORY)"


def _execute(
    request: dict[str, Any],
    source: Path,
    target: Path,
    *,
    progress: Callable[[float], None],
    on_segment: Callable[[SegmentReport], object],
) -> dict[str, Any]:
    """The result of the request; empty if it asks for nothing."""
    if "limits" in request:
        limits = VideoLimits(**request.pop("limits"))
        for name in ("parts", "thumbnails"):
            if path := request.pop(name, None):
                request[name] = Path(path)
        listeners: dict[str, Any] = {"progress": progress, "on_segment": on_segment}
        return asdict(standardise(source, target, limits=limits, **listeners, **request))
    if "frame" in request:
        return {"frame_count": _check_frames(source, target, request["frame"])}
    if "rate" in request:
        with zipfile.ZipFile(source) as frames:
            names = frames.namelist()
            write_still_video(map(frames.read, names), target, rate=request["rate"])
            middle = decode_jpeg(frames.read(names[len(names) // 2]))
            np.save(target.with_suffix(".npy"), np.ascontiguousarray(middle[..., ::-1]))
            return {"frame_count": len(names)}
    return {}


def _check_frames(source: Path, target: Path, wanted: int) -> int:
    """Decode all frames of `source`, save frame `wanted`; return their number."""
    count = 0
    for index, frame in read_frames(source):
        count += 1
        if index == wanted:
            np.save(target, frame)
    return count


def _set_resource_limits(resources: ResourceLimits, parent: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (resources.memory, resources.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (resources.cpu_seconds, resources.cpu_seconds + 5))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it exited before the line above
        os._exit(1)


if __name__ == "__main__":
    main()
