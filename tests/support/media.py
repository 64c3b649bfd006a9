"""A film and a picture, small and real."""

import io
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from PIL import Image, ImageDraw


@cache
def small_film(seconds: int = 1, size: tuple[int, int] = (416, 240)) -> bytes:
    """H.264 in an MP4: a square that crosses the picture."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(path, "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=12)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for at in range(seconds * 12):
                frame = Image.new("RGB", size, (60, 40, 90))
                ImageDraw.Draw(frame).rectangle((at * 8, 30, at * 8 + 30, 60), fill=(240, 180, 80))
                container.mux(stream.encode(av.VideoFrame.from_image(frame)))
            container.mux(stream.encode())
        return path.read_bytes()


def picture(size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 90, 40)).save(out, "PNG")
    return out.getvalue()
