"""Runs a notebook from top to bottom on the built-in engine, and leaves an HTML page with its pictures.

    python3 notebooks/quickstart.py [NOTEBOOK] [--server URL] [--open]

The first run sets up an environment of its own. --server runs it on a ComfyUI instead of the built-in engine;
--open then opens the notebook in JupyterLab.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".dev"))

PAGES = ROOT / "build"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebook", nargs="?", type=Path, default=ROOT / "notebooks" / "01_quickstart.ipynb")
    parser.add_argument("--server", default="embedded", help='a URL, or "embedded" (the default)')
    parser.add_argument("--open", action="store_true", help="open the notebook in JupyterLab afterwards")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        execute(arguments.notebook.resolve(), arguments.server)
        return
    from environment import prepare

    python = prepare("embedded", "run", *(["lab"] if arguments.open else []))
    notebook = arguments.notebook.resolve()
    subprocess.run([python, __file__, str(notebook), "--server", arguments.server, "--run"], check=True)
    lab = [str(python), "-m", "jupyter", "lab", str(notebook)]
    if arguments.open:
        subprocess.run(lab, check=False)
    else:
        print(f"To work with it in JupyterLab: {Path(sys.executable).name} {sys.argv[0]} --open")


def execute(notebook: Path, server: str) -> None:
    """Run every cell, telling which, and write the page."""
    import nbformat
    from environment import say
    from nbclient import NotebookClient
    from nbconvert import HTMLExporter

    os.environ["COMFYUI_BASE_URL"] = server
    document = nbformat.read(notebook, as_version=4)
    cells = [cell for cell in document.cells if cell.cell_type == "code"]
    say(f"running {notebook.name} on {'the built-in engine' if server == 'embedded' else server}")
    client = NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(notebook.parent)}})
    began = time.monotonic()

    def announce(cell: nbformat.NotebookNode, cell_index: int) -> None:  # noqa: ARG001 - nbclient's names
        if cell in cells:
            print(f"   {cells.index(cell) + 1:>2} of {len(cells)}: {cell.source.splitlines()[0]}", flush=True)

    client.on_cell_start = announce
    client.execute()
    PAGES.mkdir(exist_ok=True)
    page = PAGES / f"{notebook.stem}.html"
    html, _ = HTMLExporter().from_notebook_node(document)
    page.write_text(html, encoding="utf-8")
    say(f"done in {time.monotonic() - began:.0f} s: {page}")


if __name__ == "__main__":
    main()
