"""`matinee run`, `doctor` and `sync`, as an operator meets them: one line that helps, and never a secret."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from e2e_kit import Scene, eventually, scene

from bot.sandbox.discord import Fault
from bot.sandbox.providers import ProviderFault

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
SECRET = "hush-hush-0123456789"


@dataclass(frozen=True)
class Ended:
    code: int | None
    out: str
    error: str


async def matinee(*arguments: str, cwd: Path = ROOT, **environment: str) -> Ended:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MATINEE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, cwd=cwd, env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, error = await process.communicate()
    return Ended(process.returncode, out.decode(), error.decode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def it(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Discord and the providers; the bot is started by the tests."""
    async with scene(tmp_path_factory.mktemp("command"), start=False) as playing:
        yield playing


@pytest.fixture
def file(it: Scene, tmp_path: Path) -> Path:
    """A configuration that works."""
    path = tmp_path / "matinee.toml"
    text = it.stage.configuration().replace(str(it.stage.folder), str(tmp_path))
    path.write_text(text, "utf-8")
    return path


WRONG: list[tuple[str, str, str, tuple[str, ...]]] = [
    (r"^\[discord\]$", "[discord", "is not TOML", ("fix:",)),
    (r'^token = ".*"\napi_url', f'tokn = "{SECRET}"\napi_url', "discord.token", ("is missing", "DISCORD__TOKEN")),
    (r"^\[media\]$", f'[media]\nsecret = "{SECRET}"', "media.secret", ("no key that Matinee knows",)),
    (r"^\[media\]$", '[media]\nkeep_days = "soon"', "media.keep_days", ("number",)),
    (r"^\[media\]$", "[media]\nkeep_days = -1", "media.keep_days", ("more than 0", "wrong")),
    (r"^\[limits\]$", "[limits]\nqueued_per_night = 1", "limits.queued_per_night", ("no key",)),
    (r"^burst = .*$", "burst = 0", "limits.burst", ("1",)),
    (r"^api_url = .*$", 'api_url = "discord.com"', "discord.api_url", ("http",)),
    (r"^url = .*$", 'url = "postgres://x"', "storage.url", ("sqlite:///",)),
    (r"^\[limits\]$", '[defaults]\nvideo = "gpt"\n[limits]', "defaults.video", ("one of", "wan22-fast-t2v")),
    (r"^\[limits\]$", '[defaults]\nimage = "wan2.1-14b"\n[limits]', "defaults.image", ("qwen-image",)),
    (r"(?s)^\[providers.*", "", "providers", ("is missing",)),
    (r"^\[providers.pipelet\]$", f'[providers.pipelet]\nuser = "{SECRET}"', "providers.pipelet.user", ("no key",)),
    (r"^\[providers.pipelet\]$", "[providers.magic]\n[providers.pipelet]", "providers.magic", ("no key",)),
    (r"^token = \"sandbox-chutes.*$", f'token = "{SECRET} two words"', "providers.chutes", ("token",)),
    (r'^"skyreels" = .*$', f'"skyreels" = "http://u:{SECRET}@x/"', "providers.chutes", ("address",)),
    (r'^"skyreels" = .*$', '"skyrails" = "http://localhost:1"', "providers.chutes", ("skyrails",)),
    (r"^\[limits\]$", "[web]\nport = 99999\n[limits]", "web.port", ("65535",)),
    (r"^\[limits\]$", '[jobs]\ndrain_seconds = "x"\n[limits]', "jobs.drain_seconds", ("number",)),
    (r"^\[limits\]$", '[models."skyreels"]\nfall_back = ["gpt"]\n[limits]', "models.skyreels.fall_back", ("wrong",)),
    (r"^directory = .*$", 'directory = "/proc/none"', "media.directory", ("cannot be written",)),
    (r"^url = .*$", 'url = "sqlite:////proc/none/x.db"', "storage.url", ("cannot be opened",)),
]  # fmt: skip


async def test_a_wrong_file_stops_the_start_with_one_line_that_says_how_to_mend_it(file: Path) -> None:
    right = file.read_text("utf-8")
    turn = asyncio.Semaphore(3)

    async def run(number: int, pattern: str, instead: str) -> Ended:
        wrong = file.with_name(f"wrong{number}.toml")
        text, changes = re.subn(pattern, instead.replace("\\", r"\\"), right, count=1, flags=re.MULTILINE)
        assert changes == 1, pattern
        wrong.write_text(text, "utf-8")
        async with turn:
            return await matinee("run", "--config", str(wrong))

    runs = [run(number, pattern, instead) for number, (pattern, instead, _, _) in enumerate(WRONG)]
    for ended, (_, instead, key, words) in zip(await asyncio.gather(*runs), WRONG, strict=True):
        assert ended.code == 2, (instead, ended)
        (line,) = ended.error.strip().splitlines()
        assert key in line
        assert "fix:" in line
        assert [word for word in words if word not in line] == [], line
        assert SECRET not in ended.out + ended.error


async def test_a_file_that_is_not_there_and_a_wrong_variable_are_named(file: Path) -> None:
    for ended, word in (
        (await matinee("run", "--config", str(file.with_name("none.toml"))), "none.toml"),
        (await matinee("run", "--config", str(file), MATINEE_LIMITS__BURST="many"), "MATINEE_LIMITS__BURST"),
        (await matinee("run", "--config", str(file), MATINEE_LIMIT__BURST="5"), "MATINEE_LIMIT__BURST"),
        (await matinee("run", "--config", str(file), MATINEE_DISCORD__TOKEN=""), "MATINEE_DISCORD__TOKEN"),
    ):
        assert ended.code == 2
        (line,) = ended.error.strip().splitlines()
        assert word in line
        assert "fix:" in line


async def test_a_database_path_that_holds_something_else_is_named_and_left_alone(file: Path) -> None:
    before = file.read_bytes()
    ended = await matinee("run", "--config", str(file), MATINEE_STORAGE__URL=f"sqlite:///{file}")
    assert ended.code == 2
    (line,) = ended.error.strip().splitlines()
    for words in ("MATINEE_STORAGE__URL", "storage.url", "holds no sound SQLite database", "fix: name another file"):
        assert words in line
    assert file.read_bytes() == before


async def test_a_token_that_discord_refuses_ends_with_78(it: Scene, file: Path) -> None:
    ended = await matinee("run", "--config", str(file), MATINEE_DISCORD__TOKEN=SECRET)
    assert ended.code == 78
    assert "token" in ended.error
    assert SECRET not in ended.error
    ended = await matinee("sync", "--config", str(file), MATINEE_DISCORD__TOKEN=SECRET)
    assert ended.code == 78


async def test_doctor_says_ok_to_everything_or_what_is_wrong(it: Scene, file: Path) -> None:
    ended = await matinee("doctor", "--config", str(file))
    assert ended.code == 0, ended.out
    lines = ended.out.splitlines()
    names = [line.split()[1] for line in lines]
    assert names == ["configuration", "discord", "chutes", "cogvideox", "pipelet", "media", "database"]
    assert all(line.startswith("ok ") for line in lines)
    assert it.providers.generations == []
    troubles: list[tuple[dict[str, str], str]] = [
        ({"MATINEE_DISCORD__TOKEN": SECRET}, "discord"),
        ({"MATINEE_DISCORD__API_URL": "http://127.0.0.1:9/api"}, "discord"),
        ({"MATINEE_PROVIDERS__PIPELET__TOKEN": SECRET}, "pipelet"),
        ({"MATINEE_PROVIDERS__COGVIDEOX__BASE_URL": "http://127.0.0.1:9"}, "cogvideox"),
        ({"MATINEE_PROVIDERS__CHUTES__BASE_URLS": '{"skyreels": "http://127.0.0.1:9"}'}, "chutes"),
        ({"MATINEE_MEDIA__DIRECTORY": "/proc/none"}, "media"),
        ({"MATINEE_LIMITS__BURST": "none"}, "configuration"),
    ]
    runs = [matinee("doctor", "--config", str(file), **environment) for environment, _ in troubles]
    for ended, (environment, failing) in zip(await asyncio.gather(*runs), troubles, strict=True):
        assert ended.code == 1, environment
        (line,) = [line for line in ended.out.splitlines() if line.startswith("FAIL")]
        assert line.split()[1] == failing
        assert SECRET not in ended.out + ended.error
    database = file.with_name("broken.db")
    database.write_bytes(b"no database" * 1000)
    ended = await matinee("doctor", "--config", str(file), MATINEE_STORAGE__URL=f"sqlite:///{database}")
    assert ended.code == 1, ended
    (line,) = [line for line in ended.out.splitlines() if line.startswith("FAIL")]
    assert line.split()[1] == "database"


async def test_a_database_that_cannot_be_used_is_one_line_too(file: Path) -> None:
    garbage, newer = file.with_name("garbage.db"), file.with_name("newer.db")
    garbage.write_bytes(b"no database" * 1000)
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 999")
    for database in (garbage, newer):
        ended = await matinee("run", "--config", str(file), MATINEE_STORAGE__URL=f"sqlite:///{database}")
        assert ended.code == 2, ended
        (line,) = ended.error.strip().splitlines()
        assert "storage.url" in line


async def test_sync_tells_discord_and_a_start_does_not_repeat_what_it_knows(it: Scene, file: Path) -> None:
    def syncs() -> int:
        return len(it.discord.transcript.rest("PUT", "/commands"))

    before = syncs()
    assert (await matinee("sync", "--config", str(file))).code == 0
    assert syncs() == before + 1
    it.stage.folder, kept = file.parent, it.stage.folder
    await it.start()
    assert syncs() == before + 1

    def remembered() -> list[dict[str, Any]]:
        return it.rows("SELECT value FROM facts WHERE name = 'commands'")

    # Beside a process that runs it writes nothing: SQLite may not take two that do.
    assert len(remembered()) == 1
    with contextlib.closing(sqlite3.connect(it.database, isolation_level=None)) as connection:
        connection.execute("DELETE FROM facts WHERE name = 'commands'")
    assert (await matinee("sync", "--config", str(file))).code == 0
    assert remembered() == []
    assert await it.stop() == 0
    assert (await matinee("sync", "--config", str(file))).code == 0
    assert len(remembered()) == 1
    it.stage.folder = kept


@pytest.mark.parametrize("fault", [{"retry_after": 300}, {"drop": "before", "times": 2}], ids=str)
async def test_commands_that_discord_does_not_take_now_keep_nobody_from_starting(
    it: Scene, file: Path, fault: dict[str, Any]
) -> None:
    other = f"sqlite:///{file.with_name('other.db')}"
    assert (await matinee("sync", "--config", str(file), MATINEE_STORAGE__URL=other)).code == 0
    for _ in range(2):
        it.discord.faults.add(Fault("PUT /applications/*/commands", **fault))
    ended = await matinee("sync", "--config", str(file))
    assert ended.code == 1, ended
    assert "Discord does not take the commands" in ended.error
    assert "Traceback" not in ended.error
    it.stage.folder, kept = file.parent, it.stage.folder
    await it.start()
    assert await it.stop() == 0
    it.stage.folder = kept
    it.discord.faults.clear()


async def test_settings_come_from_the_environment_and_secrets_from_files(it: Scene, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(it.discord.bot_token + "\n", "utf-8")
    tokens = it.providers.tokens
    port = await free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL,
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MATINEE_DISCORD__TOKEN_FILE": str(secret),
            "MATINEE_DISCORD__API_URL": it.discord.api_url, "MATINEE_PROVIDERS__PIPELET__TOKEN": tokens["pipelet"],
            "MATINEE_PROVIDERS__PIPELET__BASE_URL": it.providers.pipelet_base_url, "MATINEE_WEB__PORT": str(port),
            "MATINEE_LIMITS__BURST": "3",
        },
    )  # fmt: skip
    try:
        await it.discord.until(it.stage.online, timeout=30)
        await only_pipelet_is_on_offer(it)
        await health_pages_answer(port)
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    await it.offline()
    assert (tmp_path / "data" / "matinee.db").stat().st_mode & 0o077 == 0


async def test_a_configuration_with_tokens_that_everybody_may_read_is_spoken_of(it: Scene, file: Path) -> None:
    secret = file.with_name("secret")
    secret.write_text(it.discord.bot_token, "utf-8")
    elsewhere = re.sub('^token = ".*"$', f'token_file = "{secret}"', file.read_text("utf-8"), flags=re.MULTILINE)
    for mode, text, spoken in ((0o644, file.read_text("utf-8"), 1), (0o600, None, 0), (0o644, elsewhere, 0)):
        file.write_text(text or file.read_text("utf-8"), "utf-8")
        file.chmod(mode)
        # Discord refuses it, so that the start ends by itself.
        refused = await matinee("run", "--config", str(file), MATINEE_DISCORD__TOKEN=SECRET)
        assert refused.code == 78
        assert refused.error.count(f"chmod 600 {file}") == spoken
        assert it.discord.bot_token not in refused.error


async def free_port() -> int:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1")
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    return port


async def only_pipelet_is_on_offer(it: Scene) -> None:
    choices = await it.alice.complete(it.channel, "video", focused="model", prompt="x", model="")
    assert {choice["value"] for choice in choices} == {f"wan22-fast-t2v{tier}" for tier in ("", "-premium", "-pro")}
    reply = await it.alice.slash(it.channel, "image", prompt="x")
    assert reply.message is not None
    assert "no model for `/image`" in reply.message.content
    reply = await it.alice.slash(it.channel, "video", prompt="x", model="wan2.1-14b")
    assert reply.message is not None
    assert "no such model" in reply.message.content


async def health_pages_answer(port: int, ready: int = 200, meanwhile: Callable[[], object] = lambda: None) -> None:
    statuses: dict[str, int] = {}
    async with aiohttp.ClientSession() as session, asyncio.timeout(20):
        while statuses != {"healthz": 200, "readyz": ready}:
            meanwhile()
            for path in ("healthz", "readyz"):
                async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                    assert await response.json()
                    statuses[path] = response.status
            # The library is ready a while after the last guild has come in.
            assert statuses["healthz"] == 200
            assert statuses["readyz"] in (200, 503)


async def test_a_bot_that_has_lost_discord_does_not_say_that_it_is_ready(it: Scene, tmp_path: Path) -> None:
    port = await free_port()
    it.stage.folder, kept = tmp_path, it.stage.folder
    await it.start(MATINEE_WEB__PORT=str(port))
    await health_pages_answer(port)
    await health_pages_answer(port, 503, meanwhile=lambda: it.discord.faults.add(Fault(gateway="drop")))
    await health_pages_answer(port)
    await it.stop()
    it.stage.folder = kept


async def test_the_models_of_a_server_of_ones_own_are_those_that_it_names(it: Scene, tmp_path: Path) -> None:
    it.providers.faults.add(
        ProviderFault(
            provider="cogvideox", step="info", status=200, headers={"Content-Type": "application/json"}, times=2,
            body='{"model": "cog-5b", "config": {"min_frames": 10, "max_frames": 20, "default_fps": 10}}',
        )
    )  # fmt: skip
    it.stage.folder, kept = tmp_path, it.stage.folder
    await it.start()
    choices = await it.alice.complete(it.channel, "video", focused="model", prompt="x", model="cog")
    assert [choice["value"] for choice in choices] == ["cog-5b"]
    reply = await it.alice.slash(it.channel, "video", prompt="x", model="cog-5b", duration=3)
    assert reply.message is not None
    assert "1 to 2" in reply.message.content
    await eventually(lambda: it.alive)
    await it.stop()
    it.stage.folder = kept


async def test_a_provider_that_hangs_keeps_nobody_from_starting(it: Scene, tmp_path: Path) -> None:
    it.providers.faults.add(ProviderFault(provider="cogvideox", step="info", delay=60))
    it.stage.folder, kept = tmp_path, it.stage.folder
    began = time.monotonic()
    await it.start()
    assert time.monotonic() - began < 20
    began = time.monotonic()
    assert await it.stop() == 0
    assert time.monotonic() - began < 5
    it.stage.folder = kept
    it.providers.faults.clear()
