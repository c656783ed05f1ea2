import hashlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from pictures import encoded, gradient, noise

from comfy_notebook import Media, MediaError
from comfy_notebook.notebook.media import pipeline
from comfy_notebook.notebook.media.encoding import Encoded
from comfy_notebook.notebook.media.memory import Memory, memory
from comfy_notebook.notebook.media.pipeline import Ahead, prepare
from comfy_notebook.notebook.media.prepared import Prepared
from comfy_notebook.notebook.media.recipe import recipe_for
from comfy_notebook.notebook.media.workers import AHEAD, WANTED, Workers, results


class Content(bytes):
    """Counts how many of its kind are in memory."""

    alive = 0

    def __init__(self, *_):
        Content.alive += 1

    def __del__(self):
        Content.alive -= 1


class Origin:
    def __init__(self, contents, known=True):
        self.contents, self.known = contents, known
        self.read_names, self.gate = [], threading.Event()
        self.gate.set()

    def read(self, media):
        self.gate.wait(10)
        self.read_names.append(media.filename)
        if media.filename not in self.contents:
            raise MediaError(f"{media.filename} cannot be fetched: the server no longer has it")
        if self.known:
            media.digest = hashlib.sha256(self.contents[media.filename]).hexdigest()
        return Content(self.contents[media.filename])

    def write(self, media, file):
        file.write(self.read(media))


def files(origin, names=None):
    return [Media(f"http://x/view?filename={name}", filename=name, origin=origin) for name in names or origin.contents]


@pytest.fixture(autouse=True)
def empty_memory():
    memory.clear()


@pytest.fixture
def made(monkeypatch):
    """What was made, by file name and recipe."""
    calls = []
    make = pipeline._made

    def counted(media, content, recipe):
        calls.append((media.filename, recipe))
        return make(media, content, recipe)

    monkeypatch.setattr(pipeline, "_made", counted)
    return calls


@pytest.fixture(scope="module")
def photos():
    return {f"{number}.png": encoded(noise(400, 300, number)) for number in range(8)}


def test_items_come_in_order_with_all_that_is_known(photos):
    items, note = prepare(
        files(Origin({**photos, "page.png": b"<html>", "x.glb": b"glTF"}), [*photos, "page.png", "x.glb", "gone.png"])
    )
    assert [item.media.filename for item in items] == [*photos, "page.png", "x.glb", "gone.png"]
    assert note == ""
    assert all((item.made.width, item.made.height, item.problem) == (400, 300, "") for item in items[:8])
    assert items[8].problem == "page.png: it is not a picture, but a web page (a login page?)."
    assert (items[9].problem, items[9].small, items[9].made.bytes) == ("", None, 4)
    assert items[10].problem == "gone.png cannot be fetched: the server no longer has it"


def test_the_same_comes_out_however_it_was_made(photos):
    whole = prepare(files(Origin(photos)))
    memory.clear()
    origin, ahead = Origin(photos), Ahead()
    media = files(origin)
    for item in media:
        ahead([item])
    again = prepare(media)
    assert [(item.small, item.large) for item in whole[0]] == [(item.small, item.large) for item in again[0]]


def test_files_made_ahead_are_fetched_and_made_once(photos, made):
    origin = Origin(photos)
    origin.gate.clear()
    media = files(origin)
    ahead = Ahead()
    ahead(media[:3])
    ahead(media[3:])
    origin.gate.set()
    prepare(media)
    assert sorted(origin.read_names) == sorted(photos)
    assert sorted(name for name, _ in made) == sorted(photos)


def test_showing_again_fetches_and_makes_nothing(photos, made):
    origin = Origin(photos)
    media = files(origin)
    first, _ = prepare(media)
    del made[:], origin.read_names[:]
    again, _ = prepare(media)
    part, _ = prepare(media[2:6])
    assert (made, origin.read_names) == ([], [])
    assert [item.small for item in again] == [item.small for item in first]
    assert [item.small for item in part] == [item.small for item in first[2:6]]


def test_the_same_content_elsewhere_is_made_once(photos, made):
    prepare(files(Origin(photos)))
    prepare(files(Origin(photos, known=False)))
    assert len(made) == len(photos)


def test_a_file_that_is_there_twice_is_made_once_and_shown_twice(photos, made):
    origin = Origin(photos)
    twice = files(origin) + files(origin)  # of which the last have not begun when they come again
    items, _ = prepare(twice)
    assert [item.media for item in items] == twice
    assert all(item.small for item in items)
    assert len(made) == len(photos)


def test_what_was_not_begun_follows_the_count(photos, made):
    names = list(photos)
    contents = {f"{number}.png": photos[names[number % 8]] + bytes([number]) for number in range(40)}
    origin = Origin(contents)
    origin.gate.clear()
    media, ahead = files(origin), Ahead()
    ahead(media[:2])
    ahead(media[2:])
    origin.gate.set()
    prepare(media)
    recipes = [recipe for _, recipe in made]
    assert recipes.count(recipe_for(40)) >= 36
    assert len(made) <= 44


def test_originals_are_not_kept(photos):
    prepare(files(Origin(photos)))
    deadline = time.monotonic() + 5
    while Content.alive:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_short_players_are_inside_and_long_ones_are_not(monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_AUDIO_KB", "1")
    origin = Origin({"a.flac": b"fLaC" + bytes(100), "b.flac": b"fLaC" + bytes(2000)})
    (short, long), note = prepare(files(origin))
    assert (short.player.content, short.player.mime) == (origin.contents["a.flac"], "audio/flac")
    assert long.player is None
    assert note == "To keep the notebook small, 1 video or sound is not included."


def test_a_decoder_that_fails_is_one_file_and_the_others_show(photos, monkeypatch):
    make = pipeline._made

    def broken(media, content, recipe):
        if media.filename == "3.png":
            raise RuntimeError("never seen")
        return make(media, content, recipe)

    monkeypatch.setattr(pipeline, "_made", broken)
    items, _ = prepare(files(Origin(photos)))
    assert [bool(item.problem) for item in items] == [number == 3 for number in range(8)]
    assert items[3].problem == "3.png cannot be shown: never seen."


def test_an_interrupt_is_raised_at_once(photos):
    origin = Origin({f"{number}.png": encoded(gradient()) for number in range(50)})
    origin.gate.clear()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        prepare(files(origin))
    assert time.monotonic() - began < 2
    origin.gate.set()
    prepare(files(Origin(photos)))
    assert len(origin.read_names) <= 16  # what had begun


# -- workers -----------------------------------------------------------------------------------------------------


def test_what_is_wanted_comes_before_what_may_be():
    workers, done, gate = Workers(1), [], threading.Event()
    workers.submit(lambda: gate.wait(5))
    futures = [
        workers.submit(lambda: done.append("ahead"), AHEAD),
        workers.submit(lambda: done.append("wanted"), WANTED),
    ]
    gate.set()
    results(futures)
    assert done == ["wanted", "ahead"]
    workers.close()


def test_closed_workers_have_no_threads_and_work_all_the_same():
    workers = Workers(3)
    results([workers.submit(threading.get_ident) for _ in range(9)])
    workers.close()
    assert not [thread for thread in threading.enumerate() if thread in workers._threads]
    assert results([workers.submit(threading.get_ident)]) == [threading.get_ident()]


def test_where_no_thread_can_start_the_work_is_done_all_the_same(monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert results([Workers(2).submit(threading.get_ident)]) == [threading.get_ident()]


SCRIPT = """
    import atexit, sys, time
    sys.path.insert(0, {tests!r})
    from pictures import encoded, noise
    from comfy_notebook import Media
    from comfy_notebook.notebook.media.pipeline import Ahead, prepare
    content = encoded(noise(1500, 1500))
    class Origin:
        def read(self, media):
            return content + media.encode()
    media = [Media(f"http://x/{{n}}.png", filename=f"{{n}}.png", origin=Origin()) for n in range(300)]
    atexit.register(lambda: print(prepare(media[:1])[0][0].problem or "shown"))
    Ahead()(media)
    time.sleep(0.3)
"""


def test_an_exit_waits_for_nothing_and_still_shows(request):
    script = textwrap.dedent(SCRIPT).format(tests=str(request.config.rootpath / "tests"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "shown", "")


# -- memory ------------------------------------------------------------------------------------------------------


def test_the_memory_lets_go_of_what_was_used_longest_ago():
    kept = Memory(10_000)
    for name in "abc":
        kept.put(name, Prepared(small=Encoded(bytes(2000), "image/webp")))
    assert kept.get("a")
    kept.put("d", Prepared(small=Encoded(bytes(2000), "image/webp")))
    assert [bool(kept.get(name)) for name in "abcd"] == [True, False, True, True]
    kept.put("e", Prepared(small=Encoded(bytes(50_000), "image/webp")))
    assert [bool(kept.get(name)) for name in "abcde"] == [False, False, False, False, True]
