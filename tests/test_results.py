import copy
import dataclasses
import json
import pickle

import pytest
from PIL import Image

from comfy_notebook import ExecuteResult, Media, MediaError, NodeError, errors
from comfy_notebook.cache import default_cache
from comfy_notebook.errors import ComfyError, Problem
from comfy_notebook.media import MediaList
from comfy_notebook.results import ResultList


class Store:
    def __init__(self, content):
        self.content = content

    def read(self, media):
        if self.content is None:
            raise MediaError("gone")
        return self.content

    async def aread(self, media):
        return self.read(media)

    def write(self, media, file):
        file.write(self.read(media))

    async def awrite(self, media, file):
        self.write(media, file)


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (3, 2), "red").save(path)
    return path.read_bytes()


def media(content=b"", name="a b.png"):
    return Media(f"http://127.0.0.1:8188/view?filename={name}", filename=name, var="cover", origin=Store(content))


def test_a_media_is_its_url(png):
    item = media(png)
    assert isinstance(item, str)
    assert item == "http://127.0.0.1:8188/view?filename=a b.png"
    assert json.loads(json.dumps([item])) == [item]
    assert f"{item}".startswith("http")


def test_a_media_gives_its_content(png, tmp_path):
    item = media(png)
    assert item.bytes() == png
    assert item.pil().size == (3, 2)
    assert item.save(tmp_path / "y.png").read_bytes() == png
    assert item.save(tmp_path) == tmp_path / "a b.png"


@pytest.mark.parametrize("name", ["../../evil.png", "..\\..\\evil.png", "/etc/evil.png", "C:\\evil.png"])
def test_saving_into_a_folder_stays_in_it(png, tmp_path, name):
    folder = tmp_path / "folder"
    folder.mkdir()
    assert media(png, name).save(folder).parent == folder


async def test_the_awaitable_twins(png, tmp_path):
    item = media(png)
    assert await item.abytes() == png
    assert (await item.apil()).size == (3, 2)
    assert (await item.asave(tmp_path / "z.png")).read_bytes() == png


def test_what_is_no_picture_is_told_so():
    with pytest.raises(MediaError, match="no picture"):
        media(b"<html>").pil()


def test_what_is_gone_is_told_so():
    with pytest.raises(MediaError, match="gone"):
        media(None).bytes()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_media_is_pickled_without_its_connection(png, protocol):
    again = pickle.loads(pickle.dumps(media(png), protocol))
    assert again == media(png)
    assert (again.filename, again.kind, again.var) == ("a b.png", "image", "cover")
    assert again._origin is None


def test_a_copy_in_this_process_keeps_its_connection(png):
    result = ExecuteResult("completed", images=MediaList([media(png)]))
    for again in (copy.copy(result), copy.deepcopy(result), dataclasses.replace(result)):
        assert again.images[0].bytes() == png
        assert isinstance(again.images, MediaList)
    assert dataclasses.asdict(result)["images"] == result.images


def test_a_pickle_reads_what_the_cache_keeps(png):
    item = media(None)
    item.digest = default_cache().put(png)
    again = pickle.loads(pickle.dumps(item))
    assert again.digest == item.digest
    assert again.bytes() == png
    assert again.pil().size == (3, 2)


def subclasses(kind):
    return [kind, *(below for direct in kind.__subclasses__() for below in subclasses(direct))]


@pytest.mark.parametrize("kind", subclasses(ComfyError), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy])
def test_an_error_comes_back_with_all_it_knows(kind, again):
    assert getattr(errors, kind.__name__, kind) is kind
    error = kind("It failed.", hint="Do that.", problems=[Problem("too large", "steps", "3", "steps")])
    error.node_id, error.title, error.class_type = "3", "Refine", "KSampler"
    error.exception_type, error.traceback, error.node_errors = "ValueError", "line 1\n", {"3": {"errors": []}}
    error.status, error.shown = 404, True
    result = again(ExecuteResult.failure(error, prompt_id="x", params={"seed": 1}))
    back = result.error
    assert type(back) is kind
    assert str(back) == str(error) == result.msg
    same = ("message", "hint", "problems", "node_id", "title", "class_type", "exception_type", "traceback", "args")
    for name in (*same, "node_errors", "status"):
        assert getattr(back, name) == getattr(error, name)
    assert back.shown is (again is copy.copy)  # copy.copy of a result leaves its error the same object
    assert (result.prompt_id, result.params) == ("x", {"seed": 1})


def test_slices_are_galleries():
    items = MediaList([media(), media(), media()])
    assert isinstance(items[:2], MediaList)
    assert isinstance(items[0], Media)
    assert items == [str(item) for item in items]


def test_a_result_tells_its_counts():
    result = ExecuteResult("completed", images=MediaList([media(), media()]), texts=["x"], duration=1.234)
    assert repr(result) == "<ExecuteResult completed: 2 images, 1 text, 1.23 s>"
    assert ExecuteResult("completed").counts() == "no outputs"


def test_a_result_tells_a_wait_that_matters():
    assert ExecuteResult("failed").timing() == ""
    assert ExecuteResult("completed", duration=14.0, seconds=1.25).timing() == "14.00 s, 12.75 of them in the queue"
    assert ExecuteResult("completed", duration=14.0, seconds=12.75).timing() == "14.00 s"
    assert ExecuteResult("completed", duration=0.2, seconds=0.01).timing() == "0.20 s"
    both = ResultList(ExecuteResult("completed", duration=each, seconds=1.0) for each in (1.0, 2.0)).joined()
    assert (both.duration, both.seconds, both.timing()) == (2.0, 2.0, "2.00 s")


def test_a_failure_holds_its_error():
    error = NodeError.from_message(
        {"node_id": "3", "node_type": "KSampler", "exception_type": "ValueError", "exception_message": "boom\n",
         "traceback": ["line 1\n", "line 2\n"]},
        "Refine",
    )  # fmt: skip
    result = pickle.loads(pickle.dumps(ExecuteResult.failure(error, prompt_id="x")))
    assert result.status == "failed"
    assert result.msg == 'KSampler "Refine" (node 3) raised ValueError: boom'
    assert (result.error.node_id, result.error.class_type, result.error.title) == ("3", "KSampler", "Refine")
    assert (result.error.exception_type, result.error.traceback) == ("ValueError", "line 1\nline 2\n")
    with pytest.raises(NodeError, match="boom"):
        result.raise_for_status()


def test_a_completed_result_is_returned_by_its_check():
    result = ExecuteResult("completed")
    assert result.raise_for_status() is result


def test_an_error_message_may_lack_anything():
    assert NodeError.from_message({}, None).message == "A node raised an exception."
