"""Hostile names, texts and files, in every view and where pages let much through: no script runs, nothing breaks."""

import copy
import re
from collections import Counter

import hostile
import nbformat
import pytest
from fronts import PAGES, Jupyter, cells

FRONTS = ["lab-trusted", "lab-untrusted", "raw", "nbconvert", "like-github"]


@pytest.fixture(scope="module")
def document():
    """Return a notebook with every injection in every view."""
    shown = [pair for name in hostile.INJECTIONS for pair in hostile.views(name).values()]
    return cells({"text/plain": text, "text/html": html} for html, text in shown)


@pytest.fixture(scope="module", params=FRONTS)
def shown(request, browser, jupyter, document, tmp_path_factory):
    name = request.param
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    ran = []
    context.expose_binding("__pwned", lambda _source, where="somewhere": ran.append(where))
    page = context.new_page()
    if name.startswith("lab"):
        lab = jupyter("jupyterlab")
        path = lab.folder / "work" / f"hostile-{name}.ipynb"
        made = copy.deepcopy(document)
        made.metadata["front"] = name  # a signature holds for all notebooks that are alike
        nbformat.write(made, path)
        if name == "lab-trusted":
            nbformat.sign.NotebookNotary(data_dir=str(lab.folder / "jupyter_data_dir")).sign(nbformat.read(path, 4))
        front = Jupyter(page, f"hostile-{name}", lab, path.name)
        front.wait(len(hostile.INJECTIONS) * len(hostile.VIEWS)).wait_for_formulas()
    else:
        front = PAGES[name](page, f"hostile-{name}", tmp_path_factory.mktemp(name), document)
    front.ran, front.address, front.number = ran, page.url, len(front.frames())
    front.complaints("folds", True)
    page.wait_for_timeout(1000)
    yield front
    front.complaints("folds", False)
    front.screenshot(front.name)
    context.close()


def where(complaints):
    """Say in which injections and views there is something to complain of, and of how many things."""
    names = [f"{name} in {view}" for name in hostile.INJECTIONS for view in hostile.VIEWS]
    found = [re.match(r"\[(\d+)\] ([^: ]*)", complaint) for complaint in complaints]
    return dict(Counter(f"{names[int(one[1])]}: {one[2]}" if one else "the page" for one in found))


def test_all_of_it_is_shown(shown):
    assert sum(shown.each("count")) == len(hostile.INJECTIONS) * len(hostile.VIEWS)
    styles = sum(frame.locator(".cnb style").count() for frame in shown.frames())
    assert (styles == 0) == (shown.name in ("hostile-lab-untrusted", "hostile-like-github"))


def test_no_script_runs(shown):
    assert shown.ran == []
    assert shown.dialogs == []


def test_nothing_is_asked_for_and_nobody_is_sent_elsewhere(shown):
    assert shown.elsewhere() == []
    assert shown.page.url == shown.address
    assert len(shown.frames()) == shown.number
    assert len(shown.page.context.pages) == 1


def test_nothing_foreign_is_in_the_page(shown):
    assert where(shown.complaints("foreign")) == {}


def test_links_lead_to_servers_and_files_only(shown):
    assert where(shown.complaints("links")) == {}


def test_all_stays_in_its_box(shown):
    assert where(shown.complaints("overflow")) == {}


def test_the_next_cell_is_there_and_works(shown):
    page = shown.page
    if isinstance(shown, Jupyter):
        cell = page.locator(".jp-CodeCell").last
        cell.scroll_into_view_if_needed()
        assert cell.locator(".jp-OutputArea-output").inner_text().strip() == "'the cell after it'"
        cell.locator(".cm-content").click()
        page.keyboard.type("# typed")
        assert "# typed" in cell.locator(".cm-content").inner_text()
    elif shown.name == "hostile-nbconvert":
        page.get_by_text("the cell after it").last.click()
    else:
        page.locator("#after").click()
        assert page.locator("#after").inner_text() == "pressed"
