"""The operator's configuration: a TOML file and the environment, checked once, frozen.

Every key is also `MATINEE_SECTION__KEY`; the environment wins. A secret may stand in a file of its own: `token_file`.
"""

import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from bot.domain.limits import GuildLimits

PREFIX = "MATINEE_"
_SQLITE = "sqlite:///"
_LARGEST_SECRET = 4096
_JSON = ("_IDS", "BASE_URLS", "MODELS", "GUILDS")


class ConfigurationError(Exception):
    """One line for the operator: the file, the key, what is wrong, the fix. Never a secret."""

    def line(self, file: Path | None) -> str:
        """The whole of it, where only the key was known when it was raised."""
        found, what = str(self), str(self).removeprefix("configuration: ")
        return found if what == found else f"{_source(what.partition(':')[0].split('.'), file)}: {what}"


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be an address that begins with http:// or https://")
    if "@" in text or "?" in text or "#" in text:
        raise ValueError("must be an address without a user, a password, a query or a fragment")
    try:
        parts = urlsplit(text)
        fits = bool(_host(parts.hostname or "")) and parts.port != 0 and text.split() == [text]
    except ValueError:
        fits = False
    if not fits:
        raise ValueError("must be an address with a host, and a port from 1 to 65535 if any")
    return text.rstrip("/")


def _host(text: str) -> str:
    try:
        text.encode("idna")
    except UnicodeError:
        raise ValueError("must be the name or the address of a host") from None
    return text


def _sqlite_url(text: str) -> str:
    if not text.startswith(_SQLITE) or Path(path := text.removeprefix(_SQLITE)).name == "" or path == ":memory:":
        raise ValueError("must name a file, as sqlite:///data/matinee.db does")
    return text


def _token(secret: SecretStr) -> SecretStr:
    if not re.fullmatch("[!-~]+", text := secret.get_secret_value().strip()):
        raise ValueError("must be visible ASCII without spaces")
    return SecretStr(text)


Url = Annotated[str, AfterValidator(_http_url)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: Any) -> Any:  # noqa: ANN401  # what pydantic hands over
        # No key is a yes or no, and Python's True is a 1.
        if any(isinstance(each, bool) for each in (value if isinstance(value, list) else [value])):
            raise ValueError("must not be true or false")
        # An empty folder would be the working one, an empty host all of this machine's.
        if value == "":
            raise ValueError("must not be empty")
        return value


class WithToken(Section):
    token: Annotated[SecretStr, AfterValidator(_token)]
    token_file: Path | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _read_token(cls, values: Any) -> Any:  # noqa: ANN401  # what pydantic hands over
        if not isinstance(values, Mapping) or values.get("token_file") is None or "token" in values:
            return values
        return {**values, "token": _secret(Path(str(values["token_file"])))}


def _secret(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            secret = file.read(_LARGEST_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"token_file cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from None
    if not secret:
        raise ValueError("token_file is empty")
    return secret


class Discord(WithToken):
    api_url: Url = "https://discord.com/api/v10"
    sync_guild_ids: tuple[int, ...] = ()
    identifies_per_hour: Positive = 10


class Storage(Section):
    url: Annotated[str, AfterValidator(_sqlite_url)] = "sqlite:///data/matinee.db"
    keep_free_mb: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 200

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix(_SQLITE))


class Media(Section):
    directory: Path = Path("data/media")
    keep_days: Annotated[float, Field(gt=0)] = 7
    max_picture_mb: Annotated[float, Field(gt=0, le=100)] = 20

    @property
    def max_picture_bytes(self) -> int:
        return int(self.max_picture_mb * 2**20)


class Limits(Section):
    jobs_per_hour: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    burst: Positive = 5
    active_per_guild: Positive = 3
    active_per_member: Positive = 2
    queued_per_member: Positive = 5
    queued_per_guild: Positive = 50
    spend_per_day: Annotated[float, Field(ge=0)] = math.inf

    @property
    def guild(self) -> GuildLimits:
        return GuildLimits(**self.model_dump())


class Defaults(Section):
    video: str = "wan22-fast-t2v"
    animate: str = "wan22-fast-i2v"
    image: str = "qwen-image"


class Model(Section):
    """`price` of one attempt, in the operator's currency. `fall_back`: models that stand in, in this order."""

    price: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0
    fall_back: tuple[str, ...] = ()


class Guild(Section):
    """`weight`: how many starts it gets for one of a guild with weight 1, while both wait."""

    weight: Annotated[float, Field(ge=0.01, le=100)] = 1


class Chutes(WithToken):
    concurrency: Positive = 4
    base_urls: Mapping[str, Url] = Field(default_factory=dict)


class CogVideoX(WithToken):
    base_url: Url = "http://localhost:9000"
    concurrency: Positive = 1


class Pipelet(WithToken):
    base_url: Url = "https://batch.pipelet.net"
    concurrency: Positive = 4


class Providers(Section):
    chutes: Chutes | None = None
    cogvideox: CogVideoX | None = None
    pipelet: Pipelet | None = None

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.chutes is None and self.cogvideox is None and self.pipelet is None:
            raise ValueError("no provider is configured; add [providers.chutes], [providers.cogvideox] or "
                             "[providers.pipelet]")  # fmt: skip
        return self


class Web(Section):
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080


class Jobs(Section):
    drain_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 8
    stuck_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 45
    wait_minutes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30
    max_paid_attempts: Annotated[int, Field(ge=1, le=5)] = 1


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    discord: Discord
    providers: Providers
    storage: Storage = Storage()
    media: Media = Media()
    limits: Limits = Limits()
    defaults: Defaults = Defaults()
    models: Mapping[str, Model] = Field(default_factory=dict)
    guilds: Mapping[int, Guild] = Field(default_factory=dict)
    web: Web | None = None
    jobs: Jobs = Jobs()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings


def load(file: Path | None) -> Settings:
    """Raises ConfigurationError."""
    _check_variables()
    document = _document(file)
    _forget_replaced_secrets(document)
    try:
        return Settings(**document)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, file)) from None
    except SettingsError:
        raise ConfigurationError(_not_json()) from None


def _check_variables() -> None:
    for name in os.environ:
        section, nested, _ = name.removeprefix(PREFIX).partition("__")
        if name.startswith(PREFIX) and nested and section.lower() not in Settings.model_fields:
            raise ConfigurationError(
                f"environment variable {name}: [{section.lower()}] is no section that Matinee knows; "
                f"fix: correct its spelling or unset it"
            )


def _not_json() -> str:
    names = " or ".join(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper().endswith(_JSON))
    return f"environment variable {names or PREFIX + '...'}: is not JSON; fix: write a list as [1, 2], a table as {{}}"


def _document(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror}); fix: name a file that this user may read with --config"
        ) from None
    except ValueError as error:
        # The decoder's message holds a position and a character, never a value.
        raise ConfigurationError(f"{file}: is not TOML: {error}; fix: correct that line") from None


def _forget_replaced_secrets(document: dict[str, Any]) -> None:
    """`token` and `token_file` are two spellings of one key, so the environment's replaces the file's in either."""
    for path in (("discord",), ("providers", "chutes"), ("providers", "cogvideox"), ("providers", "pipelet")):
        name = PREFIX + "__".join(path).upper()
        section: Any = document
        for part in path:
            section = section.get(part, {}) if isinstance(section, dict) else {}
        if isinstance(section, dict) and (f"{name}__TOKEN" in os.environ or f"{name}__TOKEN_FILE" in os.environ):
            section.pop("token", None)
            section.pop("token_file", None)


def _sentence(error: ValidationError, file: Path | None) -> str:
    first, *others = error.errors(include_url=False, include_input=False)
    path = [str(part).encode("unicode_escape").decode() for part in first["loc"] if part != "[key]"]
    key, variable = ".".join(path), PREFIX + "__".join(path).upper()
    problem = _problem(first["type"], first["msg"]).format(**first.get("ctx", {}))
    more = f" (and {len(others)} more)" if others else ""
    return f"{_source(path, file)}: {key}: {problem}; fix: {_fix(first['type'], key, variable)}{more}"


def _source(path: Sequence[str], file: Path | None) -> str:
    """The variable that sets this key, or a table around it; else the file."""
    names = [PREFIX + "__".join(path[:length]).upper() for length in range(len(path), 0, -1)]
    return next((f"environment variable {name}" for name in names if name in os.environ), str(file or "environment"))


_NUMBER, _WHOLE = "must be a number", "must be a whole number"
_TEXT, _TABLE = "must be text, in quotes", "must be a table"
_PROBLEMS = {
    "string_type": _TEXT,
    "path_type": _TEXT,
    "model_type": _TABLE,
    "mapping_type": _TABLE,
    "missing": "is missing",
    "extra_forbidden": "is no key that Matinee knows",
    "tuple_type": "must be a list, in square brackets",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}


def _problem(kind: str, message: str) -> str:
    spoken = message.removeprefix("Value error, ").replace("Input should be", "must be", 1)
    return _PROBLEMS.get(kind, spoken.replace("{", "{{").replace("}", "}}"))


def _fix(kind: str, key: str, variable: str) -> str:
    if kind == "missing":
        secret = f", or put its value in a file and name it as {key}_file" if key.endswith("token") else ""
        return f"set it there or as {variable}{secret}"
    if kind == "extra_forbidden":
        return "correct its spelling or remove it; config.example.toml lists every key"
    return f"correct {key}; config.example.toml explains it"
