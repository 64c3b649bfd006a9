"""Films written again, in the child: without a loss (`remux`), for every player (`encode`), to a size (`fit`).

Not sealed, for x264 and the MP4 writer open files of their own; so only what `_film_check` let pass comes here.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.frame import PictureType
from av.video.stream import VideoStream

from bot.media._film_check import Unusable, kept_streams, seconds_of

READ = {"protocol_whitelist": "file"}
FASTSTART = {"movflags": "faststart"}
# Of the limit: the rest is for what two passes miss by.
SHARE = 0.97
BYTES_PER_FRAME, BYTES_PER_FILM = 16, 2048
SCALES = (1.0, 0.75, 0.5, 0.375, 0.25)
# Bits per pixel under which x264 makes blocks of it, and fewer pixels look better.
LEAST_BITS_PER_PIXEL = 0.03
# Above this many, the slower presets show no difference and take more than twice the time.
PLENTY_BITS_PER_PIXEL = 0.12


@dataclass(frozen=True, slots=True)
class _Plan:
    width: int
    height: int
    options: dict[str, str]
    bit_rate: int | None = None


def remux(source: Path, target: Path) -> None:
    """The same packets with the index in front; what is neither film nor common sound is left out."""
    with _reader(source) as reader, _writer(target) as writer:
        kept = kept_streams(reader)
        copies = {stream.index: writer.add_stream_from_template(stream) for stream in kept}
        for packet in reader.demux(*kept):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                writer.mux(packet)


def encode(source: Path, target: Path) -> None:
    """H.264, yuv420p, of a quality that is not told from the source. Sound is left out."""
    with _reader(source) as reader:
        stream = reader.streams.video[0]
        plan = _Plan(_even(stream.width), _even(stream.height), {"preset": "medium", "crf": "17"})
    _run(source, target, plan)


def fit(source: Path, target: Path, limit: int) -> None:
    """In at most `limit` bytes, two passes, in as many pixels as those bytes are good for. Sound is left out.

    Writes two files for x264 beside `target`. Raises Unusable when no size is small enough.
    """
    with _reader(source) as reader:
        stream = reader.streams.video[0]
        frames = stream.frames or sum(1 for packet in reader.demux(stream) if packet.size)
        seconds = seconds_of(stream, frames)
        width, height = stream.width, stream.height
    bits = (limit * SHARE - BYTES_PER_FILM - frames * BYTES_PER_FRAME) * 8
    for scale in SCALES:
        size = _even(width * scale), _even(height * scale)
        density = bits / (size[0] * size[1] * frames)
        if bits <= 0 or (density < LEAST_BITS_PER_PIXEL and scale != SCALES[-1]):
            continue
        preset = "veryfast" if density > PLENTY_BITS_PER_PIXEL else "medium"
        if _two_passes(source, target, _Plan(*size, {"preset": preset}, int(bits / seconds)), limit):
            return
    raise Unusable(f"cannot be made to fit {limit} bytes")


def _two_passes(source: Path, target: Path, plan: _Plan, limit: int) -> bool:
    # x264 separates its options with colons, so the folder, which may have one in its name, is left out of them.
    os.chdir(target.parent)
    for number in ("1", "2"):
        params = f"pass={number}:stats={target.stem}.x264.part"
        _run(source, target, replace(plan, options=plan.options | {"x264-params": params}))
    return target.stat().st_size <= limit


def _run(source: Path, target: Path, plan: _Plan) -> None:
    with _reader(source) as reader, _writer(target) as writer:
        film = reader.streams.video[0]
        film.thread_type = "AUTO"
        frames = _frames(reader, film, plan)
        first = next(frames)
        stream = _stream(writer, film, plan, first)
        for frame in chain([first], frames):
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))


def _stream(writer: OutputContainer, film: VideoStream, plan: _Plan, first: av.VideoFrame) -> VideoStream:
    stream = writer.add_stream("libx264", rate=film.average_rate or Fraction(24), options=plan.options)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = plan.width, plan.height, "yuv420p"
    if film.time_base:
        context.time_base = film.time_base
    if plan.bit_rate:
        context.bit_rate = plan.bit_rate
    if film.codec_context.sample_aspect_ratio:
        context.sample_aspect_ratio = film.codec_context.sample_aspect_ratio
    context.color_range, context.colorspace = first.color_range, first.colorspace
    context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
    return stream


def _frames(reader: InputContainer, film: VideoStream, plan: _Plan) -> Iterator[av.VideoFrame]:
    for frame in reader.decode(film):
        shaped = frame.reformat(
            *(plan.width, plan.height, "yuv420p"),
            # Players that take full range for the usual one show it too dark, and colours without a matrix need one.
            dst_color_range="MPEG",
            dst_colorspace="ITU709" if frame.format.is_rgb else None,
            interpolation="LANCZOS",
        )
        # The source's own choice of key frames would be taken for an order.
        shaped.pict_type = PictureType.NONE
        yield shaped


def _reader(source: Path) -> InputContainer:
    return av.open(str(source), "r", format="mp4", options=READ)


def _writer(target: Path) -> OutputContainer:
    return av.open(str(target), "w", format="mp4", options=FASTSTART)


def _even(side: float) -> int:
    return max(2, int(side) // 2 * 2)
