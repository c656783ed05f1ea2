"""No credential gets into the file, wherever it was given."""

import json
import logging

import pytest
from aiohttp import web
from graphs import node, picture, sampled
from proxy import Proxy

from comfy_notebook import ComfyKit, history
from comfy_notebook.experiments.history.privacy import HIDDEN, Secrets, names_secret
from comfy_notebook.experiments.history.store import default_store

SECRETS = ("sesame-key", "sesame-cookie", "sesame-partner", "sesame-password", "sesame-token", "sesame-other")


def kept(folder):
    default_store().flush()
    store = default_store()
    packed = [row[0] for row in store.read("SELECT content FROM workflows")]
    packed += [part for row in store.read("SELECT outputs, said FROM runs") for part in row if part]
    default_store().close()
    from zlib import decompress

    return b"\0".join([*(path.read_bytes() for path in folder.iterdir()), *map(decompress, packed)])


@pytest.fixture
def guarded(data_folder, embedded_comfyui):
    """A kit with credentials of all kinds, for a server that wants a password."""
    with Proxy(embedded_comfyui) as proxy:
        url = proxy.url.replace("://", "://me:sesame-password@")
        yield (
            proxy,
            [
                ComfyKit(
                    proxy.url, api_key="sesame-key", cookies="session=sesame-cookie", comfy_org_api_key="sesame-partner"
                ),
                ComfyKit(url, comfy_org_api_key="sesame-partner"),
            ],
        )


def test_no_credential_is_kept(guarded, data_folder, caplog):
    caplog.set_level(logging.DEBUG)
    proxy, kits = guarded
    workflow = sampled(steps=1) | {
        "20": node("PrimitiveString", "$api_key.value", value="sesame-token"),
        "21": node("PreviewAny", source=["20", 0]),
        "22": node("PrimitiveString", value="https://me:sesame-password@example.org/x"),
        "23": node("PreviewAny", source=["22", 0]),
    }
    for kit in kits:
        assert kit.run(workflow, {"prompt": "a fox sesame-partner"}).status == "completed"
        kit.run(workflow, {"password": "sesame-other", "api_key": "sesame-other"})
        kit.run("https://me:sesame-password@127.0.0.1:1/workflow.json?token=sesame-token")
        proxy.answer = lambda request: (
            web.Response(status=401, text=f"{request.headers}") if "/prompt" in request.path else None
        )
        kit.run(picture())
        proxy.answer = lambda request: None
    assert len(history) == 8
    assert history[0].prompt == f"a fox {HIDDEN}"
    content = kept(data_folder)
    assert not [secret for secret in SECRETS if secret.encode() in content]
    assert b"a fox" in content


def test_a_credential_with_quotes_and_others_is_found_in_json():
    secrets = Secrets(['se"same\\key', "née=x; b=sésame-ü"])
    text = json.dumps({"a": 'se"same\\key', "b": "sésame-ü"}, ensure_ascii=False)
    assert json.loads(secrets.cleaned(text)) == {"a": HIDDEN, "b": HIDDEN}


def test_what_is_too_short_for_a_credential_is_left_alone():
    assert (
        Secrets(["test"]).cleaned('{"class_type": "TestNode", "a": "test"}')
        == '{"class_type": "TestNode", "a": "test"}'
    )


@pytest.mark.parametrize(
    "name", ["api_key", "apikey", "openai.api_key", "Password", "hf_token", "client_secret", "token"]
)
def test_names_of_credentials(name):
    assert names_secret(name)


@pytest.mark.parametrize(
    "name", ["keyframe", "tokens", "token_normalization", "key", "secretary", "max_token_count", "seed"]
)
def test_names_of_other_things(name):
    assert not names_secret(name)


@pytest.mark.parametrize(
    ("source", "cleaned"),
    [
        ("%%comfy w.json\napi_key = 'abc'\nseed = 1", f"%%comfy w.json\napi_key = {HIDDEN}\nseed = 1"),
        ("%%comfy https://me:pw@host/w.json", "%%comfy https://host/w.json"),
        ('%%comfy w.json\n{"password": "abc", "a": 1}', f'%%comfy w.json\n{{"password": {HIDDEN}'),
        ("%%comfy w.json\nhf_token: abc", f"%%comfy w.json\nhf_token: {HIDDEN}"),
    ],
)
def test_a_cells_source_is_kept_without_them(source, cleaned):
    assert Secrets([]).cleaned_source(source) == cleaned
