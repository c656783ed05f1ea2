import os
import threading

import pytest

from comfy_notebook.cache import ContentCache


@pytest.fixture
def cache(tmp_path):
    return ContentCache(tmp_path / "originals", 10_000)


def files(tmp_path):
    return sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_content_is_found_by_its_digest(cache):
    digest = cache.put(b"picture")
    assert cache.get(digest) == b"picture"
    assert cache.get("0" * 64) is None


def test_the_same_content_is_kept_once(cache, tmp_path):
    assert cache.put(b"picture") == cache.put(b"picture")
    assert len(files(tmp_path)) == 1


def test_what_was_used_longest_ago_goes_first(cache):
    digests = [cache.put(bytes([number]) * 3_000) for number in range(4)]
    for age, digest in enumerate(digests):
        os.utime(cache._path(digest), (age, age))
    cache.get(digests[0])
    cache.clean()
    assert [cache.get(digest) is not None for digest in digests] == [True, False, True, True]


def test_unfinished_files_are_left_alone_until_they_are_old(cache, tmp_path):
    digest = cache.put(b"x")
    partial = cache._path(digest).parent / "abc.partial"
    partial.write_bytes(b"y" * 20_000)
    cache.clean()
    assert partial.exists()
    os.utime(partial, (0, 0))
    cache.clean()
    assert not partial.exists()
    assert cache.get(digest) == b"x"


def test_a_failed_write_leaves_nothing(cache, tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        cache.put(b"picture")
    assert files(tmp_path) == []


def test_many_threads_at_once(cache):
    contents = [bytes([number % 7]) * 100 for number in range(70)]
    digests = [None] * len(contents)

    def put(index):
        digests[index] = cache.put(contents[index])
        cache.clean()

    threads = [threading.Thread(target=put, args=(index,)) for index in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [cache.get(digest) for digest in digests] == contents
