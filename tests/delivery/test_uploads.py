"""Members' pictures: only from Discord, only so many bytes, only so long."""

import asyncio
import gzip
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yarl
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from bot.delivery.addresses import Guarded, origin
from bot.delivery.uploads import CdnUploads
from bot.domain.errors import BadPicture, PictureProblem, StorageUnavailable
from bot.media.pictures import SafePictures
from tests.support.clock import LeapingClock

LIMIT = 100_000
PICTURE = bytes(range(256)) * 100


@dataclass(frozen=True)
class Attached:
    url: str
    size: int = 1000
    option: str = "image"


class Trap:
    """Listens, and counts who connects."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Trap"]:
        def caught(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            writer.close()

        server = await asyncio.start_server(caught, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self


class Pointing(AbstractResolver):
    """Every name leads to these addresses; asked names are remembered."""

    def __init__(self, *addresses: str, port: int = 0) -> None:
        self.addresses, self.port = addresses, port
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=self.port or port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[yarl.URL]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield yarl.URL(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def uploads(tmp_path: Path, trusted: yarl.URL | None, **settings: float) -> CdnUploads:
    return CdnUploads(tmp_path, LIMIT, LeapingClock(), trusted=trusted, **settings)


async def refused(source: CdnUploads, url: str, size: int = 1000) -> BadPicture:
    with pytest.raises(BadPicture) as caught:
        await source.fetch(Attached(url, size, "last_image"))
    assert caught.value.option == "last_image"
    return caught.value


async def test_the_bytes_arrive_in_a_file_that_only_we_can_read(tmp_path):
    seen: list[web.Request] = []

    async def picture(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(body=PICTURE)

    async with serving(picture) as server:
        source = uploads(tmp_path, server / "api/v10")
        one, other = [await source.fetch(Attached(f"{server}/a/b.png?ex=1&hm=%2Fx")) for _ in range(2)]
    assert one.read_bytes() == other.read_bytes() == PICTURE
    assert one.name != other.name
    assert one.parent == tmp_path
    assert stat.S_IMODE(one.stat().st_mode) == 0o600
    assert seen[0].raw_path == "/a/b.png?ex=1&hm=%2Fx"
    assert seen[0].headers["Accept-Encoding"] == "identity"
    assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(seen[0].headers)


async def test_what_a_killed_process_has_left_of_one_is_cleared_away_in_time(tmp_path):
    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    async with serving(picture) as server:
        left = await uploads(tmp_path, server).fetch(Attached(f"{server}/a.png"))
    os.utime(left, (1e9, 1e9))
    pictures = SafePictures(tmp_path, max_bytes=LIMIT)
    await pictures.start()
    await pictures.close()
    assert not left.exists()


async def test_cookies_are_not_kept(tmp_path):
    seen: list[str | None] = []

    async def picture(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Cookie"))
        return web.Response(body=PICTURE, headers={"Set-Cookie": "who=me; Path=/"})

    async with serving(picture) as server:
        source = uploads(tmp_path, server)
        for _ in range(2):
            await source.fetch(Attached(str(server / "a.png")))
    assert seen == [None, None]


async def test_a_body_larger_than_it_says_is_cut_off_at_the_limit(tmp_path):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 100 * LIMIT:
            await response.write(bytes(10_000))
            sent += 10_000
        return response

    async with serving(endless) as server:
        problem = await refused(uploads(tmp_path, server), str(server / "a.png"), size=10)
    assert (problem.problem, problem.limit) == (PictureProblem.TOO_MANY_BYTES, LIMIT)
    assert sent < 100 * LIMIT
    assert list(tmp_path.iterdir()) == []


async def test_what_is_announced_as_too_large_is_not_even_asked_for(tmp_path):
    async with Trap().open() as trap:
        source = uploads(tmp_path, yarl.URL(f"http://127.0.0.1:{trap.port}"))
        problem = await refused(source, f"http://127.0.0.1:{trap.port}/a.png", size=LIMIT + 1)
        assert problem.problem is PictureProblem.TOO_MANY_BYTES
        assert trap.connections == 0


async def test_no_bytes_are_no_picture(tmp_path):
    async def nothing(request: web.Request) -> web.Response:
        return web.Response(body=b"")

    async with serving(nothing) as server:
        problem = await refused(uploads(tmp_path, server), str(server / "a.png"))
    assert problem.problem is PictureProblem.EMPTY
    assert list(tmp_path.iterdir()) == []


async def test_a_slow_picture_is_given_up(tmp_path):
    async def drop_by_drop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x")
            await asyncio.sleep(0.02)
        return response

    async with serving(drop_by_drop) as server:
        problem = await refused(uploads(tmp_path, server, seconds=0.3), str(server / "a.png"))
    assert problem.problem is PictureProblem.UNREACHABLE
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 400, 403, 404, 206])
async def test_an_answer_that_is_not_the_picture_is_final(tmp_path, status):
    asked = 0

    async with Trap().open() as trap:

        async def answer(request: web.Request) -> web.Response:
            nonlocal asked
            asked += 1
            return web.Response(
                status=status, body=b"elsewhere", headers={"Location": f"http://127.0.0.1:{trap.port}/x"}
            )

        async with serving(answer) as server:
            problem = await refused(uploads(tmp_path, server), str(server / "a.png"))
        assert trap.connections == 0
    assert problem.problem is PictureProblem.UNREACHABLE
    assert asked == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_passing_trouble_is_tried_three_times(tmp_path, status):
    asked = 0

    async def third_time_lucky(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(body=PICTURE) if asked % 3 == 0 else web.Response(status=status)

    async def never(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=status)

    async with serving(third_time_lucky) as server:
        found = await uploads(tmp_path, server).fetch(Attached(str(server / "a.png")))
    assert found.read_bytes() == PICTURE
    found.unlink()
    asked = 0
    async with serving(never) as server:
        problem = await refused(uploads(tmp_path, server), str(server / "a.png"))
    assert problem.problem is PictureProblem.UNREACHABLE
    assert asked == 3


async def test_a_picture_that_breaks_off_is_fetched_again(tmp_path):
    asked = 0

    async def breaking(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        response = web.StreamResponse(headers={"Content-Length": str(len(PICTURE))})
        await response.prepare(request)
        await response.write(PICTURE if asked == 2 else PICTURE[:100])
        if asked == 1 and request.transport is not None:
            request.transport.close()
        return response

    async with serving(breaking) as server:
        found = await uploads(tmp_path, server).fetch(Attached(str(server / "a.png")))
    assert found.read_bytes() == PICTURE


async def test_compressed_bytes_are_not_unpacked(tmp_path):
    async def bomb(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(bytes(50_000_000)), headers={"Content-Encoding": "gzip"})

    async with serving(bomb) as server:
        problem = await refused(uploads(tmp_path, server), str(server / "a.png"))
    assert problem.problem is PictureProblem.UNREACHABLE


async def test_a_folder_that_takes_nothing_is_the_operators_trouble(tmp_path):
    source = uploads(tmp_path / "gone", yarl.URL("http://127.0.0.1:1"))
    with pytest.raises(StorageUnavailable):
        await source.fetch(Attached("http://127.0.0.1:1/a.png"))


@pytest.mark.parametrize("url", ["https://cdn.discordapp.com/a.png", "https://media.discordapp.net/a.png"])
@pytest.mark.parametrize(
    "inwards",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "ff02::1",
    ],
)
async def test_a_name_of_discord_that_leads_inwards_leads_nowhere(tmp_path, url, inwards):
    async with Trap().open() as trap:
        resolver = Pointing(inwards, port=trap.port)
        source = CdnUploads(tmp_path, LIMIT, LeapingClock(), resolver=lambda: resolver)
        problem = await refused(source, url)
        assert trap.connections == 0
    assert problem.problem is PictureProblem.UNREACHABLE
    assert resolver.asked


@pytest.mark.parametrize("host", ["cdn.discordapp.com", "media.discordapp.net"])
async def test_of_discords_addresses_only_public_ones_are_left(host):
    source = origin(f"https://{host}/attachments/1/2/a.png?ex=1", None)
    assert source is not None
    resolver = Pointing("192.0.2.1", "8.8.8.8", "127.0.0.1", "2606:4700::1", "64:ff9b::a9fe:a9fe", "::ffff:8.8.8.8")
    found = await Guarded(resolver, source.admits).resolve(host, 443)
    assert [each["host"] for each in found] == ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8"]


CDN, PATH = "cdn.discordapp.com", "attachments/1/2/a.png"
TRICKS = [
    *(f"{scheme}://{CDN}/{PATH}" for scheme in ("http", "ftp", "file", "ws", "wss", "gopher", "HTTP", "data", "unix")),
    *(f"https://{CDN}:{port}/{PATH}" for port in (0, 1, 22, 80, 444, 8443, 65535, 65536, 99999)),
    *(f"https://{CDN}:{port}/{PATH}" for port in ("", "-1", "443x", "０443", "4 43", "+443", "443:443")),
    *(f"https://{user}@{CDN}/{PATH}" for user in ("me", "me:secret", ":", "me%40evil.example", "127.0.0.1", "a@b")),
    *(
        f"https://{CDN}{tail}/{PATH}"
        for tail in (".", "..", ".evil.example", "@evil.example", "%00.evil.example", "%2e")
    ),
    *(f"https://{CDN}{tail}" for tail in ("\\@evil.example", "\\.evil.example/a", "\t/a", "\r\n/a", " /a", "\x00/a")),
    *(f"https://{head}{CDN}/{PATH}" for head in ("evil", "evil.", "www.", "x-", ".", "-", "%", "127.0.0.1#", "a/")),
    *(f"https://{host}/{PATH}" for host in ("discordapp.com", "discord.com", "cdn.discordapp.net", "cdn.discord.com")),
    *(f"https://{host}/{PATH}" for host in ("media.discordapp.com", "CDN.discordapp.com.", "cdn-discordapp.com")),
    *(
        f"https://{host}/{PATH}"
        for host in ("сdn.discordapp.com", "cdn。discordapp。com", "cdn.discordapp.com。", "ⓒdn.discordapp.com")
    ),
    *(f"https://{host}/{PATH}" for host in ("xn--dn-xmc.discordapp.com", "cdn.dıscordapp.com", "cdn.discordapp.ⅽom")),
    *(
        f"https://{host}/{PATH}"
        for host in ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "0.0.0.0")
    ),
    *(
        f"https://{host}/{PATH}"
        for host in ("localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "127.0.0.1.")
    ),
    *(
        f"https://{host}/{PATH}"
        for host in ("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[fe80::1%25lo]")
    ),
    *(f"https://{host}/{PATH}" for host in ("169.254.169.254", "metadata.google.internal", "10.0.0.1", "192.168.0.1")),
    *(
        f"https://{host}/{PATH}"
        for host in ("127.0.0.1.nip.io", "cdn.discordapp.com.nip.io", "１２７.0.0.1", "①②⑦.0.0.1")
    ),
    *(f"http://127.0.0.1:PORT{tail}" for tail in ("/a.png", "/", "", "?a", "#a", f"/@{CDN}/", f"?https://{CDN}/")),
    *(
        f"http://{host}:PORT/a.png"
        for host in ("localhost", "[::1]", "0.0.0.0", "127.0.0.2", "127.1", f"{CDN}@127.0.0.1")
    ),
    *(f"https://127.0.0.1:PORT{tail}" for tail in ("/a.png", f"/@{CDN}/")),
    *("", " ", "/", "//", "https://", "https:", "https:///", f"//{CDN}/a", CDN, f"https:/{CDN}/a", f"https:{CDN}/a"),
    *(
        f" https://{CDN}/a",
        f"https://{CDN}/a b",
        f"https://{CDN}/\ud83c\udfac",
        f"https://{CDN}/a\r\nHost: x",
        f"\nhttps://{CDN}/",
    ),
    *(
        f"https://{CDN}/{'a' * 3000}",
        f"jar:https://{CDN}/a!/b",
        f"view-source:https://{CDN}/",
        f"https://https://{CDN}/",
    ),
]


def test_there_are_enough_tricks():
    assert len(TRICKS) >= 120
    assert len(set(TRICKS)) == len(TRICKS)


async def test_no_trick_opens_a_connection_or_even_asks_for_a_name(tmp_path):
    async with Trap().open() as trap:
        resolver = Pointing("127.0.0.1", port=trap.port)
        source = CdnUploads(tmp_path, LIMIT, LeapingClock(), resolver=lambda: resolver)
        for trick in TRICKS:
            problem = await refused(source, trick.replace("PORT", str(trap.port)))
            assert problem.problem is PictureProblem.UNREACHABLE, trick
        assert (trap.connections, resolver.asked) == (0, [])
    assert list(tmp_path.iterdir()) == []


async def test_on_loopback_any_port_there_is_trusted_and_nothing_else(tmp_path):
    async def picture(request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    async with serving(picture) as cdn, Trap().open() as trap:
        resolver = Pointing("93.184.216.34", "127.0.0.1", port=cdn.port or 0)
        source = CdnUploads(
            tmp_path, LIMIT, LeapingClock(), trusted=yarl.URL("http://127.0.0.1:1/api/v10"), resolver=lambda: resolver
        )
        for host in ("127.0.0.1", "localhost"):
            found = await source.fetch(Attached(f"http://{host}:{cdn.port}/a.png"))
            assert found.read_bytes() == PICTURE
        for wrong in (
            f"https://127.0.0.1:{trap.port}/",
            f"http://evil.example:{trap.port}/",
            f"http://10.0.0.1:{trap.port}/",
            f"http://0.0.0.0:{trap.port}/",
            f"http://localhost.evil.example:{trap.port}/",
            f"http://me@127.0.0.1:{trap.port}/",
        ):
            await refused(source, wrong)
        assert trap.connections == 0


async def test_elsewhere_exactly_the_operators_origin_is_trusted(tmp_path):
    async def picture(request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    async with serving(picture) as proxy:
        resolver = Pointing("127.0.0.1", port=proxy.port or 0)
        trusted = yarl.URL("http://discord-proxy.lan:8080/api/v10")
        source = CdnUploads(tmp_path, LIMIT, LeapingClock(), trusted=trusted, resolver=lambda: resolver)
        found = await source.fetch(Attached("http://discord-proxy.lan:8080/attachments/a.png"))
        assert found.read_bytes() == PICTURE
        asked = len(resolver.asked)
        for wrong in (
            "http://discord-proxy.lan/a.png",
            "http://discord-proxy.lan:8081/a.png",
            "https://discord-proxy.lan:8080/a.png",
            "http://lan:8080/a.png",
            f"http://127.0.0.1:{proxy.port}/a.png",
        ):
            await refused(source, wrong)
        assert len(resolver.asked) == asked
