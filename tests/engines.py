"""Built-in engines in processes of their own, so that one can be killed: ``python tests/engines.py`` is one."""

import contextlib
import subprocess
import sys

import httpx
from sent import OUTSIDE


class EngineProcess:
    """One engine, which ends with its standard input."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = ""

    def await_start(self):
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url, "the engine did not start"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)

    def ask(self, path):
        """What the engine itself answers; None if it is dead."""
        with contextlib.suppress(httpx.HTTPError):
            return OUTSIDE.get(self.url + path).json()

    def graphs(self):
        """The workflows that it has run to their end."""
        return [entry["prompt"][2] for entry in self.ask("/history").values()]


@contextlib.contextmanager
def engines(count):
    """Several engines, started at once and ended at the end."""
    started = [EngineProcess() for _ in range(count)]
    try:
        for engine in started:
            engine.await_start()
        yield started
    finally:
        for engine in started:
            engine.end()


if __name__ == "__main__":
    from comfy_notebook.servers.embedded import Engine

    with Engine.start() as own:
        print(own.url, flush=True)
        sys.stdin.buffer.read()
