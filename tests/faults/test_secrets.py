"""Credentials stay with their server, whatever goes wrong."""

import logging
import pickle
import traceback

import pytest
from aiohttp import web
from graphs import loaded
from proxy import Proxy
from tblib import pickling_support

from comfy_notebook import ComfyKit
from comfy_notebook.servers import patience, uploads

from .test_http import drip, login, picture_bytes, reset

SECRETS = ("sesame-key", "sesame-cookie", "sesame-partner")
TROUBLES = {
    "reset": reset,
    "login": login,
    "redirect": lambda request: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/login"}),
    "refused": lambda request: web.Response(status=401, text="wrong credentials"),
    "garbage": lambda request: web.Response(text="{"),
}


def guarded(trial):
    return ComfyKit(
        trial.proxy.url,
        api_key="sesame-key",
        cookies="session=sesame-cookie",
        comfy_org_api_key="sesame-partner",
    )


@pytest.mark.parametrize("path", ["/ws", "/object_info/", "/prompt", "/upload/image", "/view"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_trouble_brings_a_secret_to_light(engine_trial, caplog, trouble, path, monkeypatch):
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.2)
    caplog.set_level(logging.DEBUG)
    engine_trial.kit = guarded(engine_trial)
    act = TROUBLES[trouble]
    engine_trial.proxy.answer = lambda request: act(request) if path in request.path else None
    engine_trial.cut_off = True
    result = engine_trial.run(loaded(), {"photo": picture_bytes()})
    told = [repr(result), result._repr_html_(), str(vars(result)), result.msg, caplog.text, repr(engine_trial.kit)]
    if result.error:
        told += [*traceback.format_exception(result.error), str(vars(result.error))]
    told.append(pickle.dumps(result).decode("latin-1"))
    assert not [secret for secret in SECRETS for text in told if secret in text]


@pytest.mark.parametrize("path", ["/object_info/", "/prompt", "/upload/image"])
def test_no_secret_is_pickled_along_with_what_caused_an_error(engine_trial, path, monkeypatch):
    """Dask has exceptions pickled with their causes, whose requests have headers."""
    pickling_support.install()
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.2)
    engine_trial.kit = guarded(engine_trial)
    engine_trial.proxy.answer = lambda request: reset(request) if path in request.path else None
    engine_trial.cut_off = True
    pickled = pickle.dumps(engine_trial.run(loaded(), {"photo": picture_bytes()}))
    assert pickle.loads(pickled).error is not None
    assert not [secret for secret in SECRETS if secret.encode() in pickled]


def elsewhere(embedded_comfyui, answer):
    proxy = Proxy(embedded_comfyui)
    proxy.answer = answer
    return proxy


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (reset, "cannot be fetched"),
        (drip, "too slowly"),
        (lambda request: web.Response(body=bytes(3_000_000)), "larger than 1 MB"),
        (lambda request: web.Response(status=503), "503"),
    ],
)
def test_a_file_from_elsewhere_that_cannot_be_had_is_told(engine_trial, embedded_comfyui, monkeypatch, answer, told):
    monkeypatch.setattr(uploads, "_LARGEST_FETCH", 1 << 20)
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.5)
    engine_trial.kit = guarded(engine_trial)
    with elsewhere(embedded_comfyui, answer) as there:
        result = engine_trial.run(loaded(), {"photo": f"{there.url}/photo.png"})
        assert told in result.msg
        assert not [secret for secret in SECRETS if secret in str(there.seen)]
