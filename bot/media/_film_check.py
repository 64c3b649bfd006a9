"""Is it a whole film that plays everywhere? In the child, sealed: PyAV reads through an open file, by no protocol."""

import os
from dataclasses import asdict, dataclass
from typing import BinaryIO

# PyAV imports its parts when it first meets such a track, and nothing can be imported once sealed.
import av
import av.audio.codeccontext
import av.audio.stream
import av.subtitles.codeccontext
import av.subtitles.stream
import av.video.codeccontext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from bot.media import _bare, boxes

LONGEST_SIDE = 8192
# `ignore_editlist`: count what is there, not what a player would skip.
PLAYED = {"protocol_whitelist": "file"}
OPTIONS = PLAYED | {"ignore_editlist": "1"}
BRAND_QUICKTIME = b"qt  "
# Sounds that every player of MP4 knows; others are left out.
SOUNDS = ("aac", "mp3")


class Unusable(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Film:
    """`task`: what must be done before it is posted, "remux" or "encode"; None when it can be posted as it is."""

    width: int
    height: int
    codec: str
    frames: int
    seconds: float
    task: str | None
    kind: str = "mp4"


def check_film(file: BinaryIO) -> dict[str, object]:
    """Decodes all of it. Raises Unusable."""
    try:
        found = boxes.walk(file, os.fstat(file.fileno()).st_size)
        file.seek(8)
        tidy = file.read(4) != BRAND_QUICKTIME and boxes.faststart(found) and _bare.film(file, found)
        file.seek(0)
        with av.open(file, "r", format="mp4", options=OPTIONS) as container:
            film = _decode(container, remux=not tidy or len(container.streams) != len(kept_streams(container)))
        file.seek(0)
        with av.open(file, "r", format="mp4", options=PLAYED) as container:
            if next(container.decode(video=0), None) is None:
                raise Unusable("has frames, of which a player shows none")
    except boxes.BadBoxes as error:
        raise Unusable(str(error)) from error
    except av.FFmpegError as error:
        raise Unusable("does not decode") from error
    return asdict(film)


def kept_streams(container: InputContainer) -> list[VideoStream | AudioStream]:
    """One film and its sounds."""
    return [
        *container.streams.video[:1],
        *(sound for sound in container.streams.audio if sound.codec_context and sound.codec_context.name in SOUNDS),
    ]


def _decode(container: InputContainer, *, remux: bool) -> Film:
    if not container.streams.video:
        raise Unusable("has no video track")
    stream = container.streams.video[0]
    if not (0 < stream.width <= LONGEST_SIDE and 0 < stream.height <= LONGEST_SIDE):
        raise Unusable("has no sensible size")
    stream.thread_type = "AUTO"
    samples, frames, pixels = 0, 0, ""
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise Unusable("is cut short: a frame is missing")
        samples += packet.size > 0
        for frame in packet.decode():
            frames, pixels = frames + 1, frame.format.name
    if not frames or samples < stream.frames:
        raise Unusable("has no frames, or not all of them")
    plays = stream.codec.canonical_name == "h264" and pixels == "yuv420p" and not stream.width % 2 | stream.height % 2
    return Film(
        width=stream.width,
        height=stream.height,
        codec=stream.codec.canonical_name,
        frames=frames,
        seconds=seconds_of(stream, frames),
        task="encode" if not plays else "remux" if remux else None,
    )


def seconds_of(stream: VideoStream, frames: int) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float(frames / (stream.average_rate or 24))
