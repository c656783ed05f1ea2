"""Real kernels of several ipykernel versions, spoken to as a front end does."""

import os
import tempfile
import time
from dataclasses import dataclass, field

import pytest
from jupyter_client import KernelManager

PATIENCE = 60


@dataclass
class Reply:
    """What became of one cell."""

    status: str = ""
    ename: str = ""
    evalue: str = ""
    traceback: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    text: str = ""

    def data(self, kind, mime="text/plain"):
        return [out["data"][mime] for out_kind, out in self.outputs if out_kind == kind and mime in out["data"]]

    def shown(self, mime="text/plain"):
        """Return what stands below the cell in the end: its value, or what took the place of its progress."""
        return self.outputs[-1][1]["data"][mime]


class Kernel:
    def __init__(self, manager):
        self.manager = manager
        self.client = manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def begin(self, code):
        return self.client.execute(code)

    def run(self, *codes):
        """Send all cells at once, as Run All does, and return their replies."""
        return self.finish([self.begin(code) for code in codes])

    def finish(self, messages):
        replies = {message: Reply() for message in messages}
        idle = set()
        deadline = time.monotonic() + PATIENCE
        while len(idle) < len(messages) or not all(reply.status for reply in replies.values()):
            assert time.monotonic() < deadline, f"cells were lost: {[reply.status for reply in replies.values()]}"
            self._shell_messages(replies)
            for parent, kind, content in self._iopub_messages():
                if parent in replies and kind == "status" and content["execution_state"] == "idle":
                    idle.add(parent)
                elif parent in replies:
                    self._note(replies[parent], kind, content)
        return [replies[message] for message in messages]

    def _shell_messages(self, replies):
        while self.client.shell_channel.msg_ready():
            message = self.client.get_shell_msg(timeout=1)
            reply = replies.get(message["parent_header"].get("msg_id"))
            if reply is not None and message["msg_type"] == "execute_reply":
                reply.status = message["content"]["status"]
                reply.ename = message["content"].get("ename", "")
                reply.evalue = message["content"].get("evalue", "")

    def _iopub_messages(self):
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline:
            if self.client.iopub_channel.msg_ready():
                message = self.client.get_iopub_msg(timeout=1)
                yield message["parent_header"].get("msg_id"), message["msg_type"], message["content"]
            else:
                time.sleep(0.005)

    def _note(self, reply, kind, content):
        if kind in ("execute_result", "display_data", "update_display_data"):
            reply.outputs.append((kind, content))
        elif kind == "stream":
            reply.text += content["text"]
        elif kind == "error":
            reply.traceback = content["traceback"]

    def interrupt(self):
        self.manager.interrupt_kernel()

    def restart(self):
        """End the process and begin another, as a front end does when it is asked to."""
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=PATIENCE)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(ipykernel_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ipykernel_folder))
    with tempfile.TemporaryDirectory(prefix="k") as sockets:  # a port that was free a moment ago may be taken by now
        places = {} if os.name == "nt" else {"transport": "ipc", "ip": f"{sockets}/k"}
        manager = KernelManager(kernel_name="python3", **places)
        manager.start_kernel(cwd=str(tmp_path))
        made = Kernel(manager)
        yield made
        made.close()
