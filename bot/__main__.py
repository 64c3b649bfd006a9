"""The command line: `matinee run`, `demo`, `sync`, `doctor`."""

import asyncio
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from bot import logs
from bot.config import ConfigurationError, Settings, load

app = typer.Typer(
    name="matinee", help="Short films and pictures for Discord guilds.", no_args_is_help=True, add_completion=False,
    pretty_exceptions_enable=False,
)  # fmt: skip

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The TOML file; without it ./matinee.toml, if there is one, and the environment."),
]
_DEFAULT_FILE = Path("matinee.toml")
_BAD_CONFIGURATION = 2


def _named(file: Path | None) -> Path | None:
    return file or (_DEFAULT_FILE if _DEFAULT_FILE.exists() else None)


def _settings(file: Path | None) -> Settings:
    return load(_named(file))


def _refuse(error: ConfigurationError, file: Path | None) -> typer.Exit:
    typer.echo(error.line(_named(file)), err=True)
    return typer.Exit(_BAD_CONFIGURATION)


def _secrets(settings: Settings) -> list[str]:
    sections = (settings.discord, settings.providers.chutes, settings.providers.cogvideox, settings.providers.pipelet)
    return [section.token.get_secret_value() for section in sections if section is not None]


def _caution(file: Path | None, secrets: Collection[str]) -> str | None:
    """A configuration with tokens in it is for its owner (RELIABILITY, threat 12)."""
    if file is None or not file.stat().st_mode & stat.S_IROTH:
        return None
    text = file.read_text("utf-8-sig")
    exposed = any(secret in text for secret in secrets)
    return f"{file} holds tokens and every user of this machine may read it: chmod 600 {file}" if exposed else None


@app.command()
def run(config: ConfigOption = None, verbose: bool = False) -> None:
    """Run the bot until SIGTERM or SIGINT."""
    try:
        settings = _settings(config)
        secrets = _secrets(settings)
        logs.set_up(secrets, verbose=verbose)
        from bot.app import App

        code = asyncio.run(App(settings, _caution(_named(config), secrets)).run())
    except ConfigurationError as error:
        raise _refuse(error, config) from None
    raise typer.Exit(code)


@app.command()
def sync(config: ConfigOption = None) -> None:
    """Tell Discord about the commands, changed or not."""
    try:
        settings = _settings(config)
        logs.set_up(_secrets(settings))
        from bot.app import App

        code = asyncio.run(App(settings).sync())
    except ConfigurationError as error:
        raise _refuse(error, config) from None
    raise typer.Exit(code)


@app.command()
def doctor(config: ConfigOption = None) -> None:
    """Check the file, the token, each provider, the folders and the database: a line each, exit code 1 if any fails."""
    from bot.doctor import examine

    raise typer.Exit(asyncio.run(examine(_named(config))))


@app.command()
def demo(
    script: Annotated[bool, typer.Option("--script", help="No page: members run every command, then a table.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The page's port; 0 takes any that is free.")] = 8765,
    speed: Annotated[float, typer.Option(min=0.1, help="How many times faster than real ones its providers are.")] = 20,
) -> None:
    """All of Matinee on this machine: a local Discord, local providers, the bot. No account, no key, no network."""
    from bot.demo import play, rehearse

    raise typer.Exit(asyncio.run(rehearse(speed) if script else play(port, speed)))


def main() -> None:
    app()


if __name__ == "__main__":
    main()
