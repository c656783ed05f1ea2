"""A server behind https: its certificate is checked, unless a user says of this server that it is not to be."""

import ssl

import pytest
import trustme
from graphs import picture
from proxy import Proxy

from comfy_notebook import ComfyKit, ServerError


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority, embedded_comfyui):
    """A ComfyUI behind a certificate that nobody on this machine trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Proxy(embedded_comfyui, ssl_context=context) as proxy:
        yield proxy


def test_a_certificate_that_nobody_trusts_is_refused_and_nothing_is_sent(secure):
    secure.seen.clear()
    result = ComfyKit(secure.url, api_key="secret").run(picture())
    assert isinstance(result.error, ServerError)
    assert "certificate" in result.msg
    assert "SSL_CERT_FILE" in result.msg
    assert secure.seen == []


def test_one_that_the_machine_trusts_is_fine(secure, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    result = ComfyKit(secure.url, api_key="trusted").run(picture())
    assert result.status == "completed", result.msg
    assert result.warnings == []
    assert result.images[0].pil().size == (32, 16)


def test_it_is_not_checked_where_a_user_says_so_and_only_there(secure):
    result = ComfyKit(secure.url, verify=False).run(picture())
    assert (result.status, result.warnings) == ("completed", [])
    assert result.images[0].pil().size == (32, 16)
    assert "certificate" in ComfyKit(secure.url).run(picture()).msg
