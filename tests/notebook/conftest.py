import atexit

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


@pytest.fixture
def shell():
    """A real shell, without a terminal and without a kernel."""
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell.instance(config=config)
    yield made
    made.run_line_magic("unload_ext", "comfy_notebook")
    made.atexit_operations()
    atexit.unregister(made.atexit_operations)
    InteractiveShell.clear_instance()


@pytest.fixture
def ready(shell, embedded_comfyui, tmp_path, monkeypatch):
    """That shell with the extension, its server, and a folder of its own to work in."""
    monkeypatch.chdir(tmp_path)
    shell.run_line_magic("load_ext", "comfy_notebook")
    shell.run_line_magic("config", f"ComfyMagics.server = '{embedded_comfyui}'")
    return shell
