import io

import numpy as np
import pytest
from PIL import Image

from comfy_notebook import Media, MediaError
from comfy_notebook.workflow.files import (
    LocalFile,
    MadeFile,
    MaskedFile,
    NotAFileError,
    RemoteFile,
    ResultFile,
    as_file,
)
from comfy_notebook.workflow.masks import with_mask


def picture(file):
    return Image.open(io.BytesIO(file.content))


def test_a_path_and_a_name_of_a_file_here(tmp_path):
    path = tmp_path / "ü x.png"
    path.write_bytes(b"abc")
    for value in (path, str(path)):
        file = as_file(value)
        assert isinstance(file, LocalFile)
        assert (file.name, file.read()) == ("ü x.png", b"abc")


def test_a_name_that_is_no_file_here_may_be_one_on_the_server():
    assert as_file("example.png") is None
    assert as_file("x" * 5000) is None
    assert as_file("a\0b") is None


def test_a_path_that_is_no_file_is_a_mistake(tmp_path):
    with pytest.raises(NotAFileError, match="no file"):
        as_file(tmp_path / "nope.png")


def test_urls_and_media():
    remote = as_file("https://example.org/a/b%20c.png?x=1")
    assert isinstance(remote, RemoteFile)
    assert remote.name == "b c.png"
    media = Media("http://127.0.0.1:8188/view?filename=x.png", filename="x.png")
    assert as_file(media) == ResultFile(media)


def test_bytes_are_named_by_what_they_are():
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, "JPEG")
    file = as_file(out.getvalue())
    assert isinstance(file, MadeFile)
    assert file.name.endswith(".jpg")
    assert as_file(out.getvalue()).name == file.name
    assert as_file(io.BytesIO(b"RIFF\0\0\0\0WAVEfmt ")).name.endswith(".wav")
    assert as_file(b"whatever").name.endswith(".bin")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1", "I;16", "I", "F", "LA"])
def test_a_pil_image_of_any_mode(mode):
    assert picture(as_file(Image.new(mode, (5, 3)))).size == (5, 3)


def test_transparency_is_kept():
    assert picture(as_file(Image.new("RGBA", (2, 2), (1, 2, 3, 4)))).getpixel((0, 0)) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("array", "pixel"),
    [
        (np.full((2, 3, 3), 255, np.uint8), (255, 255, 255)),
        (np.full((2, 3, 3), 0.5, np.float32), (128, 128, 128)),
        (np.full((1, 2, 3, 3), 1.0), (255, 255, 255)),
        (np.zeros((2, 3, 4), np.uint8), (0, 0, 0, 0)),
        (np.full((2, 3), 7, np.uint8), 7),
        (np.full((2, 3, 1), 7, np.uint8), 7),
        (np.ones((2, 3), bool), 255),
    ],
)
def test_an_array(array, pixel):
    image = picture(as_file(array))
    assert image.size == (3, 2)
    assert image.getpixel((0, 0)) == pixel


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.full((2, 2, 3), 200.0), "between 0 and 1"),
        (np.full((2, 2, 3), np.nan), "between 0 and 1"),
        (np.zeros((2, 2, 3), np.int64), "int64"),
        (np.zeros((3, 64, 64), np.uint8), "shape"),
        (np.zeros(5), "shape"),
    ],
)
def test_an_array_that_is_no_picture_is_told_why(array, says):
    with pytest.raises(NotAFileError, match=says):
        as_file(array)


def test_a_tensor_needs_no_torch():
    class Tensor:
        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return np.zeros((4, 2, 3), np.float32)

    assert picture(as_file(Tensor())).size == (2, 4)


@pytest.mark.parametrize("value", [object(), 3, {"a": 1}])
def test_what_is_no_file_is_told_so(value):
    with pytest.raises(NotAFileError, match="neither a file"):
        as_file(value)


def test_a_file_open_as_text_is_told_so():
    with pytest.raises(NotAFileError, match="rb"):
        as_file(io.StringIO("x"))


class TestMasks:
    def test_a_picture_is_transparent_where_its_mask_is_white(self):
        mask = np.zeros((4, 6))
        mask[0, 0], mask[0, 1] = 1.0, 0.5
        pair = as_file((Image.new("RGB", (6, 4), (1, 2, 3)), mask))
        assert isinstance(pair, MaskedFile)
        assert pair.name.endswith("-masked.png")
        made = Image.open(io.BytesIO(with_mask(pair.picture.content, pair.mask.content)))
        assert [made.getpixel((x, 0)) for x in range(3)] == [(1, 2, 3, 0), (1, 2, 3, 127), (1, 2, 3, 255)]

    def test_a_mask_of_another_size_is_told(self):
        picture, mask = as_file(Image.new("RGB", (6, 4))), as_file(Image.new("L", (4, 6)))
        with pytest.raises(MediaError, match="The mask is 4 x 6 and its picture 6 x 4"):
            with_mask(picture.content, mask.content)

    def test_a_mask_that_is_no_picture_is_told(self):
        with pytest.raises(MediaError, match="The mask cannot be read"):
            with_mask(as_file(Image.new("RGB", (6, 4))).content, b"nothing")

    @pytest.mark.parametrize("value", [(b"a", b"b", b"c"), (b"a", "not here.png"), ((b"a", b"b"), b"c"), ()])
    def test_what_is_no_pair_is_a_mistake(self, value):
        with pytest.raises(NotAFileError, match="mask"):
            as_file(value)
