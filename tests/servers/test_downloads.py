"""The files of a run, from a server that answers as it is told to, through a cache that fails as it is told to."""

import asyncio
import hashlib
import io
import pickle
import tracemalloc

import pytest

from comfy_notebook import Media, MediaError, ServerError
from comfy_notebook.cache import ContentCache
from comfy_notebook.servers import downloads
from comfy_notebook.servers.downloads import RunFiles

SMALL = bytes(range(250)) * 400
LARGE = bytes(range(251)) * 4_000  # for the tests, which move the boundary
PIECE = 65_536


class Api:
    def __init__(self, contents):
        self.contents = contents
        self.asked = []

    async def download(self, url):
        self.asked.append(url)
        if url not in self.contents:
            error = ServerError("It answered with 404.")
            error.status = 404
            raise error
        content = self.contents[url]
        for begin in range(0, len(content), PIECE):
            await asyncio.sleep(0)
            yield content[begin : begin + PIECE]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    made = ContentCache(tmp_path / "originals", 10**9)
    for module in ("cache", "servers.downloads", "anonymous"):
        monkeypatch.setattr(f"comfy_notebook.{module}.default_cache", lambda: made)
    monkeypatch.setattr(downloads, "_IN_MEMORY", 200_000)
    return made


@pytest.fixture
def api():
    return Api({"http://x/small": SMALL, "http://x/large": LARGE})


@pytest.fixture
def files(api, cache):
    return RunFiles(api)


def refuse(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("url", "content"), [("http://x/small", SMALL), ("http://x/large", LARGE)])
def test_a_file_is_fetched_once_and_kept(files, api, cache, url, content):
    item, twin = Media(url, origin=files), Media(url, origin=files)
    assert item.bytes() == content
    out = io.BytesIO()
    twin.write_to(out)
    assert out.getvalue() == content
    assert item.digest == twin.digest == hashlib.sha256(content).hexdigest()
    assert cache.get(item.digest) == content
    assert api.asked == [url]


@pytest.mark.parametrize(("url", "content"), [("http://x/small", SMALL), ("http://x/large", LARGE)])
async def test_the_awaitable_twins_share_one_download(files, api, url, content):
    items = [Media(url, origin=files) for _ in range(4)]
    out = io.BytesIO()
    *read, _ = await asyncio.gather(*(item.abytes() for item in items), items[0].awrite_to(out))
    assert [*read, out.getvalue()] == [content] * 5
    assert api.asked == [url]


@pytest.mark.parametrize("call", ["tempfile.mkstemp", "comfy_notebook.cache.CacheWriter.write",
                                  "comfy_notebook.cache.CacheWriter.commit"])  # fmt: skip
def test_a_cache_that_takes_nothing_does_not_keep_a_result_from_its_user(files, tmp_path, monkeypatch, caplog, call):
    monkeypatch.setattr(call, refuse)
    for url, content in (("http://x/small", SMALL), ("http://x/large", LARGE)):
        item = Media(url, filename="a.bin", origin=files)
        assert item.bytes() == content
        assert item.save(tmp_path / "x").read_bytes() == content
    assert "could not be kept in the cache: [Errno 28] No space left" in caplog.text


def test_what_the_cache_has_lost_is_fetched_again(files, api, cache, tmp_path):
    item = Media("http://x/large", origin=files)
    for reread in (item.bytes, lambda: item.save(tmp_path / "x").read_bytes()):
        assert item.bytes() == LARGE
        cache._path(item.digest).unlink()
        assert reread() == LARGE
    assert len(api.asked) == 3


def test_what_the_cache_has_damaged_is_fetched_again(files, api, cache, tmp_path):
    item = Media("http://x/large", origin=files)
    item.bytes()
    cache._path(item.digest).write_bytes(b"x" * len(LARGE))
    assert item.save(tmp_path / "x").read_bytes() == LARGE
    assert item.bytes() == LARGE
    assert len(api.asked) == 2


def test_what_is_gone_is_told_so(files, tmp_path):
    item = Media("http://x/none", filename="a.png", origin=files)
    with pytest.raises(MediaError, match=r"a\.png cannot be fetched: the server no longer has it"):
        item.bytes()
    with pytest.raises(MediaError, match="no longer"):
        item.save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_large_file_is_never_in_memory(monkeypatch, api, files, tmp_path):
    monkeypatch.setattr(downloads, "_IN_MEMORY", 8 * 1024 * 1024)
    size = 150 * 1024 * 1024

    class Zeros:
        def __len__(self):
            return size

        def __getitem__(self, _):
            return bytes(PIECE)

    api.contents["http://x/video"] = Zeros()
    item = Media("http://x/video", filename="a.mp4", origin=files)
    tracemalloc.start()
    path = item.save(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size == size
    assert peak < 40 * 1024 * 1024


# -- without the connection, as from a pickle ------------------------------------------------------------


@pytest.fixture
def web(monkeypatch):
    """What the net gives out, to whom it was given."""
    import httpx

    pages, requests = {}, []

    def answer(request):
        requests.append(request)
        content = pages.get(str(request.url))
        return httpx.Response(200, content=content) if content is not None else httpx.Response(404)

    def stream(method, url, **options):
        return httpx.Client(transport=httpx.MockTransport(answer)).stream(method, url, **options)

    monkeypatch.setattr("httpx.stream", stream)
    return pages, requests


def test_a_pickle_is_read_from_the_cache_first_and_by_its_url_then(files, cache, web):
    pages, requests = web
    item = Media("http://x/small", filename="a.png", origin=files)
    item.bytes()
    again = pickle.loads(pickle.dumps(item))
    assert again.bytes() == SMALL
    assert requests == []
    cache._path(item.digest).unlink()
    with pytest.raises(MediaError, match=r"a\.png can no longer be fetched: .*404"):
        again.bytes()
    pages["http://x/small"] = SMALL
    assert again.bytes() == again.bytes() == SMALL
    assert len(requests) == 2
    assert not {"authorization", "cookie"} & {name.lower() for name in requests[1].headers}


def test_another_file_of_the_same_name_is_not_taken_for_it(files, cache, web, tmp_path):
    pages, _ = web
    item = Media("http://x/small", filename="a.png", origin=files)
    item.bytes()
    again = pickle.loads(pickle.dumps(item))
    cache._path(item.digest).unlink()
    pages["http://x/small"] = b"what a restarted server made next"
    for read in (again.bytes, lambda: again.save(tmp_path / "x")):
        with pytest.raises(MediaError, match="another file of that name"):
            read()
    assert not (tmp_path / "x").exists()


def test_without_a_cache_a_url_will_do(monkeypatch, cache, web):
    web[0]["http://x/small"] = SMALL
    item = Media("http://x/small")
    monkeypatch.setattr("comfy_notebook.cache.CacheWriter.write", refuse)
    assert item.bytes() == SMALL
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert item.bytes() == SMALL
    assert asyncio.run(item.abytes()) == SMALL
