"""A decoder of untrusted videos can reach its video, and nothing else."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from datasets.core.media.sandbox import Restrictions, enter_sandbox
from datasets.core.media.sandboxed_decoder import active_restrictions
from datasets.core.media.standardising import standardise
from datasets.core.media.video_reader import MediaError, VideoLimits
from tests.video_files import make_video_file

ROOT = Path(__file__).resolve().parents[4]
TRY = """
import json, socket, sys
from pathlib import Path
from datasets.core.media.sandbox import enter_sandbox

def attempt(name, work):
    try:
        work()
        done.append(name)
    except OSError:
        pass

folder, port, done = Path(sys.argv[1]), int(sys.argv[2]), []
restrictions = enter_sandbox(readable=[folder / "video"], writable=[folder / "out"])
attempt("read video", (folder / "video").read_bytes)
attempt("make", lambda: (folder / "out" / "a").write_bytes(b"1"))
attempt("rename", lambda: (folder / "out" / "a").rename(folder / "out" / "b"))
attempt("change video", lambda: (folder / "video").write_bytes(b""))
attempt("read other", (folder / "other").read_bytes)
attempt("list", lambda: list(folder.iterdir()))
attempt("make elsewhere", lambda: (folder / "new").write_bytes(b""))
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", port), 5))
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt("udp", lambda: datagram.sendto(b"x", ("127.0.0.1", port)))
print(json.dumps([restrictions, done]))
"""


@pytest.fixture
def listener():
    """A local port, and the connections made to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        came = []

        def listen():
            while True:
                try:
                    came.append(server.accept()[1])
                except OSError:
                    return

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is a Linux feature")
def test_the_sandbox_allows_the_video_and_one_writable_folder(tmp_path, listener):
    port, came = listener
    for name in ("video", "other"):
        (tmp_path / name).write_bytes(b"0")
    (tmp_path / "out").mkdir()
    answer = subprocess.run(
        [sys.executable, "-c", TRY, str(tmp_path), str(port)],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    (files, network), done = json.loads(answer.stdout)
    expected = {"read video", "make", "rename"}
    if not files:
        expected |= {"change video", "read other", "list", "make elsewhere"}
    if not network:
        expected |= {"tcp", "udp"}
    assert set(done) - {"udp"} == expected - {"udp"}
    assert bool(came) == (not network)


def test_the_decoder_has_all_restrictions_that_the_system_supports(tmp_path):
    restrictions = active_restrictions()
    here = subprocess.run(
        [sys.executable, "-c", "from datasets.core.media.sandbox import enter_sandbox\n"
         "print(list(enter_sandbox(readable=[], writable=[])))"],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert str(list(restrictions)) == here.stdout.strip()


def test_without_linux_no_restriction_is_reported(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert enter_sandbox(readable=[], writable=[]) == Restrictions(files=False, network=False)


SCRIPTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
    "hls-of-a-file.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{file}\n"
    "#EXT-X-ENDLIST\n",
    "concat.mp4": "ffconcat version 1.0\nfile '{file}'\n",
    "concat-of-the-net.ts": "ffconcat version 1.0\nfile '{url}'\n",
    "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "smooth.mp4": '<SmoothStreamingMedia MajorVersion="2" Duration="9"><StreamIndex '
    'Type="video" Url="{url}"/></SmoothStreamingMedia>',
    "subtitles.mkv": "1\n00:00:00,000 --> 00:00:09,000\n<img src='{url}'>\n",
    "pattern%03d.mp4": "{file}",
    "asx.wmv": '<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
    "reference.mov": "rtsptext{url}\r\n",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_with_the_name_of_a_video_opens_no_file_and_no_connection(
    tmp_path, listener, name
):
    """Without a sandbox: a reference to another file or a URL is never followed."""
    port, came = listener
    canary = make_video_file(tmp_path / "pattern001.mp4", frames=30)
    url = f"http://127.0.0.1:{port}/a.ts"
    script = tmp_path / name
    script.write_text(SCRIPTS[name].format(url=url, file=canary, port=port))
    with pytest.raises(MediaError, match="is not a video in a known format"):
        standardise(script, tmp_path / "out.mp4", longest_side=160, limits=VideoLimits())
    assert not came
    assert not (tmp_path / "out.mp4").exists()
