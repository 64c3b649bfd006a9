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
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Only what all parsers read alike: no user, no empty port, no upper case, printable ASCII.
_PLAIN_URL = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?/[!#-;=?-\[\]_a-z~]*")
_MAX_LENGTH = 2_048


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
    if len(address) > _MAX_LENGTH or _PLAIN_URL.fullmatch(address) is None:
        return None
    try:
        url = yarl.URL(address, encoded=True)
        reachable = bool(url.port)
    except ValueError:
        return None
    return url if reachable else None


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
    inner = _carried(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None:
        return _public(inner)
    return address.is_global and not address.is_multicast


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to this one are handed on to."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]


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
