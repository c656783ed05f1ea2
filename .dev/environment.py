"""Makes the virtual environment that the repository's own commands run in; needs nothing but Python and its venv."""

import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def prepare(*extras: str) -> Path:
    """Return the Python of an environment with this project and the extras in it, installing what is missing.

    There is one environment for each version of Python, at the top of the checkout. Nothing is installed where the
    same was installed before.
    """
    if sys.version_info < OLDEST:
        sys.exit(f"Python {'.'.join(map(str, OLDEST))} or newer is needed; this is {sys.version.split()[0]}.")
    folder = ROOT / f".venv-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "installed"
    wanted = sorted(extras)
    have = stamp.read_text().split() if stamp.exists() and python.exists() else []
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if have[:1] == [digest] and set(wanted) <= set(have[1:]):
        return python
    began = time.monotonic()
    if not python.exists():
        say(f"making an environment in {folder.name}")
        venv.create(folder, with_pip=True, clear=True)
    installed = sorted({*wanted, *have[1:]})
    say(f"installing comfy-notebook[{','.join(installed)}] into it; the first time, this takes a minute")
    project = f"{ROOT}[{','.join(installed)}]" if installed else str(ROOT)
    subprocess.run([python, "-m", "pip", "install", *_PIP, "--editable", project], check=True)
    stamp.write_text("\n".join([digest, *installed]) + "\n")
    say(f"done in {time.monotonic() - began:.0f} s")
    return python


def say(text: str) -> None:
    """Tell what is done, while it is done."""
    print(f"== {text}", flush=True)


_PIP = ("--quiet", "--disable-pip-version-check", "--no-warn-script-location")
