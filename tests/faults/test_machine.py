"""This machine's own trouble: a full disk, a cache that may not be written to, a clock that jumps."""

import errno
import time

import pytest
from graphs import loaded, sampled
from PIL import Image

from comfy_notebook import cache
from comfy_notebook.cache import ContentCache
from comfy_notebook.servers import downloads

from .test_sockets import completed


@pytest.fixture
def no_folder(tmp_path, monkeypatch):
    """A cache whose folder cannot be made, for any user: a file stands in its place."""
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(downloads, "default_cache", lambda: ContentCache(tmp_path / "taken" / "originals", 10**9))


@pytest.fixture
def full_disk(tmp_path, monkeypatch):
    """A cache on a disk that takes nothing."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "default_cache", lambda: ContentCache(tmp_path / "originals", 10**9))
    monkeypatch.setattr(cache.CacheWriter, "write", refuse)
    monkeypatch.setattr(cache.CacheWriter, "write_all", refuse)
    return tmp_path


@pytest.mark.parametrize("trouble", ["no_folder", "full_disk"])
def test_what_cannot_be_kept_is_shown_all_the_same(trial, request, trouble, caplog):
    request.getfixturevalue(trouble)
    result = completed(trial.run(sampled()), 64)
    assert "data:image" in result._repr_html_()
    assert "could not be kept" in caplog.text


def test_a_full_disk_keeps_no_halves_of_files(engine_trial, full_disk):
    completed(engine_trial.run())
    assert [path for path in full_disk.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("jump", [-10_000_000.0, 10_000_000.0])
@pytest.mark.parametrize("quiet", [False, True])
def test_a_clock_that_jumps_neither_ends_a_run_nor_keeps_it(trial, monkeypatch, jump, quiet):
    """Also where the end has to be noticed by what has not come for a while."""
    if quiet:
        trial.proxy.frame = lambda frame: frame if not trial.proxy.accepted else None
    run = trial.begin(sampled(steps=20))
    trial.await_running(run)
    original = time.time
    monkeypatch.setattr(time, "time", lambda: original() + jump)
    result = completed(trial.end(run), 64)
    assert 0 <= result.duration < 15


def test_an_upload_is_the_same_before_and_after_a_jump(engine_trial, monkeypatch):
    photo = Image.effect_noise((20, 20), 40)
    assert engine_trial.run(loaded(), {"photo": photo}).msg == ""
    original = time.time
    monkeypatch.setattr(time, "time", lambda: original() - 10**7)
    assert engine_trial.run(loaded(), {"photo": photo}).status == "completed"
    assert engine_trial.proxy.paths().count("/upload/image") == 1
