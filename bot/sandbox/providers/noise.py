import itertools
import os
import tempfile
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream
from PIL import Image

_WIDTH, _HEIGHT, _FPS = 640, 360, 24
# Even: two neighbouring key frames need different numbers, and the encoder alternates between two.
_DISTINCT = 4


def noise_film(megabytes: float) -> bytes:
    """A valid film of at least `megabytes` * 1,000,000 bytes and about a frame more, that no compressor makes smaller.

    Blocks; the bytes differ from call to call.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.mp4"
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            options = {"preset": "ultrafast", "qp": "6", "g": "1", "threads": "1"}
            stream = container.add_stream("libx264", rate=_FPS, options=options)
            stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
            written = 0
            for index, data in enumerate(itertools.cycle(_noise(stream))):
                if written >= megabytes * 1_000_000:
                    break
                _append(container, stream, data, index)
                written += len(data)
        return path.read_bytes()


def _noise(stream: VideoStream) -> list[bytes]:
    packets: list[bytes] = []
    for index in range(_DISTINCT):
        image = Image.frombytes("RGB", (_WIDTH, _HEIGHT), os.urandom(_WIDTH * _HEIGHT * 3))
        frame = av.VideoFrame.from_image(image).reformat(format="yuv420p")  # type: ignore[no-untyped-call] # PyAV
        frame.pts, frame.time_base = index, Fraction(1, _FPS)
        packets += map(bytes, stream.encode(frame))
    return packets + [bytes(packet) for packet in stream.encode(None)]


def _append(container: OutputContainer, stream: VideoStream, data: bytes, index: int) -> None:
    packet = av.Packet(data)
    packet.stream, packet.is_keyframe = stream, True
    packet.pts = packet.dts = index
    packet.duration, packet.time_base = 1, Fraction(1, _FPS)
    container.mux(packet)
