import base64

import pytest

from comfy_notebook.errors import ServerError
from comfy_notebook.servers.address import Address, read_cookies, shown


@pytest.mark.parametrize(
    ("text", "url", "socket"),
    [
        ("127.0.0.1:8188", "http://127.0.0.1:8188", "ws://127.0.0.1:8188"),
        ("http://host/", "http://host", "ws://host"),
        ("https://host/proxy/8188/", "https://host/proxy/8188", "wss://host/proxy/8188"),
        (" http://[::1]:8188 ", "http://[::1]:8188", "ws://[::1]:8188"),
        ("http://host:1/x?y=1#z", "http://host:1/x", "ws://host:1/x"),
    ],
)
def test_addresses_as_users_write_them(text, url, socket):
    address = Address.parse(text)
    assert (address.url, address.socket_url) == (url, socket)


@pytest.mark.parametrize("text", ["", "ftp://host", "http://", "http://host:99999", "http://[::1", "embeded"][:5])
def test_what_is_no_address_is_told_so(text):
    with pytest.raises(ServerError, match="not the address of a server"):
        Address.parse(text)


def test_credentials_are_headers_and_never_shown():
    address = Address.parse("http://ann:s%20ecret@host:1/p", cookies="session=hidden")
    assert address.url == "http://host:1/p"
    assert dict(address.headers) == {
        "Authorization": "Basic " + base64.b64encode(b"ann:s ecret").decode(),
        "Cookie": "session=hidden",
    }
    assert "hidden" not in repr(address)
    assert "s%20ecret" not in repr(address)


@pytest.mark.parametrize(
    ("url", "visible"),
    [
        ("http://ann:pw@host:1/a@b", "http://host:1/a@b"),
        ("ann:p@w@host", "host"),
        ("http://host/x", "http://host/x"),
        ("embedded", "embedded"),
        ("", ""),
    ],
)
def test_a_url_is_shown_without_user_and_password(url, visible):
    assert shown(url) == visible


def test_a_key_is_a_bearer_token():
    assert Address.parse("http://host", api_key="k").headers == (("Authorization", "Bearer k"),)


def test_a_bad_address_is_told_without_its_password():
    with pytest.raises(ServerError) as caught:
        Address.parse("http://ann:secret@host:99999")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://localhost:1", True), ("http://127.0.0.2", True), ("http://[::1]", True), ("http://10.0.0.1", False)],
)
def test_no_proxy_leads_to_this_machine(url, loopback):
    assert Address.parse(url).is_loopback is loopback


@pytest.mark.parametrize(
    ("text", "header"),
    [("a=1; b=2", "a=1; b=2"), ('{"a": "1", "b": 2}', "a=1; b=2"), (" a=1 ", "a=1")],
)
def test_cookies_as_comfykit_takes_them(text, header):
    assert read_cookies(text) == header


def test_cookies_that_cannot_be_read_are_not_repeated():
    with pytest.raises(ServerError) as caught:
        read_cookies('{"session": "secret')
    assert "secret" not in str(caught.value)
