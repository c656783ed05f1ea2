"""A server's address and the credentials for it: what goes to this origin, and to no other."""

from __future__ import annotations

import base64
import ipaddress
import json
import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from comfy_notebook.errors import ServerError

_COOKIES_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a ComfyUI is, and how to be let in.

    Attributes
    ----------
    url
        ``http://host:port/prefix``, without a slash at the end, a user or a password.
    headers
        Sent with every request to it, HTTP and WebSocket; never shown.
    verified
        Whether its certificate has to be one that this machine trusts.
    """

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    verified: bool = True

    @classmethod
    def parse(
        cls, text: str, *, api_key: str | None = None, cookies: str | None = None, verified: bool = True
    ) -> Address:
        """Read an address as users write it: ``host:port``, with or without scheme, prefix, user and password.

        Raises
        ------
        ServerError
            If it is no http address.
        """
        text = text.strip()
        parts = _split(text if "://" in text else f"http://{text}")
        headers = []
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        if api_key:
            headers = [("Authorization", f"Bearer {api_key}")]
        if cookies:
            headers.append(("Cookie", read_cookies(cookies)))
        bare = parts.netloc.rpartition("@")[2]
        return cls(urlunsplit((parts.scheme, bare, parts.path.rstrip("/"), "", "")), tuple(headers), verified)

    @property
    def socket_url(self) -> str:
        """The same address for a WebSocket."""
        return f"ws{self.url.removeprefix('http')}"

    @property
    def host(self) -> str:
        """The host's name or number."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, where no proxy leads."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def tls(self) -> ssl.SSLContext | None:
        """Return the verification that its certificate must pass; None for plain http."""
        if not self.url.startswith("https"):
            return None
        context = ssl.create_default_context()
        if not self.verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def shown(url: str) -> str:
    """Return a URL as it may be shown: without user and password."""
    scheme, separator, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def has_login(url: str) -> bool:
    """Whether a URL has a user and a password for its server."""
    return "@" in _authority(url)


def login_of(url: str) -> str:
    """Return the user and password in a URL, as ``user:password``; "" if there are none."""
    return _authority(url).rpartition("@")[0]


def _authority(url: str) -> str:
    return url.rpartition("://")[2].partition("/")[0]


def read_cookies(text: str) -> str:
    """Return cookies as a ``Cookie`` header.

    Parameters
    ----------
    text
        ``"name=value; name2=value2"``, a JSON object, or an http(s) URL that answers with either
        (ComfyKit's ``cookies``).
    """
    text = text.strip()
    if text.startswith(("http://", "https://")):
        text = _fetch_cookies(text)
    if text.startswith("{"):
        try:
            return "; ".join(f"{name}={value}" for name, value in json.loads(text).items())
        except (ValueError, AttributeError):
            raise ServerError('The cookies are not a JSON object, like {"session": "..."}.') from None
    return text


def _fetch_cookies(url: str) -> str:
    import httpx

    try:
        return httpx.get(url, timeout=_COOKIES_SECONDS).raise_for_status().text.strip()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerError(f"The cookies cannot be fetched: {type(error).__name__}.") from None


def _split(url: str) -> SplitResult:
    """Split an address; what it says of a bad one leaves out user and password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ServerError(
            f"{shown(url)!r} is not the address of a server.",
            hint='Give a URL like "http://127.0.0.1:8188", or "embedded" for the built-in engine.',
        )
    return parts
