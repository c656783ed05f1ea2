"""What the extension adds to the start of a notebook, in milliseconds, in fresh kernels.

    python tests/benchmarks/startup.py [--rounds 7]

Aims: importing the package at most 60 ms, loading the extension at most 150 ms.
"""

import argparse
import statistics

from jupyter_client.manager import start_new_kernel

STEPS = {
    "import comfy_notebook": "import comfy_notebook",
    "%load_ext comfy_notebook": "get_ipython().run_line_magic('load_ext', 'comfy_notebook')",
    "from comfy_notebook import ComfyKit": "from comfy_notebook import ComfyKit",
}


def measure(code):
    """Return the seconds that a piece of code takes in a kernel of its own."""
    manager, client = start_new_kernel()
    try:
        timed = f"import time; began = time.perf_counter(); {code}; seconds = time.perf_counter() - began"
        answer = client.execute_interactive(timed, user_expressions={"seconds": "seconds"}, timeout=60)
        return float(answer["content"]["user_expressions"]["seconds"]["data"]["text/plain"])
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(f"{'':<38}{'median':>10}{'fastest':>10}")
    for name, code in STEPS.items():
        times = [measure(code) * 1000 for _ in range(rounds)]
        print(f"{name:<38}{statistics.median(times):>7.1f} ms{min(times):>7.1f} ms")


if __name__ == "__main__":
    main()
