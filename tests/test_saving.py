import asyncio
import os
import struct
import subprocess
import sys
import threading
import unicodedata

import nbclient
import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfy_notebook import ExecuteResult, Media, MediaError, ParameterError
from comfy_notebook.media import MediaList
from comfy_notebook.saving import Draft, Names

NASTY = ["../../x.png", "/etc/x.png", "C:\\x.png", "CON", "NUL.txt", "a" * 300 + ".png", "a\nb\0.png", "\u202egnp.exe",
         "", "x.png", "X.PNG", "u\u0308.png", "\u00fc.png", "\u00dc.png", "a?.png", "a*.png", "x (2).png", "..",
         ". "]  # fmt: skip


class Server:
    """Gives out each file's own name, or fails."""

    def __init__(self, failing=(), seconds=0.0):
        self.failing, self.seconds = failing, seconds
        self.now = self.most = 0

    async def awrite(self, media, file):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.seconds)
        file.write(b"half")
        self.now -= 1
        if media.filename in self.failing:
            raise MediaError(f"{media.filename} cannot be fetched: gone")
        file.seek(0)
        file.truncate()
        file.write(str(media).encode())


def files(names, server=None, var="cover"):
    server = server or Server()
    return MediaList(
        Media(f"http://x/{number}", filename=name, var=var, node_id="9", origin=server)
        for number, name in enumerate(names)
    )


def everything(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_files_are_named_by_a_pattern(tmp_path):
    images = files(["a.png", "b.webp", "c.PNG"])
    assert images.download(tmp_path / "new" / "outputs", "{var}_{index:03}") == [
        tmp_path / "new" / "outputs" / name for name in ("cover_000.png", "cover_001.webp", "cover_002.PNG")
    ]
    assert [path.read_bytes() for path in everything(tmp_path)] == [b"http://x/0", b"http://x/1", b"http://x/2"]
    assert images[1:].download(tmp_path, "{node_id}/{kind}-{filename}-{index}") == [
        tmp_path / "9" / "image-b-0.webp",
        tmp_path / "9" / "image-c-1.PNG",
    ]


async def test_the_awaitable_twins(tmp_path):
    assert await files(["a.png"]).adownload(tmp_path) == [tmp_path / "a.png"]
    result = ExecuteResult("completed", images=files(["a.png"]), prompt_id="p")
    assert await result.adownload(tmp_path, "{prompt_id}") == [tmp_path / "p.png"]


def test_a_results_parameters_are_fields_too(tmp_path):
    params = {"seed": 42, "KSampler.steps": 8, "prompt": "a fox/in the snow", "image": object(), "var": "shadowed"}
    result = ExecuteResult("completed", images=files(["a.png"]), videos=files(["b.mp4"], var="clip"), params=params)
    paths = result.download(tmp_path, "{var}_{seed:05}_{KSampler.steps}_{prompt:.5}_{index}")
    assert [path.name for path in paths] == ["cover_00042_8_a fox_0.png", "clip_00042_8_a fox_0.mp4"]
    with pytest.raises(
        ParameterError, match=r"no field 'sed'\. It has: seed, KSampler\.steps, prompt, var, prompt_id, index"
    ):
        result.download(tmp_path / "never", "{sed}")
    with pytest.raises(ParameterError, match=r"fields of result\.download"):
        result.images.download(tmp_path / "never", "{seed}")
    assert not (tmp_path / "never").exists()


def test_a_pattern_that_names_the_suffix_does_not_double_it(tmp_path):
    assert files(["a.png"]).download(tmp_path, "x.png") == [tmp_path / "x.png"]
    assert files(["a.png"]).download(tmp_path, "x.jpg") == [tmp_path / "x.jpg.png"]


def test_nothing_is_nothing(tmp_path):
    assert MediaList().download(tmp_path / "new") == []
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("pattern", ["{filename}", "{var}", "x", "../../{filename}", "/{var}/../{filename}", "."])
def test_whatever_the_names_nothing_leaves_the_folder_or_is_lost(tmp_path, pattern):
    outputs = tmp_path / "a" / "outputs"
    outputs.mkdir(parents=True)
    (outputs / "X.png").write_bytes(b"mine")
    before = everything(tmp_path)
    for again in range(1, 3):
        paths = files(NASTY, var="../..\\CON:x").download(outputs, pattern)
        assert len(everything(tmp_path)) == again * len(NASTY) + len(before)
        assert all(path.resolve().is_relative_to(outputs) for path in paths)
        assert [path.read_bytes() for path in paths] == [f"http://x/{number}".encode() for number in range(len(NASTY))]
        seen = {unicodedata.normalize("NFC", str(path)).casefold() for path in everything(tmp_path)}
        assert len(seen) == len(everything(tmp_path))
    assert (outputs / "X.png").read_bytes() == b"mine"


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=30)), max_size=6), st.text(max_size=12))
def test_any_names_and_patterns(tmp_path_factory, names, pattern):
    root = tmp_path_factory.mktemp("any")
    outputs = root / "outputs"
    try:
        paths = files(names).download(outputs, pattern)
    except ParameterError:
        assert not outputs.exists()
        return
    assert sorted(set(paths)) == everything(root)
    assert len(paths) == len(names)
    assert all(path.is_relative_to(outputs) for path in paths)


@pytest.mark.skipif(os.name == "nt", reason="Windows gives links to administrators alone")
def test_a_link_in_the_folder_that_leads_out_is_not_followed(tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outputs" / "cover").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "outputs" / "a.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    with pytest.raises(MediaError, match="leads out of"):
        files(["a.png"]).download(tmp_path / "outputs", "{var}/{index}")
    assert files(["a.png"]).download(tmp_path / "outputs") == [tmp_path / "outputs" / "a (2).png"]
    assert everything(tmp_path / "elsewhere") == []


def test_what_can_be_had_is_written_and_the_rest_is_told(tmp_path):
    images = files(["a.png", "b.png", "c.png"], Server(failing=("b.png",)))
    with pytest.raises(
        MediaError, match=r"1 of 3 files could not be downloaded:\n  - b\.png: b\.png cannot be"
    ) as caught:
        images.download(tmp_path)
    assert [problem.subject for problem in caught.value.problems] == ["b.png"]
    assert str(tmp_path) in caught.value.hint
    assert [path.name for path in everything(tmp_path)] == ["a.png", "c.png"]


def test_a_full_disk_leaves_nothing_in_part(tmp_path, monkeypatch):
    def full(self, names, name):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("comfy_notebook.saving.Names.give", full)
    with pytest.raises(MediaError, match=r"2 of 2 files .*\n  - a\.png: No space left on device"):
        files(["a.png", "b.png"]).download(tmp_path)
    assert everything(tmp_path) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(MediaError, match="Permission denied"):
        files(["a.png"]).download(tmp_path)


def test_several_are_fetched_at_once_and_not_all(tmp_path):
    server = Server(seconds=0.02)
    files([f"{number}.png" for number in range(40)], server).download(tmp_path)
    assert 4 <= server.most <= 8


async def test_who_stops_waiting_stops_the_download(tmp_path):
    task = asyncio.ensure_future(files(["a.png"] * 20, Server(seconds=0.3)).adownload(tmp_path))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_bar_appears_when_it_takes_long(tmp_path, monkeypatch):
    shown = []

    class Bar:
        def __init__(self, **options):
            shown.append(options["initial"])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            shown.append("closed")

        def update(self, count):
            shown.append(count)

    monkeypatch.setattr("tqdm.tqdm", Bar)
    files(["a.png"] * 4).download(tmp_path)
    assert shown == []
    files(["a.png"] * 12, Server(seconds=0.7)).download(tmp_path)
    assert shown[0] == 8
    assert shown[-1] == "closed"
    assert sum(shown[:-1]) == 12


def test_two_downloads_at_once_lose_nothing(tmp_path):
    threads = [threading.Thread(target=files(["a.png"] * 25).download, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(everything(tmp_path)) == 100
    assert all(path.stat().st_size > 4 for path in everything(tmp_path))


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    (tmp_path / "a.png").write_bytes(b"mine")
    with Draft(tmp_path) as draft:
        draft.file.write(b"new")
        with pytest.raises(FileExistsError):
            draft.take(tmp_path / "a.png")
        assert Names(tmp_path).give(draft, "a.png") == tmp_path / "a (2).png"
    assert [path.read_bytes() for path in everything(tmp_path)] == [b"new", b"mine"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_files_have_the_users_permissions(tmp_path):
    (path,) = files(["a.png"]).download(tmp_path)
    (tmp_path / "usual").touch()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="Windows gives links to administrators alone")
async def test_saving_to_a_path_replaces_and_into_a_folder_does_not(tmp_path):
    (tmp_path / "x.png").write_bytes(b"old")
    (tmp_path / "to").symlink_to(tmp_path / "x.png")
    (item,) = files(["../CON.png"])
    assert await item.asave(str(tmp_path / "to")) == tmp_path / "to"
    assert (tmp_path / "x.png").read_bytes() == b"http://x/0"
    assert (tmp_path / "to").is_symlink()
    assert [await item.asave(tmp_path) for _ in range(2)] == [tmp_path / "_CON.png", tmp_path / "_CON (2).png"]
    with pytest.raises(FileNotFoundError):
        await item.asave(tmp_path / "nowhere" / "x.png")
    with pytest.raises(MediaError):
        await files(["a.png"], Server(failing=("a.png",)))[0].asave(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == b"http://x/0"
    assert len(list(tmp_path.iterdir())) == 4


SLOW = """
import asyncio
from comfy_notebook.media import Media, MediaList
class Server:
    async def awrite(self, media, file):
        await asyncio.sleep(0.7)
        file.write(b"x")
files = MediaList(Media(f"http://x/{n}", filename="a.png", origin=Server()) for n in range(20))
print(len(files.download("outputs")))
"""


class FrontEnd(nbclient.NotebookClient):
    """Runs a notebook as if someone sat there, and keeps what was shown meanwhile."""

    async def async_start_new_kernel_client(self):
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True
        self.seen = []
        return client

    def process_message(self, message, *rest):
        self.seen.append(message["content"].get("data", {}).get("text/plain", ""))
        return super().process_message(message, *rest)


@pytest.mark.parametrize("client", [FrontEnd, nbclient.NotebookClient])
def test_a_bar_leaves_nothing_in_a_notebook(tmp_path, client):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)])
    runs = client(notebook, resources={"metadata": {"path": str(tmp_path)}}, timeout=60)
    runs.execute()
    outputs = [output.get("text") or output["data"] for output in notebook.cells[0].outputs]
    if client is FrontEnd:
        assert any("8/20" in text for text in runs.seen)
        assert outputs == [{"text/plain": ""}, "20\n"]
    else:
        assert outputs == ["20\n"]
    assert "widgets" not in notebook.metadata


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such terminals")
def test_a_bar_appears_in_a_terminal_and_not_in_a_pipe(tmp_path):
    import fcntl
    import termios

    master, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(master, False)
    command = [sys.executable, "-c", SLOW]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, check=True)
    assert done.stdout == b"20\n"
    assert b"Downloading:" in os.read(master, 65_536)
    os.close(master)
    os.close(terminal)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"20\n", b"")
