"""Sets up an environment and runs the tests in it.

    python3 tests/run.py [--extras NAME,...] [pytest arguments ...]

Without arguments: everything that needs no ComfyUI and no browser; those tests say how to get the rest.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".dev"))


def main() -> None:
    from environment import prepare, say

    given = sys.argv[1:]
    extras = ["test"]
    if given[:1] == ["--extras"]:
        extras += given[1].split(",")
        given = given[2:]
    python = prepare(*extras)
    say("running the tests")
    options = given if any(word.startswith("-n") for word in given) else ["-n", "auto", *given]
    sys.exit(subprocess.run([python, "-m", "pytest", *options], cwd=ROOT, check=False).returncode)


if __name__ == "__main__":
    main()
