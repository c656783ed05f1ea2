"""The servers that tests run against, and surroundings that are nobody's.

A real ComfyUI is at COMFYUI_TEST_URL; else it is started by the command in COMFYUI_SERVER (comfyui-server, see its
--help; COMFYUI_SERVER_VENV names its virtual environment) and stopped at the end; else its tests are skipped.
"""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from sent import settle

HOW_TO_GET_A_SERVER = (
    "no real ComfyUI: set COMFYUI_TEST_URL to the URL of one with the tiny model and previews, "
    "or COMFYUI_SERVER to the comfyui-server command and COMFYUI_SERVER_VENV to a folder for it"
)
# How long an example takes says more about the machine's other work than about ours.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background, where no Ctrl-C would arrive
    signal.signal(signal.SIGINT, signal.default_int_handler)
IPYKERNELS = ("6.31.0", "7.0.1", "7.3.0", "7.4.0")
OUR_OWN = ("COMFYUI_TEST_URL", "COMFYUI_SERVER", "COMFYUI_SERVER_VENV")


@pytest.hookimpl(trylast=True)  # after what marks tests as real
def pytest_collection_modifyitems(items):
    if not (os.environ.get("COMFYUI_TEST_URL") or os.environ.get("COMFYUI_SERVER")):
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason=HOW_TO_GET_A_SERVER))


def pytest_terminal_summary(terminalreporter):
    """Say what became of the runs that tests/faults put in harm's way; its workers report to here."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    told = [
        dict(getattr(report, "user_properties", ())) for report in reports if getattr(report, "when", "") == "teardown"
    ]
    faults = [properties for properties in told if "faults tried" in properties]
    if faults:
        names = ("faults tried", "runs", "runs that hung", "outputs lost", "runs doubled")
        counts = ", ".join(f"{name}: {sum(properties.get(name, 0) for properties in faults)}" for name in names)
        terminalreporter.write_line(counts)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def own_surroundings(tmp_path_factory):
    """Keep a developer's servers, keys, settings and caches out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("COMFYUI_", "COMFY_ORG_", "COMFY_NOTEBOOK_")) and name not in OUR_OWN:
                patch.delenv(name)
        patch.setenv("COMFY_NOTEBOOK_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path_factory.mktemp("jupyter")))
        yield


class SharedComfyUI:
    """One ComfyUI for all workers of a test run: the first starts it, the last to leave stops it."""

    def __init__(self, command, base):
        self.command = shlex.split(command)
        self.base = base
        self.users = base.with_suffix(".users")
        self.lock = FileLock(base.with_suffix(".lock"))

    def start(self):
        nodes = Path(self.command[0]).resolve().parent / "test_nodes"
        words = ["start", "--base", str(self.base), "--tiny-model"]
        words += ["--nodes", str(nodes)] if nodes.is_dir() else []
        words += ["--", "--preview-method", "latent2rgb"]
        with self.lock:
            url = subprocess.run([*self.command, *words], check=True, stdout=subprocess.PIPE, text=True).stdout
            self.count(+1)
        return url.strip()

    def stop(self):
        with self.lock:
            if self.count(-1) == 0:
                subprocess.run([*self.command, "stop", "--base", str(self.base)], check=True)

    def count(self, change):
        users = (int(self.users.read_text()) if self.users.exists() else 0) + change
        self.users.write_text(str(users))
        return users


@pytest.fixture(scope="session")
def real_comfyui_url(tmp_path_factory):
    url = os.environ.get("COMFYUI_TEST_URL")
    if url:
        yield url.rstrip("/")
        return
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    shared = SharedComfyUI(os.environ["COMFYUI_SERVER"], root / "comfyui")
    url = shared.start()
    try:
        yield url
    finally:
        shared.stop()


@pytest.fixture
def real_comfyui(real_comfyui_url):
    """A real ComfyUI, for this test alone and idle: it has one queue and one cache for all who use it."""
    name = hashlib.sha256(real_comfyui_url.encode()).hexdigest()[:16]
    with FileLock(Path(tempfile.gettempdir()) / f"comfyui-under-test-{name}.lock"):
        yield real_comfyui_url
        settle(real_comfyui_url)


@pytest.fixture(scope="session")
def embedded_comfyui():
    from comfy_notebook.servers.embedded import Engine

    engine = Engine.start()
    try:
        yield engine.url
    finally:
        engine.stop()


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.real)])
def comfyui(request):
    """The URL of an idle ComfyUI, once for each kind."""
    url = request.getfixturevalue(f"{request.param}_comfyui")
    settle(url)
    yield url
    settle(url)


@pytest.fixture
def nothing_goes_on():
    """End the jobs that a test leaves."""
    from comfy_notebook.jobs import underway

    yield
    left = underway()
    for job in left:
        job.cancel()
    for job in left:
        job.result(10)


@pytest.fixture(scope="session", params=IPYKERNELS)
def ipykernel_folder(request, tmp_path_factory):
    """A folder with one version of ipykernel, to stand before the installed one."""
    root = tmp_path_factory.getbasetemp().parent
    folder = root / f"ipykernel-{request.param}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*command, "--target", str(folder), f"ipykernel=={request.param}"], check=True)
    return folder
