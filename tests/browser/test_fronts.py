"""Everything that a result can have, in every front end: there, readable, reachable, and at its place."""

import copy
import os
import re

import everything
import nbformat
import pytest
from filelock import FileLock
from fronts import PAGES, THEMES, WIDTHS, Jupyter, notebook

REAL = {"lab": "jupyterlab", "notebook": "notebook"}
FRONTS = [f"{app}-{trust}" for app in REAL for trust in ("trusted", "untrusted")] + [
    name for name in PAGES if name != "raw"
]
THEIR_OWN = "favicon|reading 'schema'"  # what front ends complain of without us: Notebook 7.6 does of its settings
MISSING = ["bomb.png", "cut.png", "cut.jpg", "cut.mp4", "page.png", "empty.png", "gone.png"]


@pytest.fixture(scope="module")
def executed(samples, tmp_path_factory):
    """Return a notebook that someone else ran: its outputs are here, and nobody here signed them."""
    from nbclient import NotebookClient

    made = [nbformat.v4.new_code_cell(f"import everything\neverything.{make.__name__}()") for make in everything.ALL]
    path = samples.with_name("everything.ipynb")
    with FileLock(path.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        if not path.exists():
            patch.setenv(
                "PYTHONPATH",
                str(everything.__file__).rpartition(os.sep)[0] + os.pathsep + os.environ.get("PYTHONPATH", ""),
            )
            document = notebook(made)
            NotebookClient(document, kernel_name="python3").execute()
            nbformat.write(document, path)
        return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module", params=FRONTS)
def shown(request, browser, jupyter, executed, tmp_path_factory):
    """Return the notebook open in a front end."""
    name = request.param
    page = browser.new_page(viewport={"width": WIDTHS[0], "height": 1000})
    if name in PAGES:
        yield PAGES[name](page, name, tmp_path_factory.mktemp(name), executed)
    else:
        app, trust = name.split("-")
        lab = jupyter(REAL[app])
        document = copy.deepcopy(executed)
        if trust == "trusted":
            for cell in document.cells:
                cell.outputs, cell.execution_count = [], None
        nbformat.write(document, lab.folder / "work" / f"{trust}.ipynb")
        front = Jupyter(page, name, lab, f"{trust}.ipynb")
        yield (front.run() if trust == "trusted" else front).wait(len(everything.ALL))
    page.close()


def test_all_of_it_is_there(shown):
    assert sum(shown.each("count")) == len(everything.ALL)
    said = "\n".join(shown.each("text"))
    for name in ["cover", "clip", "files", "mesh.glb", "thing.xyz", "OutOfMemoryError", "a caption", "portrait.json"]:
        assert name in said


def test_pictures_have_loaded(shown):
    assert shown.complaints("pictures") in ([], ["img zero.svg"])  # which has no size to load


def test_players_have_a_duration(shown):
    assert [complaint for complaint in shown.complaints("players") if "cut.mp4" not in complaint] == []


def test_headings_are_real(shown):
    headings = " ".join(heading for frame in shown.each("headings") for heading in frame)
    for name in ("cover", "batch", "animated", "formats", "clips", "sounds", "short", "rtl", "film"):
        assert name in headings


def test_every_picture_has_an_alternative_text(shown):
    assert shown.complaints("alts") == []


def test_no_id_is_there_twice(shown):
    assert shown.complaints("ids") == []


@pytest.mark.parametrize("name", MISSING)
def test_what_cannot_be_shown_says_so(shown, name):
    assert name in "\n".join(shown.each("text"))
    assert [complaint for complaint in shown.complaints("pictures") if name in complaint] == []


def test_a_cut_off_video_is_no_dead_player(shown):
    assert [complaint for complaint in shown.complaints("players") if "cut.mp4" in complaint] == []


def test_a_drawing_without_a_size_says_so(shown):
    assert "zero.svg" in "\n".join(shown.each("text"))


@pytest.fixture(scope="module")
def looks(shown):
    """Return what there is to complain of by theme and width, folded and unfolded, and leave screenshots."""
    found = {}
    for theme in THEMES:
        shown.put_on(theme)
        for width in WIDTHS:
            shown.resize(width)
            shown.screenshot()
            for unfolded in (False, True):
                shown.complaints("folds", unfolded)
                for check in ("overflow", "contrast"):
                    found.setdefault((check, theme, width), set()).update(shown.complaints(check))
            shown.complaints("folds", False)
    shown.put_on(THEMES[0])
    shown.resize(WIDTHS[0])
    return found


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_overflows(looks, theme, width):
    assert looks["overflow", theme, width] == set()


@pytest.mark.parametrize("theme", THEMES)
def test_all_text_stands_out_from_its_background(looks, theme):
    assert looks["contrast", theme, WIDTHS[0]] | looks["contrast", theme, WIDTHS[1]] == set()


FOCUS = """() => {
    const one = document.activeElement;
    const style = getComputedStyle(one);
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
    return {tag: one.tagName, zoom: !!one.querySelector('img'), open: one.parentElement.open,
            visible: one.matches(':focus-visible') && (outlined || style.boxShadow !== 'none')};
}"""


def test_folds_and_zooms_work_from_the_keyboard(shown):
    frame = next(frame for frame in shown.frames() if frame.locator(f"{shown.root} summary:has(img)").count() > 1)
    frame.locator(f"{shown.root} summary:has(img)").first.focus()
    found = []
    for _ in range(30):  # players have many controls
        shown.page.keyboard.press("Tab")
        found.append(frame.evaluate(FOCUS))
        if found[-1]["tag"] == "SUMMARY":
            shown.page.keyboard.press("Enter")
            assert frame.evaluate(FOCUS)["open"] is not found[-1]["open"]
            shown.page.keyboard.press("Enter")
            assert frame.evaluate(FOCUS)["open"] is found[-1]["open"]
    stops = [stop for stop in found if stop["tag"] == "SUMMARY"]
    assert {stop["zoom"] for stop in stops} == {True, False} or len(shown.frames()) > 1
    assert all(stop["visible"] for stop in stops)


def test_nothing_is_asked_for_elsewhere_and_nothing_is_complained_of(shown):
    assert shown.elsewhere() == []
    assert [message for message in shown.messages if not re.search(THEIR_OWN, message)] == []
    assert shown.dialogs == []


def test_axe_finds_nothing(browser, executed, tmp_path):
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install axe-playwright-python"
    )
    page = browser.new_page()
    PAGES["nbconvert"](page, "axe", tmp_path, executed)
    results = axe.Axe().run(page, context=".cnb")
    assert [
        f"{one['id']}: {node['html'][:150]}" for one in results.response["violations"] for node in one["nodes"][:3]
    ] == []
    page.close()
