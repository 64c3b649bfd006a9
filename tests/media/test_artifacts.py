"""Results: what is kept plays everywhere, what does not is refused, and what is too large is made to fit."""

import asyncio
import hashlib
import io
import os
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import av
import media_kit as kit
import psutil
import pytest
import pytest_asyncio
from PIL import Image

from bot.domain.generation import Capability
from bot.domain.job import Artifact, MediaKind
from bot.media.artifacts import CheckedArtifacts
from bot.ports import Artifacts, UnusableMedia

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CheckedArtifacts]:
    store = CheckedArtifacts(tmp_path_factory.mktemp("store") / "artifacts", seconds=60)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
def artifacts(store: CheckedArtifacts) -> Iterator[CheckedArtifacts]:
    yield store
    folder = store.part(kit.job()).parent
    assert not list(folder.glob("*.part*")), "something half-written is left"
    for path in folder.iterdir():
        path.unlink()


async def keep(artifacts: Artifacts, body: bytes, job_id: str = "j1") -> Artifact:
    job = kit.job_of(body, job_id)
    part = artifacts.part(job)
    part.write_bytes(body)
    return await artifacts.keep(job, part)


async def refusal(artifacts: Artifacts, body: bytes, job_id: str = "j1") -> str:
    with pytest.raises(UnusableMedia) as refused:
        await keep(artifacts, body, job_id)
    return str(refused.value)


def layout(path: Path) -> list[str]:
    return [kind for kind, _, _ in kit.box_list(path.read_bytes())]


async def test_a_film_that_plays_is_kept_byte_for_byte(artifacts: CheckedArtifacts) -> None:
    body = kit.film()
    kept = await keep(artifacts, body)
    assert artifacts.path(kept).read_bytes() == body
    assert kept == Artifact(
        name="v-j1.mp4",
        kind=MediaKind.FILM,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        width=96,
        height=64,
        codec="h264",
        frames=12,
        seconds=0.5,
    )


async def test_an_index_at_the_end_is_moved_in_front_without_touching_a_frame(artifacts: CheckedArtifacts) -> None:
    body = kit.film(flags="", sound=True)
    assert [kind for kind, _, _ in kit.box_list(body)] == ["ftyp", "free", "mdat", "moov"]
    kept = await keep(artifacts, body)
    path = artifacts.path(kept)
    assert layout(path).index("moov") < layout(path).index("mdat")
    assert kit.packets(path) == kit.packets(body)
    assert (kept.frames, kept.seconds, kept.compressed) == (12, 0.5, False)
    assert kept.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with av.open(str(path)) as reader:
        assert [track.type for track in reader.streams] == ["video", "audio"]


async def test_the_pictures_of_a_film_without_sound_move_as_one_block(artifacts: CheckedArtifacts) -> None:
    body = kit.film(flags="")
    kept = artifacts.path(await keep(artifacts, body)).read_bytes()
    blocks = [film[at : at + size] for film in (body, kept) for kind, at, size in kit.box_list(film) if kind == "mdat"]
    assert blocks[0] == blocks[1]


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "frag_every_frame+empty_moov+default_base_moof"])
async def test_fragments_are_joined(artifacts: CheckedArtifacts, flags: str) -> None:
    body = kit.film(flags=flags, options={"g": "4"})
    kept = await keep(artifacts, body)
    assert kit.packets(artifacts.path(kept)) == kit.packets(body)
    assert "moof" not in layout(artifacts.path(kept))
    assert kit.facts(artifacts.path(kept)) == ("h264", "yuv420p", 96, 64, 12, 0.5)


async def test_a_film_cut_at_its_joints_is_refused(artifacts: CheckedArtifacts) -> None:
    for flags in ("faststart", "", "frag_keyframe+empty_moov"):
        body = kit.film(flags=flags, options={"g": "4"})
        for _, at, _ in kit.box_list(body):
            await refusal(artifacts, body[:at])


async def test_a_film_cut_elsewhere_is_refused(artifacts: CheckedArtifacts) -> None:
    dice = random.Random(5)
    for flags in ("faststart", ""):
        body = kit.film(flags=flags)
        cuts = {1, 4, 8, len(body) - 1, *(dice.randrange(len(body)) for _ in range(8))}
        await asyncio.gather(*(refusal(artifacts, body[:cut], f"j{cut}") for cut in cuts))


async def test_a_block_without_a_stated_size_is_accepted_whole_and_refused_cut(artifacts: CheckedArtifacts) -> None:
    body = bytearray(kit.film())
    kind, at, _ = kit.box_list(bytes(body))[-1]
    assert kind == "mdat"
    body[at : at + 4] = bytes(4)
    await keep(artifacts, bytes(body))
    for cut in (1, 30, (len(body) - at) // 2):
        assert "cut short" in await refusal(artifacts, bytes(body[:-cut]))


async def test_a_film_of_which_players_show_nothing_is_refused(artifacts: CheckedArtifacts) -> None:
    body = bytearray(kit.film())
    begins = body.index(b"elst") + 16
    body[begins : begins + 4] = b"\x7f\xff\xff\xff"
    assert "a player shows none" in await refusal(artifacts, bytes(body))


async def test_sixty_four_bit_sizes_are_accepted(artifacts: CheckedArtifacts) -> None:
    body = bytearray(kit.film(flags=""))
    (_, free, padding), (_, at, size) = kit.box_list(bytes(body))[1:3]
    assert padding == 8
    body[free : at + 8] = b"\0\0\0\1mdat" + (size + 8).to_bytes(8, "big")
    assert (await keep(artifacts, bytes(body))).frames == 12


@pytest.mark.parametrize("tail", [b"PK\x03\x04" + bytes(60), b"<html><script>1</script>", b"%PDF-1.7", b"\0"])
async def test_a_film_with_something_behind_it_is_refused(artifacts: CheckedArtifacts, tail: bytes) -> None:
    await refusal(artifacts, kit.film() + tail)


async def test_what_hides_in_side_boxes_is_not_passed_on(artifacts: CheckedArtifacts) -> None:
    canary = b"canary-in-a-box"
    for kind in (b"uuid", b"free", b"meta"):
        body = kit.film() + (8 + 6000).to_bytes(4, "big") + kind + canary * 400
        kept = await keep(artifacts, body)
        assert canary not in artifacts.path(kept).read_bytes()
        assert kit.packets(artifacts.path(kept)) == kit.packets(body)


async def test_a_quicktime_film_becomes_an_mp4(artifacts: CheckedArtifacts) -> None:
    body = bytearray(kit.film())
    body[8:12] = b"qt  "
    kept = await keep(artifacts, bytes(body))
    assert artifacts.path(kept).read_bytes()[8:12] == b"isom"
    assert not kept.compressed


@pytest.mark.parametrize(
    ("codec", "pixels", "options"),
    [
        ("libx265", "yuv420p", {"preset": "ultrafast", "x265-params": "log-level=none"}),
        ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
        ("libx264", "yuv420p10le", {}),
        ("libx264", "yuv444p", {}),
        ("mpeg4", "yuv420p", {}),
    ],
)
async def test_what_not_every_player_shows_is_encoded_again(
    artifacts: CheckedArtifacts, codec: str, pixels: str, options: dict[str, str]
) -> None:
    kept = await keep(artifacts, kit.film(codec=codec, pixels=pixels, options=options))
    path = artifacts.path(kept)
    assert kit.facts(path) == ("h264", "yuv420p", 96, 64, 12, 0.5)
    assert layout(path).index("moov") < layout(path).index("mdat")
    assert kept.compressed


async def test_full_range_colours_are_brought_into_range(artifacts: CheckedArtifacts) -> None:
    body = io.BytesIO()
    with av.open(body, "w", format="mp4") as writer:
        stream = writer.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for _ in range(4):
            frame = av.VideoFrame(64, 64, "yuvj420p")
            for plane, value in zip(frame.planes, (255, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    path = artifacts.path(await keep(artifacts, body.getvalue()))
    with av.open(str(path)) as reader:
        white = next(reader.decode(video=0))
        assert white.format.name == "yuv420p"
        assert abs(bytes(white.planes[0])[0] - 235) <= 2


async def test_odd_sides_are_made_even(artifacts: CheckedArtifacts) -> None:
    kept = await keep(artifacts, kit.film(size=(97, 65), pixels="yuv444p"))
    assert (kept.width, kept.height) == (96, 64)


async def test_a_single_frame_is_a_film_too(artifacts: CheckedArtifacts) -> None:
    kept = await keep(artifacts, kit.film(frames=1))
    assert (kept.frames, kept.kind) == (1, MediaKind.FILM)
    assert kept.seconds == pytest.approx(1 / 24)


@pytest.mark.parametrize(
    ("kind", "media"), [("JPEG", MediaKind.JPEG), ("PNG", MediaKind.PNG), ("WEBP", MediaKind.WEBP)]
)
async def test_a_picture_is_kept_under_its_own_kind(artifacts: CheckedArtifacts, kind: str, media: MediaKind) -> None:
    body = kit.encoded(kit.noise((320, 192)), kind)
    kept = await keep(artifacts, body)
    assert artifacts.path(kept).read_bytes() == body
    assert (kept.name, kept.kind, kept.codec) == (f"i-j1.{media}", media, kind.lower())
    assert (kept.width, kept.height, kept.frames, kept.seconds) == (320, 192, None, None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_picture_that_is_cut_is_refused(artifacts: CheckedArtifacts, kind: str) -> None:
    body = kit.encoded(kit.noise((320, 192)), kind)
    for part in (1, 4, 7):
        await refusal(artifacts, body[: len(body) * part // 8])


def sound_only() -> bytes:
    body = io.BytesIO()
    with av.open(body, "w", format="mp4") as writer:
        track = writer.add_stream("aac", rate=44100)
        silence = av.AudioFrame("fltp", "stereo", 1024)
        for plane in silence.planes:
            plane.update(bytes(plane.buffer_size))
        silence.sample_rate, silence.pts = 44100, 0
        writer.mux(track.encode(silence))
        writer.mux(track.encode(None))
    return body.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b'{"detail": "no GPU left"}',
        b"<!doctype html><title>502</title>",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"\0\0\0\x10ftypisom\0\0\2\0\0\0\0\x08moov\0\0\0\x0cmdatdata",
        kit.encoded(Image.new("P", (64, 64)), "GIF"),
        kit.encoded(Image.new("RGB", (64, 64)), "AVIF"),
        kit.encoded(Image.new("RGB", (64, 64)), "HEIF"),
        kit.encoded(Image.new("RGB", (64, 64)), "BMP"),
        kit.png(30_000, 30_000),
        sound_only(),
    ],
    ids=range(13),
)
async def test_what_is_no_film_and_no_picture_is_refused(artifacts: CheckedArtifacts, body: bytes) -> None:
    before = psutil.Process().memory_info().rss
    await refusal(artifacts, body)
    assert psutil.Process().memory_info().rss - before < 16 << 20


async def test_a_mutated_film_is_kept_or_refused(artifacts: CheckedArtifacts) -> None:
    dice, body = random.Random(7), kit.film(flags="")

    async def attempt(number: int) -> bool:
        mutant = bytearray(body)
        for _ in range(dice.choice((1, 4, 20))):
            mutant[dice.randrange(len(body) - 1200, len(body))] = dice.randrange(256)
        try:
            return kit.facts(artifacts.path(await keep(artifacts, bytes(mutant), f"j{number}")))[1] == "yuv420p"
        except UnusableMedia:
            return True

    assert all(await asyncio.gather(*(attempt(number) for number in range(10))))


@pytest.fixture(scope="module")
def long_film() -> bytes:
    return kit.film(frames=48, size=(320, 192), options={"crf": "8", "preset": "ultrafast"})


@pytest.mark.parametrize("share", [0.8, 0.3, 0.05])
async def test_a_film_is_made_to_fit_and_still_plays(
    artifacts: CheckedArtifacts, long_film: bytes, share: float
) -> None:
    whole = await keep(artifacts, long_film)
    limit = int(whole.size * share)
    fitted = await artifacts.fit(whole, limit)
    path = artifacts.path(fitted)
    assert limit * 0.75 < path.stat().st_size == fitted.size <= limit
    assert kit.facts(path) == ("h264", "yuv420p", 320, 192, 48, 2.0)
    assert layout(path).index("moov") < layout(path).index("mdat")
    assert fitted.compressed
    assert fitted.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert artifacts.path(whole).read_bytes() == long_film


async def test_a_film_that_fits_only_with_fewer_pixels_gets_fewer(
    artifacts: CheckedArtifacts, long_film: bytes
) -> None:
    whole = await keep(artifacts, long_film)
    sizes = [await artifacts.fit(whole, limit) for limit in (9_000, 5_000)]
    assert all(fitted.size <= limit for fitted, limit in zip(sizes, (9_000, 5_000), strict=True))
    assert [whole.width, *(fitted.width for fitted in sizes)] == sorted(
        {whole.width, *(f.width for f in sizes)}, reverse=True
    )
    assert all(fitted.frames == 48 for fitted in sizes)


async def test_what_cannot_be_made_to_fit_is_said(artifacts: CheckedArtifacts, long_film: bytes) -> None:
    whole = await keep(artifacts, long_film)
    with pytest.raises(UnusableMedia, match="fit 900 bytes"):
        await artifacts.fit(whole, 900)


async def test_what_fits_already_is_left_alone(artifacts: CheckedArtifacts) -> None:
    whole = await keep(artifacts, kit.film())
    assert await artifacts.fit(whole, whole.size) is whole


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_picture_is_made_to_fit_as_a_jpeg(artifacts: CheckedArtifacts, kind: str) -> None:
    picture = kit.noise((128, 128)).resize((1024, 1024), Image.Resampling.BICUBIC)
    whole = await keep(artifacts, kit.encoded(picture, kind, quality=98))
    limits = (whole.size * 3 // 4, 60_000, 6_000)
    results = [await artifacts.fit(whole, limit) for limit in limits]
    assert all(0 < fitted.size <= limit for fitted, limit in zip(results, limits, strict=True))
    assert all(fitted.kind is MediaKind.JPEG for fitted in results)
    assert results[0].width == 1024 > results[-1].width


@pytest.mark.parametrize(
    ("body", "asked", "why"),
    [
        (kit.encoded(kit.four_corners(), "JPEG"), Capability.TEXT_TO_VIDEO, "is no film"),
        (kit.encoded(kit.four_corners(), "PNG"), Capability.IMAGE_TO_VIDEO, "is no film"),
        (kit.film(), Capability.TEXT_TO_IMAGE, "is a film, not a picture"),
    ],
    ids=["a picture for a film", "a picture for an animated one", "a film for a picture"],
)
async def test_what_was_not_asked_for_is_unusable(
    artifacts: CheckedArtifacts, body: bytes, asked: Capability, why: str
):
    job = kit.job("j1", asked)
    part = artifacts.part(job)
    part.write_bytes(body)
    with pytest.raises(UnusableMedia, match=why):
        await artifacts.keep(job, part)


async def test_a_forgotten_film_takes_its_smaller_copies_along(artifacts: CheckedArtifacts) -> None:
    whole, other = await keep(artifacts, kit.film()), await keep(artifacts, kit.film(), "j11")
    small, smaller = await artifacts.fit(whole, whole.size - 1), await artifacts.fit(whole, whole.size // 2)
    artifacts.forget(small)
    assert [artifacts.path(a).exists() for a in (whole, small, smaller, other)] == [True, False, True, True]
    artifacts.forget(whole)
    assert [artifacts.path(a).exists() for a in (whole, small, smaller, other)] == [False, False, False, True]
    artifacts.forget(whole)


async def test_old_films_that_nobody_knows_are_removed_with_their_copies(artifacts: CheckedArtifacts) -> None:
    old, known, young = [await keep(artifacts, kit.film(), job_id) for job_id in ("j1", "j2", "j3")]
    copies = [await artifacts.fit(whole, whole.size - 1) for whole in (old, known)]
    for artifact in (old, known, *copies):
        os.utime(artifacts.path(artifact), (0, 0))
    await artifacts.forget_strangers(60, {"v-j2"})
    assert [artifacts.path(each).exists() for each in (old, known, young, *copies)] == [False, True, True, False, True]


async def test_a_part_of_an_earlier_run_is_written_over(artifacts: CheckedArtifacts) -> None:
    artifacts.part(kit.job()).write_bytes(bytes(1 << 20))
    assert not artifacts.part(kit.job()).exists()
    first = await keep(artifacts, kit.film(frames=3))
    again = await keep(artifacts, kit.film(frames=5))
    assert (first.name, first.frames, again.name, again.frames) == ("v-j1.mp4", 3, "v-j1.mp4", 5)


async def test_a_disk_that_refuses_is_an_os_error_and_the_bytes_stay(artifacts: CheckedArtifacts) -> None:
    part = artifacts.part(kit.job())
    part.write_bytes(kit.film())
    blocked = part.with_name("v-j1.mp4")
    blocked.mkdir()
    with pytest.raises(OSError, match="directory"):
        await artifacts.keep(kit.job(), part)
    assert part.exists()
    blocked.rmdir()
    assert (await artifacts.keep(kit.job(), part)).frames == 12


async def test_several_results_at_once_are_all_kept(artifacts: CheckedArtifacts) -> None:
    kept = await asyncio.gather(*(keep(artifacts, kit.film(frames=n + 1), f"j{n}") for n in range(8)))
    assert [artifact.frames for artifact in kept] == list(range(1, 9))


async def test_work_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    artifacts = CheckedArtifacts(tmp_path, seconds=0.001)
    with pytest.raises(UnusableMedia, match="gave up"):
        await keep(artifacts, kit.film())
    await artifacts.close()
    assert list(tmp_path.iterdir()) == []


async def decoder() -> psutil.Process:
    """The next child that comes to life under this process."""
    while True:
        for child in psutil.Process().children():
            if "_film_work" in " ".join(child.cmdline()):
                return child
        await asyncio.sleep(0.002)


async def test_a_decoder_that_was_killed_from_outside_is_no_verdict(artifacts: CheckedArtifacts) -> None:
    work = asyncio.create_task(keep(artifacts, kit.film(frames=48, size=(320, 192))))
    (await decoder()).kill()
    assert (await work).frames == 48


async def test_closing_keeps_what_was_paid_for(tmp_path: Path) -> None:
    artifacts = CheckedArtifacts(tmp_path)
    work = asyncio.create_task(keep(artifacts, kit.film()))
    await decoder()
    await artifacts.close()
    with pytest.raises(OSError, match="closing"):
        await work
    assert (tmp_path / "j1.part").read_bytes() == kit.film()


async def test_tracks_of_any_kind_beside_the_film_are_no_obstacle(artifacts: CheckedArtifacts) -> None:
    body = io.BytesIO()
    with av.open(io.BytesIO(kit.film(sound=True))) as reader, av.open(body, "w", format="mp4") as writer:
        copies = {s.index: writer.add_stream_from_template(s) for s in reader.streams}
        texts = writer.add_mux_stream("mov_text")
        for packet in reader.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                writer.mux(packet)
        line = av.Packet(b"\0\x02hi")
        line.stream, line.pts, line.dts, line.duration = texts, 0, 0, 100
        writer.mux(line)
    kept = await keep(artifacts, body.getvalue())
    with av.open(str(artifacts.path(kept))) as reader:
        assert [track.type for track in reader.streams] == ["video", "audio"]


async def test_what_an_earlier_process_received_is_found_again(artifacts: CheckedArtifacts) -> None:
    assert artifacts.left_over(kit.job()) is None
    body = kit.film()
    artifacts.part(kit.job()).write_bytes(body)
    left = artifacts.left_over(kit.job())
    assert left is not None
    kept = await artifacts.keep(kit.job(), left)
    again = artifacts.left_over(kit.job())
    assert again is not None
    assert await artifacts.keep(kit.job(), again) == kept


@pytest.mark.parametrize("running", [False, True])
async def test_only_what_was_left_long_ago_is_cleared_away(tmp_path: Path, running: bool) -> None:
    artifacts = CheckedArtifacts(tmp_path)
    if running:
        await artifacts.start()
    for name in ("old.part", "new.part", "v-old.mp4"):
        (tmp_path / name).touch()
    for name in ("old.part", "v-old.mp4"):
        os.utime(tmp_path / name, (1e9, 1e9))
    # Another process has a file like this for a moment only.
    (tmp_path / "gone.part").symlink_to("nowhere")
    await (artifacts.forget_strangers(1, {"v-old"}) if running else artifacts.start())
    await artifacts.close()
    (tmp_path / "gone.part").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.part", "v-old.mp4"]


@pytest.mark.parametrize("name", ["../v-1.mp4", "v-1.exe", "v-1.mp4\n", "", "v-a/b.mp4", "v-1.x.mp4"])
async def test_a_name_that_was_never_given_is_no_path(artifacts: CheckedArtifacts, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        artifacts.path(Artifact(name, MediaKind.FILM, 1, "", 1, 1, "h264"))


@pytest.mark.parametrize("job_id", ["../x", "", "a b", "x.mp4", "a\0"])
async def test_an_id_that_cannot_be_a_name_is_refused(artifacts: CheckedArtifacts, job_id: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        artifacts.part(kit.job(job_id))


class TestCrashes:
    async def test_work_on_a_film_is_counted_while_it_lasts(self, artifacts: CheckedArtifacts):
        keeping = asyncio.ensure_future(keep(artifacts, kit.film(), "j9"))
        while not artifacts.crashes(kit.job("j9")):
            await asyncio.sleep(0)
        assert artifacts.crashes(kit.job("j9")) == 1
        await keeping
        assert artifacts.crashes(kit.job("j9")) == 0

    async def test_a_film_that_waits_for_its_turn_is_not_counted(self, tmp_path: Path):
        artifacts = CheckedArtifacts(tmp_path, at_once=1, seconds=60)
        await artifacts.start()
        jobs = [kit.job(f"j{number}") for number in range(5)]
        keeping = [asyncio.ensure_future(keep(artifacts, kit.film(), job.id)) for job in jobs]
        most = 0
        while not all(each.done() for each in keeping):
            most = max(most, sum(map(artifacts.crashes, jobs)))
            await asyncio.sleep(0)
        assert most == 1
        await asyncio.gather(*keeping)
        await artifacts.close()

    async def test_a_first_step_that_succeeds_does_not_forget_the_crash_before(self, artifacts: CheckedArtifacts):
        job = kit.job("j9")
        part = artifacts.part(job)
        part.write_bytes(kit.film(flags=""))
        part.with_name("j9.working").write_bytes(b".")
        seen = set()
        keeping = asyncio.ensure_future(artifacts.keep(job, part))
        while not keeping.done():
            seen.add(artifacts.crashes(job))
            await asyncio.sleep(0)
        await keeping
        assert {1, 2} <= seen <= {0, 1, 2}
        assert artifacts.crashes(job) == 0

    async def test_work_that_is_broken_off_in_good_order_is_no_crash(self, artifacts: CheckedArtifacts):
        job = kit.job("j9")
        part = artifacts.part(job)
        part.write_bytes(kit.film())
        keeping = asyncio.ensure_future(artifacts.keep(job, part))
        await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert artifacts.crashes(job) == 0
        artifacts.give_up(job)

    async def test_what_two_processes_ended_over_is_not_made_to_fit_by_a_third(self, artifacts: CheckedArtifacts):
        kept = await keep(artifacts, kit.film(), "j9")
        working = artifacts.path(kept).with_name("j9.working")
        working.write_bytes(b"..")
        with pytest.raises(UnusableMedia, match="processes have ended"):
            await artifacts.fit(kept, kept.size - 1)
        assert artifacts.crashes(kit.job("j9")) == 2
        artifacts.give_up(kit.job("j9"))

    async def test_what_a_crash_has_left_is_removed_when_the_job_is_given_up(self, artifacts: CheckedArtifacts):
        job = kit.job("j9")
        artifacts.part(job).write_bytes(b"half a film")
        artifacts.part(job).with_name("j9.working").write_bytes(b"..")
        assert artifacts.crashes(job) == 2
        artifacts.give_up(job)
        assert (artifacts.crashes(job), artifacts.left_over(job)) == (0, None)
