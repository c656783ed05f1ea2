"""``%load_ext comfy_notebook``: sets up the magics and what belongs to them, and takes it all back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.notebook.awaiting import AWAITED, AwaitedCells
from comfy_notebook.notebook.completion import Completer
from comfy_notebook.notebook.magics import ComfyMagics
from comfy_notebook.notebook.nesting import allow_nested

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_KEY = "_comfy_notebook_extension"


class Extension:
    """What one shell was given."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._magics = ComfyMagics(shell)
        self._cells = AwaitedCells(shell)
        self._completer = Completer(shell, self._magics.peek)

    def install(self) -> None:
        """Set everything up."""
        self._shell.register_magics(self._magics)
        self._cells.install()
        self._completer.install()
        allow_nested(self._magics.nested_asyncio)

    def remove(self) -> None:
        """Take everything back; runs under way go on."""
        self._magics.terminal_images = "off"
        self._completer.remove()
        self._cells.remove()
        self._shell.configurables.remove(self._magics)  # type: ignore[arg-type]
        for kind, name in (("line", "comfy"), ("cell", "comfy"), ("cell", AWAITED)):
            self._shell.magics_manager.magics[kind].pop(name, None)
        self._shell.magics_manager.registry.pop(type(self._magics).__name__, None)


def load_extension(shell: InteractiveShell) -> None:
    """Set up ``%comfy`` and ``%%comfy``; loading twice is loading once."""
    unload_extension(shell)
    extension = Extension(shell)
    extension.install()
    setattr(shell, _KEY, extension)


def unload_extension(shell: InteractiveShell) -> None:
    """Take back what loading set up."""
    extension = getattr(shell, _KEY, None)
    if extension is not None:
        extension.remove()
        delattr(shell, _KEY)
