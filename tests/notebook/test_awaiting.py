import pytest

from comfy_notebook.notebook.awaiting import AWAITED, AwaitedCells

CELL = "%%comfy w.json\nseed = 1\n"


@pytest.fixture
def cells(shell):
    made = AwaitedCells(shell)
    shell.kernel = object()
    made.install()
    yield made
    made.remove()
    del shell.kernel


def transformed(shell, cell=CELL):
    return shell.transform_cell(cell)


def test_a_cell_of_a_notebook_becomes_an_awaited_call(shell, cells):
    assert transformed(shell) == f"await get_ipython().run_cell_magic('{AWAITED}', 'w.json', 'seed = 1\\n')\n"


@pytest.mark.parametrize(
    "cell", ["%comfy", "x = 1", "%%time\n%%comfy w.json\nx = 1", "%%comfort x\ny", "print('%%comfy')"]
)
def test_other_cells_stay_as_they_are(shell, cells, cell):
    assert "await" not in transformed(shell, cell)


def test_a_cell_that_other_code_runs_is_not_awaited(shell, cells):
    shell.events.trigger("pre_run_cell", None)
    assert "await" not in transformed(shell)
    shell.events.trigger("post_run_cell", None)
    assert "await" in transformed(shell)


def test_a_terminal_does_not_await(shell, cells):
    shell.kernel = None
    assert "await" not in transformed(shell)


def test_without_autoawait_nothing_is_awaited(shell, cells):
    shell.autoawait = False
    assert "await" not in transformed(shell)


def test_removing_leaves_nothing(shell):
    before = (list(shell.input_transformers_post), {k: list(v) for k, v in shell.events.callbacks.items()})
    cells = AwaitedCells(shell)
    cells.install()
    cells.remove()
    assert (list(shell.input_transformers_post), {k: list(v) for k, v in shell.events.callbacks.items()}) == before
