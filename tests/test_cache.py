import io
import os
import subprocess
import sys
import threading
from pathlib import Path

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
    partial = tmp_path / "originals" / "new" / "abc.partial"
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


def test_content_that_comes_in_pieces_is_the_same_content(cache):
    pieces = [b"abc", b"", b"def" * 1000]
    digest = cache.put_pieces(iter(pieces))
    assert digest == cache.put(b"".join(pieces))
    assert cache.get(digest) == b"".join(pieces)
    assert cache.path(digest).read_bytes() == b"".join(pieces)
    assert cache.path("0" * 64) is None


def test_content_is_copied_into_a_file(cache):
    digest, empty = cache.put(b"picture"), cache.put(b"")
    file = io.BytesIO(b"before ")
    file.seek(0, io.SEEK_END)
    assert cache.copy(digest, file)
    assert cache.copy(empty, file)
    assert not cache.copy("0" * 64, file)
    assert file.getvalue() == b"before picture"


def test_what_is_not_finished_leaves_nothing(cache, tmp_path):
    def pieces():
        yield b"x"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.put_pieces(pieces())
    assert files(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"picturf", b"picture and more"])
def test_a_damaged_file_is_not_given_out_and_can_be_kept_anew(cache, damage):
    digest = cache.put(b"picture")
    file = io.BytesIO(b"before ")
    file.seek(0, io.SEEK_END)
    for read in (cache.get, lambda digest: cache.copy(digest, file)):
        cache._path(digest).write_bytes(damage)
        assert not read(digest)
        assert not cache._path(digest).exists()
        assert file.getvalue() == b"before "
        assert cache.put(b"picture") == digest
        assert cache.get(digest) == b"picture"


def test_a_file_cut_short_is_written_again(cache):
    digest = cache.put(b"picture")
    cache._path(digest).write_bytes(b"pict")
    assert cache.put(b"picture") == digest
    assert cache.get(digest) == b"picture"


def test_a_full_disk_leaves_nothing(cache, tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    def fdopen(handle, mode):
        os.close(handle)
        return Full()

    monkeypatch.setattr("comfy_notebook.cache.os.fdopen", fdopen)
    with pytest.raises(OSError, match="No space"):
        cache.put(b"picture")
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_can_be_read(cache, tmp_path, monkeypatch):
    digest = cache.put(b"picture")

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    for call in ("os.utime", "tempfile.mkstemp", "pathlib.Path.unlink"):  # what such a folder refuses, root or not
        monkeypatch.setattr(call, refused)
    assert cache.get(digest) == b"picture"
    assert cache.path(digest).read_bytes() == b"picture"
    assert cache.put(b"picture") == digest
    cache.clean()
    with pytest.raises(PermissionError):
        cache.put(b"another")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    cache = ContentCache(tmp_path / "file" / "originals", 10_000)
    assert cache.get("0" * 64) is None
    cache.clean()
    with pytest.raises(OSError, match="file"):
        cache.put(b"picture")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a file that is read")
def test_what_is_being_read_may_be_cleaned_away(cache):
    content = bytes(range(250)) * 12_000  # larger than the limit: the next clean-up takes it
    digest = cache.put(content)

    class Slow(io.BytesIO):
        def write(self, piece):
            cache.clean()
            return super().write(piece)

    file = Slow()
    assert cache.copy(digest, file)
    assert file.getvalue() == content
    assert cache.get(digest) is None


def test_what_is_larger_than_the_limit_is_there_until_something_else_comes(cache):
    large = cache.put(b"x" * 20_000)
    assert cache.get(large) is not None
    cache._since_cleaning = 10**12
    small = cache.put(b"y")
    assert cache.get(large) is None
    assert cache.get(small) == b"y"


def test_two_that_clean_at_once_clean_no_more_than_one(cache, tmp_path, monkeypatch):
    for number in range(10):
        cache.put(bytes([number]) * 2_000)
    unlink = Path.unlink

    def late(path, **options):
        monkeypatch.setattr(Path, "unlink", unlink)
        ContentCache(tmp_path / "originals", 10_000).clean()  # another process, between our look and our deed
        path.unlink(**options)

    monkeypatch.setattr(Path, "unlink", late)
    cache.clean()
    assert len(files(tmp_path)) == 4


# Writes, reads and cleans for a while, as a kernel does.
KERNEL = """
import io, random, sys, time
from pathlib import Path
from comfy_notebook.cache import ContentCache

cache, chance = ContentCache(Path(sys.argv[1]), 40_000), random.Random(int(sys.argv[2]))
until = time.monotonic() + 2
while time.monotonic() < until:
    content = bytes([chance.randrange(40)]) * chance.choice((10, 3_000, 20_000))
    digest = cache.put(content) if chance.random() < 0.7 else cache.put_pieces([content[:5], content[5:]])
    file = io.BytesIO()
    for got in (cache.get(digest), file.getvalue() if cache.copy(digest, file) else None):
        assert got in (None, content)
    if chance.random() < 0.2:
        cache.clean()
"""


def test_several_processes_at_once(tmp_path):
    command = [sys.executable, "-c", KERNEL, str(tmp_path / "originals")]
    kernels = [subprocess.Popen([*command, str(seed)], stderr=subprocess.PIPE, text=True) for seed in range(4)]
    for process in kernels:
        assert (process.communicate(timeout=60)[1], process.returncode) == ("", 0)
    cache = ContentCache(tmp_path / "originals", 40_000)
    cache.clean()
    left = files(tmp_path)
    assert 0 < sum(path.stat().st_size for path in left) <= 40_000
    assert not [path for path in left if path.suffix]
    assert all(cache.get(path.name) is not None for path in left)
