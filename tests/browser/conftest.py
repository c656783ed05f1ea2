"""JupyterLab and Notebook in a real browser, driven as a user would; screenshots are left in build/screenshots."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytest.importorskip("playwright.sync_api", reason='no Playwright: pip install "comfy-notebook[browser]"')
pytest.importorskip("jupyterlab", reason='no JupyterLab: pip install "comfy-notebook[browser]"')

from filelock import FileLock
from fronts import PATIENCE, SCREENSHOTS
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FAILED = pytest.StashKey()


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(
    scope="module"
)  # Playwright keeps an event loop running in this thread, which other tests must not meet
def browser():
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser: install Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield made
        made.close()


class Lab:
    """A JupyterLab server of its own, or a Notebook server, in its own folder and with its own settings."""

    def __init__(self, folder, settings, app="jupyterlab", **environment):
        self.folder = folder
        self.app = app
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        for name, values in settings.items():
            file = folder / "config" / "lab" / "user-settings" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        options = {
            "IdentityProvider.token": "",
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": folder / "work",
            f"{'LabApp' if app == 'jupyterlab' else 'JupyterNotebookApp'}.expose_app_in_browser": True,
        }
        command = [sys.executable, "-m", app, "--no-browser", "--allow-root"]
        command += [f"--{name}={value}" for name, value in options.items()]
        places = {name: str(folder / name.lower()) for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
        environment = os.environ | places | {"JUPYTER_CONFIG_DIR": str(folder / "config")} | environment
        self.log = (folder / "lab.log").open("wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, env=environment)

    def wait(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{self.url}/api", timeout=5).raise_for_status()
            except httpx.HTTPError:
                assert self.process.poll() is None, Path(self.log.name).read_text()
                assert time.monotonic() < deadline, Path(self.log.name).read_text()
                time.sleep(0.2)
            else:
                return self

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:  # a busy machine; its kernels end with it
            self.process.kill()
            self.process.wait(10)
        self.log.close()


def settings(theme="JupyterLab Light"):
    """Return settings for all tests: no news from the network, and cells that are there when they are out of sight."""
    return {
        "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
            "fetchNews": "false",
            "checkForUpdates": False,
        },
        "@jupyterlab/apputils-extension/themes.jupyterlab-settings": {"theme": theme},
        "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    }


@pytest.fixture
def lab(tmp_path):
    made = []

    def start(theme="JupyterLab Light"):
        (tmp_path / "work").mkdir()
        made.append(Lab(tmp_path, settings(theme)))
        return made[-1].wait()

    yield start
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Return the folder of everything.py's files, made once for all workers of a test run."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "samples"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            folder.mkdir()
            subprocess.run([sys.executable, Path(__file__).parent / "everything.py", folder], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMPLES", str(folder))
        yield folder


@pytest.fixture(scope="session")
def jupyter(samples, tmp_path_factory):
    """Return the JupyterLab ("jupyterlab") or Notebook ("notebook") that all tests of a worker share."""
    made = {}
    modules = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)

    def start(app):
        if app not in made:
            pytest.importorskip(app, reason=f'no {app}: pip install "comfy-notebook[browser]"')
            folder = tmp_path_factory.mktemp(app)
            (folder / "work").mkdir()
            made[app] = Lab(folder, settings(), app, PYTHONPATH=modules)
        return made[app].wait()

    yield start
    for one in made.values():
        one.close()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, lab, name):
        self.page = page
        page.set_default_timeout(PATIENCE)
        page.goto(f"{lab.url}/lab/tree/{name}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
        if page.locator(".jp-FileBrowser").is_visible():
            page.keyboard.press("Control+b")

    def run_all(self, wait=True):
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Cells", exact=True).click()
        if wait:
            self.wait()

    def wait(self):
        """Wait until every cell has a number: none waits and none runs."""
        self.page.wait_for_function(
            """() => {
                const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent);
                return prompts.every(text => /\\[\\d+\\]/.test(text));
            }"""
        )

    def cell(self, number):
        return self.page.locator(".jp-CodeCell").nth(number)

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        height = self.page.evaluate("() => document.querySelector('.jp-WindowedPanel-viewport').scrollHeight + 120")
        width = self.page.viewport_size["width"]
        self.page.set_viewport_size({"width": width, "height": min(height, 9_000)})
        self.page.evaluate("() => { document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0; }")
        self.page.wait_for_timeout(500)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def open_notebook(browser, request):
    pages = []

    def open_one(lab, name, width=1200):
        pages.append(browser.new_page(viewport={"width": width, "height": 1000}))
        return Notebook(pages[-1], lab, name)

    yield open_one
    for page in pages:
        if request.node.stash.get(FAILED, False):
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SCREENSHOTS / f"failed-{request.node.name}.png")
        page.close()
