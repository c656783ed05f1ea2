import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfy_notebook.servers.embedded.files import Files, OutsideError, split_annotation

HOSTILE = ["..", "../x", "a/../../x", "/x", "/etc/passwd", "../output/x", "../input", "a/../..", "", "."]


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_out_of_their_folder_are_refused(files, name):
    with pytest.raises(OutsideError):
        files.place("input", "", name)
    with pytest.raises(OutsideError):
        files.find(name)
    assert not files.exists(name)


@pytest.mark.parametrize("subfolder", ["..", "../..", "/tmp", "a/../.."])  # noqa: S108 - meant as an attack
def test_folders_that_lead_out_are_refused(files, subfolder):
    with pytest.raises(OutsideError):
        files.place("output", subfolder, "x.png")


def test_a_folder_with_a_name_that_begins_alike_is_outside(files):
    (files.root / "input-secret").mkdir()
    with pytest.raises(OutsideError):
        files.place("input", "../input-secret", "x")


@pytest.mark.parametrize("name", ["x\0y", "n" * 5000, "x\udcff"])
def test_names_that_no_system_takes_are_not_there(files, name):
    assert not files.exists(name)


@pytest.mark.skipif(os.name != "nt", reason="only Windows gives these names a meaning")
@pytest.mark.parametrize("name", ["C:x", "C:\\x", "\\\\host\\share\\x", "x.png:stream", "a?b"])
def test_names_that_mean_something_to_windows_are_refused(files, name):
    with pytest.raises(OutsideError):
        files.place("output", "", name)


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/x"])
def test_prefixes_that_lead_out_are_refused(files, prefix):
    with pytest.raises(OutsideError):
        files.series(prefix, "output")


@pytest.mark.parametrize("prefix", ["x", "a/b/x", "a/../x", "x/", "", "..", "ü", "%width%", "a\\b"])
def test_whatever_is_saved_stays_in_its_folder(files, prefix):
    saved = files.series(prefix, "output", (3, 4)).save(b"x", ".png")
    path = files.folder("output") / saved["subfolder"] / saved["filename"]
    assert path.resolve().is_relative_to(files.folder("output").resolve())
    assert path.read_bytes() == b"x"
    assert sum(entry.is_file() for entry in files.root.rglob("*")) == 1


def test_placeholders_in_values_are_not_filled_again(files):
    saved = files.series("%width%%height%", "output", (3, 4)).save(b"x", ".png")
    assert saved["filename"] == "34_00001_.png"


def test_numbers_go_on_after_the_highest(files):
    for name in ("p_00007_.png", "p_00003_.webp", "p_x_.png", "q_00099_.png", "p_00050.png"):
        (files.folder("output") / name).write_bytes(b"")
    series = files.series("p", "output")
    assert [series.save(b"", ".png")["filename"] for _ in range(2)] == ["p_00008_.png", "p_00009_.png"]


def test_many_that_save_at_once_write_over_nothing(tmp_path):
    def save(number):
        return Files(tmp_path).series("p", "output").save(str(number).encode(), ".txt")["filename"]

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(save, range(200)))
    assert len(set(names)) == 200
    for number, name in enumerate(names):
        assert (tmp_path / "output" / name).read_text() == str(number)


@pytest.mark.parametrize(
    ("given", "name", "kind"),
    [
        ("a.png", "a.png", None),
        ("a.png [input]", "a.png", "input"),
        ("a.png[input]", "a.png[input]", None),
        ("a [b].png [temp]", "a [b].png", "temp"),
        ("a.png [elsewhere]", "a.png [elsewhere]", None),
    ],
)
def test_a_name_can_say_where_it_is(given, name, kind):
    assert split_annotation(given) == (name, kind)


def test_listings_are_by_kind_and_sorted(files):
    for name in ("b.png", "a.webp", "c.mp3", "d.mp4", "e.txt", "f"):
        (files.folder("input") / name).write_bytes(b"")
    (files.folder("input") / "folder.png").mkdir()
    assert files.listing("image") == ["a.webp", "b.png"]
    assert files.listing("audio") == ["c.mp3", "d.mp4"]
    assert files.listing("any") == ["a.webp", "b.png", "c.mp3", "d.mp4", "e.txt", "f"]
