"""Pictures in IPython in a terminal: a pty that answers as kitty, as a terminal with sixels, or as none of them."""

import base64
import io
import json
import os
import re
import select
import struct
import subprocess
import sys
import time

import pytest
from graphs import sampled
from PIL import Image

from comfy_notebook import ExecuteResult, Media, MissingExtraError
from comfy_notebook.media import MediaList
from comfy_notebook.notebook import terminal

fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
pytest.importorskip("textual_image")
SIXEL, KITTY = rb"\x1bP[0-9;]*q.+?\x1b\\", rb"\x1b_G[^;]*i=\d+,m=0[^;]*;[A-Za-z0-9+/=]+\x1b\\"
QUESTIONS = re.compile(rb"\x1b\[c|\x1b_G[^;]*i=(\d+)[^;]*a=q[^;]*;AAAA\x1b\\")
ATTRIBUTES = {"sixel": b"\x1b[?62;4c", "kitty": b"\x1b[?62;c", "neither": b"\x1b[?6c"}
SCRIPT = """
from PIL import Image
from comfy_notebook import ExecuteResult, Media
from comfy_notebook.media import MediaList
class Store:
    def read(self, media):
        if media.filename == "evil.svg":
            return b"<svg/>"
        import io
        out = io.BytesIO()
        Image.new("RGB", (64, 48), "red").save(out, "PNG")
        return out.getvalue()
images = MediaList(Media(f"http://x/{n}", filename=n, var="cover", origin=Store()) for n in ("a.png", "evil.svg"))
result = ExecuteResult("completed", images=images)
"""


class Pty:
    """IPython in a terminal of 80 columns, of a kind."""

    def __init__(self, kind, folder, **environment):
        self.kind = kind
        self.seen = b""
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 800, 480))
        (folder / "made.py").write_text(SCRIPT)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"],
            cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env=os.environ | {"TERM": "xterm-256color"} | environment,
        )  # fmt: skip
        os.close(slave)

    def wait_for(self, pattern, seconds=30):
        """Read, and answer what a terminal is asked, until a pattern has come; return all since the last one."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            assert time.monotonic() < deadline, self.seen
            if select.select([self.master], [], [], 0.1)[0]:
                piece = os.read(self.master, 65_536)
                self.seen += piece
                for asked in QUESTIONS.finditer(piece):  # a terminal answers in their order
                    os.write(self.master, self.answer(asked))
        before, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return before

    def answer(self, asked):
        if asked[1]:
            return b"\x1b_Gi=%s;%s\x1b\\" % (asked[1], b"OK" if self.kind == "kitty" else b"NO")
        return ATTRIBUTES[self.kind]

    def type(self, line):
        os.write(self.master, line.encode() + b"\n")
        return self.wait_for(rb"In \[\d+\]: ")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def pty(tmp_path):
    opened = []

    def open_pty(kind, **environment):
        opened.append(Pty(kind, tmp_path, **environment))
        opened[-1].wait_for(rb"In \[\d+\]: ")
        opened[-1].type("%load_ext comfy_notebook")
        opened[-1].type("from made import *")
        return opened[-1]

    yield open_pty
    for one in opened:
        one.close()


@pytest.mark.parametrize(("kind", "picture"), [("sixel", SIXEL), ("kitty", KITTY)])
def test_a_terminal_that_can_shows_pictures_when_asked(pty, kind, picture):
    session = pty(kind)
    assert b"\x1b" not in session.type("result")
    session.type('%config ComfyMagics.terminal_images = "auto"')
    for shown in ("result", "display(result)", "result.images[:1]", "result.images[0]"):
        page = session.type(shown)
        assert len(re.findall(picture, page, re.DOTALL)) == 1, page
        assert b"Completed" in page or b"a.png" in page or b"http://x" in page
    assert b"\x1b" not in session.type("result.images[1]")  # no picture after all
    assert b"\x1b" not in session.type("print(result)")
    session.type('%config ComfyMagics.terminal_images = "off"')
    assert b"\x1b" not in session.type("result")


@pytest.mark.parametrize(("kind", "environment"), [("neither", {}), ("sixel", {"TERM": "dumb"})])
def test_a_terminal_that_cannot_shows_text(pty, kind, environment):
    session = pty(kind, **environment)
    session.type('%config ComfyMagics.terminal_images = "auto"')
    page = session.type("result")
    assert b"\x1b" not in page
    assert b"Completed" in page


def test_the_choice_may_come_from_a_configuration(pty, tmp_path):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text('get_config().ComfyMagics.terminal_images = "auto"')
    session = pty("sixel", IPYTHONDIR=str(profile.parent))
    assert re.search(SIXEL, session.type("result"), re.DOTALL)
    session.type("%unload_ext comfy_notebook")
    assert b"\x1b" not in session.type("result")


def test_without_the_library_it_says_what_to_install(pty, tmp_path):
    (tmp_path / "textual_image.py").write_text("raise ImportError")
    session = pty("sixel")
    said = session.type('%config ComfyMagics.terminal_images = "auto"')
    assert b"pip install textual-image" in said
    assert b"Completed" in session.type("result")
    assert b"'off'" in session.type("print(repr(get_ipython().magics_manager.registry['ComfyMagics'].terminal_images))")


def test_a_run_has_a_bar_that_leaves_nothing(pty, tmp_path, embedded_comfyui):
    (tmp_path / "graph.json").write_text(json.dumps(sampled(steps=150)))
    session = pty("neither", COMFYUI_BASE_URL=embedded_comfyui)
    page = session.type("%comfy run graph.json")
    before, _, after = page.partition(b"Completed in")
    assert re.search(rb"\d+%\|.*\| \d\d:\d\d, Sampler .* step \d+ of 150", before)
    assert re.search(rb"\r {60,}\r(Out\[\d+\]: \r\n)?$", before)
    assert b"%|" not in after


def test_in_a_pipe_nothing_happens(tmp_path):
    (tmp_path / "made.py").write_text(SCRIPT)
    lines = '%load_ext comfy_notebook\n%config ComfyMagics.terminal_images = "auto"\nfrom made import *\nresult\n'
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"],
        cwd=tmp_path, input=lines, capture_output=True, text=True, check=True,
        env=os.environ | {"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"},
    )  # fmt: skip
    assert "Completed" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr


def test_a_shell_without_a_terminal_is_left_alone(shell, monkeypatch):
    shell.run_line_magic("load_ext", "comfy_notebook")
    shell.run_line_magic("config", 'ComfyMagics.terminal_images = "auto"')  # as a kernel's: it has no terminal
    monkeypatch.setattr(terminal, "_in_terminal", lambda _: True)
    monkeypatch.setitem(sys.modules, "textual_image", None)
    with pytest.raises(MissingExtraError, match="pip install textual-image"):
        terminal.use(shell, "auto")
    with pytest.warns(UserWarning, match="pip install textual-image"):
        terminal.use_if_installed(shell, "auto")


class Store:
    def __init__(self, size):
        self.size = size

    def read(self, media):
        out = io.BytesIO()
        Image.new("RGB", self.size, "red").save(out, "PNG")
        return out.getvalue()


@pytest.mark.parametrize(("count", "tiles", "size"), [(1, 1, (640, 480)), (2, 2, (648, 320)), (5, 5, (1304, 648)),
                                                     (100, 12, (1304, 976))])  # fmt: skip
def test_pictures_are_side_by_side(count, tiles, size):
    images = MediaList(Media(f"http://x/{n}", filename="a.png", origin=Store((1024, 768))) for n in range(count))
    offered = terminal.offer(ExecuteResult("completed", images=images), "text")
    assert (offered["text"], offered["tiles"]) == ("text", tiles)
    image = Image.open(io.BytesIO(base64.b64decode(offered["png"])))
    assert image.size == size
    assert terminal._columns(tiles, *size) <= 80


def test_tall_pictures_stay_on_the_screen():
    assert terminal._columns(1, 100, 640) == 9
    assert terminal._columns(1, 1, 10_000) == 1
