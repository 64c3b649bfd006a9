"""Which addresses may be asked for a member's picture (RELIABILITY, threat 13)."""

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_CDN_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
# Printable ASCII without what parsers disagree about.
_PLAIN_URL = re.compile(r"[!#-;=?-\[\]_a-z~]{1,2048}")


@dataclass(frozen=True, slots=True)
class Origin:
    """An address that may be asked, and which of the numbers that its name stands for may be connected to."""

    url: yarl.URL
    admits: Callable[[_Address], bool]


def origin(address: str, trusted: yarl.URL | None) -> Origin | None:
    """None for an address that nothing is asked of."""
    url = _parsed(address)
    if url is None:
        return None
    if url.scheme == "https" and url.raw_host in _CDN_HOSTS and url.port == 443:
        return Origin(url, _public)
    if trusted is None or url.scheme != trusted.scheme:
        return None
    if trusted.scheme == "http" and _is_loopback_name(trusted.raw_host):
        return Origin(url, _loopback) if _is_loopback_name(url.raw_host) else None
    same = (url.raw_host, url.port) == (trusted.raw_host, trusted.port)
    return Origin(url, _any) if same else None


def _parsed(address: str) -> yarl.URL | None:
    if _PLAIN_URL.fullmatch(address) is None:
        return None
    try:
        url = yarl.URL(address, encoded=True)
        plain = url.absolute and url.user is None and url.password is None and bool(url.port)
    except ValueError:
        return None
    return url if plain else None


def _is_loopback_name(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _any(address: _Address) -> bool:
    return True


def _loopback(address: _Address) -> bool:
    return address.is_loopback


def _public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return _public(inner)
    return address.is_global and not address.is_multicast


class Guarded(AbstractResolver):
    """A resolver that knows no address that is not admitted: a name that points inwards leads nowhere."""

    def __init__(self, inner: AbstractResolver, admits: Callable[[_Address], bool]) -> None:
        self._inner, self._admits = inner, admits

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        admitted = [each for each in found if self._admits(ipaddress.ip_address(each["host"].partition("%")[0]))]
        if not admitted:
            raise OSError(f"{host} has no address that may be asked")
        return admitted

    async def close(self) -> None:
        await self._inner.close()
