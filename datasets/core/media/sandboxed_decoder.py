"""Decoding of films from outside, in a process of its own with limits on memory and time.

A film made to harm can at worst end that process: it has none of this one's secrets, memory or
connections, reaches no file but the film and what it makes of it, and no network (`walls` says
where that can be had). The order goes in as one line of JSON; a line comes back for each second
of film, and a last one with what was made or why it was refused. Should this process be killed,
the kernel ends the other (Linux), and so does the end of the pipe.
"""

import ctypes
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
import numpy as np

from datasets.core.media.clips_and_keyframes import Stretch
from datasets.core.media.standard_video import Picture, read_frames
from datasets.core.media.stills import read_jpeg, write_slides
from datasets.core.media.video_reader import Limits, MediaError
from datasets.core.media.standardising import Standardised
from datasets.core.media.standardising import standardise as standardise_here
from datasets.core.media.sandbox import Walls, wall_off

logger = logging.getLogger(__name__)
ROOT = Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1
LONGEST_SILENCE = 600.0  # seconds for one second of film, on the most crowded machine
CHUNK = 1 << 16
LONGEST_ANSWER = 4 << 20  # bytes
# Threads of BLAS would be for nothing, and stand outside the walls.
ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
}


class Caps(NamedTuple):
    """What the process may use at most: bytes of address space, seconds."""

    memory: int = 4 << 30
    cpu_seconds: int = 12 * 3600
    seconds: float = 16200.0
    silence: float = LONGEST_SILENCE


def standardise(
    source: Path,
    target: Path,
    *,
    longest_side: int,
    limits: Limits,
    caps: Caps,
    keep_truncated: bool = True,
    progress: Callable[[float], None] | None = None,
    name: str = "",
) -> Standardised:
    """As `datasets.core.media.standardising.standardise`; MediaError too if the film exceeds `caps`."""
    order = {
        "source": str(source),
        "target": str(target),
        "longest_side": longest_side,
        "limits": asdict(limits),
        "keep_truncated": keep_truncated,
        "name": name or source.name,
    }
    try:
        made = _made(order, caps, progress)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    stretches = [Stretch(*stretch) for stretch in made.pop("unreadable")]
    return Standardised(**made, unreadable=stretches)


def examine(source: Path, *, frame_count: int, picture: int, caps: Caps) -> Picture:
    """Picture number `picture` of a standard video or clip that somebody else has made.

    Raises MediaError if it does not have `frame_count` frames that can all be read.
    """
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        target = Path(folder) / "picture.npy"
        order = {"source": str(source), "target": str(target), "name": source.name}
        found = _made(order | {"picture": picture}, caps)["frame_count"]
        if found != frame_count or not target.exists():
            raise MediaError(f"{source.name} has {found} frames and not {frame_count}")
        return np.asarray(np.load(target), dtype=np.uint8)


def show_pictures(source: Path, target: Path, *, rate: int, caps: Caps) -> Picture:
    """Write the JPEGs in the zip `source`, in its order, as a film of `rate` pictures a second.

    Returns the picture in the middle. Raises MediaError if one cannot be read, or they are of
    several sizes.
    """
    order = {"source": str(source), "target": str(target), "name": source.name}
    _made(order | {"rate": rate}, caps)
    middle = target.with_suffix(".npy")
    try:
        return np.asarray(np.load(middle), dtype=np.uint8)
    finally:
        middle.unlink()


def standing_walls() -> Walls:
    """Which walls this machine puts around a decoder."""
    with tempfile.TemporaryDirectory() as folder:
        order = {"source": folder, "target": f"{folder}/none", "name": "nothing"}
        return Walls(**_made(order, Caps())["walls"])


def _made(
    order: dict[str, Any], caps: Caps, progress: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """What an order has brought. Raises MediaError, and the system's errors."""
    answer = _ordered(order | {"parent": os.getpid(), "caps": caps}, caps, progress)
    if "refused" in answer:
        raise MediaError(answer["refused"])
    if "system" in answer:
        raise OSError(*answer["system"])
    if "broke" in answer:
        logger.error("decoding %s failed:\n%s", order["name"], answer["broke"])
        reason = answer["broke"].strip().rpartition("\n")[2]
        raise MediaError(_brought_down(order["name"], reason))
    made: dict[str, Any] = answer["made"]
    return made


def _ordered(
    order: dict[str, Any], caps: Caps, progress: Callable[[float], None] | None
) -> dict[str, Any]:
    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env=ENVIRONMENT,
        start_new_session=True,  # Ctrl-C lets the piece in hand be finished
    )
    try:
        return _answer(process, order, caps, order["name"], progress)
    finally:
        process.kill()
        process.communicate()


def _answer(
    process: Any,
    order: dict[str, Any],
    caps: Caps,
    name: str,
    progress: Callable[[float], None] | None,
) -> dict[str, Any]:
    end = time.monotonic() + caps.seconds
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it is dead already; how it died is read below
    for line in _lines(process.stdout, end, caps.silence, name):
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise MediaError(_brought_down(name, "no answer of ours")) from error
        if "share" not in answer:
            return answer
        if progress:
            progress(answer["share"])
    raise MediaError(_how_it_died(process.wait(), caps, name))


def _lines(pipe: Any, end: float, silence: float, name: str) -> Iterator[bytes]:
    """Whole lines as they come. Raises MediaError if one is late, or has no end."""
    rest = b""
    while True:
        wait = min(silence, end - time.monotonic())
        if wait <= 0 or not select.select([pipe], [], [], wait)[0]:
            late = "takes too long to decode" if wait < silence else "makes no headway"
            raise MediaError(
                f"{name} {late}; it is damaged, or this machine is too slow for it"
            )
        chunk = os.read(pipe.fileno(), CHUNK)
        if not chunk:
            return
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_ANSWER:
            raise MediaError(_brought_down(name, "an answer without end"))
        yield from whole


def _how_it_died(code: int, caps: Caps, name: str) -> str:
    if code == -signal.SIGXCPU:
        most = f"{caps.cpu_seconds:,} s of computing"
        return f"{name} takes more than {most} to decode (AVA_DECODE_CPU_SECONDS)"
    how = signal.Signals(-code).name if code < 0 else f"code {code}"
    return _brought_down(name, how)


def _brought_down(name: str, how: str) -> str:
    return f"{name} brought the decoder down ({how}); it is damaged, or made to harm"


def main() -> None:
    """Carry out the order on standard input. Whatever happens is told as a line of JSON."""
    order = json.loads(sys.stdin.readline())
    caps = Caps(*order.pop("caps"))
    name, source, target = order["name"], Path(order.pop("source")), Path(order.pop("target"))
    tempfile.tempdir = str(target.parent)
    walls = wall_off(readable=[source], writable=[target.parent])
    _confine(caps, order.pop("parent"))

    def tell(**fact: Any) -> None:
        print(json.dumps(fact), flush=True)  # noqa: T201  read by the process above

    try:
        made = _carried_out(order, source, target, progress=lambda share: tell(share=share))
        tell(made=made or {"walls": walls._asdict()})
    except MediaError as error:
        tell(refused=str(error))
    except (MemoryError, av.error.ExternalError):  # as the encoder says it
        most = f"{caps.memory / 1e9:.1f} GB of memory"
        tell(refused=f"{name} needs more than {most} to decode (AVA_DECODE_MEMORY)")
    except OSError as error:
        tell(system=[error.errno, error.strerror, str(error.filename or target)])
    except Exception:  # noqa: BLE001  told to the process above, which raises it
        tell(broke=traceback.format_exc())


def _carried_out(
    order: dict[str, Any], source: Path, target: Path, *, progress: Callable[[float], None]
) -> dict[str, Any]:
    """What was made; empty if nothing was asked for."""
    if "limits" in order:
        limits = Limits(**order.pop("limits"))
        return asdict(
            standardise_here(source, target, limits=limits, progress=progress, **order)
        )
    if "picture" in order:
        return {"frame_count": _examined(source, target, order["picture"])}
    if "rate" in order:
        with zipfile.ZipFile(source) as pictures:
            names = pictures.namelist()
            write_slides(map(pictures.read, names), target, rate=order["rate"])
            middle = read_jpeg(pictures.read(names[len(names) // 2]))
            np.save(target.with_suffix(".npy"), np.ascontiguousarray(middle[..., ::-1]))
            return {"frame_count": len(names)}
    return {}


def _examined(source: Path, target: Path, wanted: int) -> int:
    """Read all frames of `source`, write the one `wanted`; return how many there are."""
    count = 0
    for index, picture in read_frames(source):
        count += 1
        if index == wanted:
            np.save(target, picture)
    return count


def _confine(caps: Caps, parent: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (caps.memory, caps.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (caps.cpu_seconds, caps.cpu_seconds + 5))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


if __name__ == "__main__":
    main()
