"""The places where people see a notebook's outputs, open in a browser: real ones, and emulations of others.

VS Code and Colab put HTML into a frame of theirs as it is; GitHub lets through what its allow-list names.
"""

import html
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8")
WIDTHS, THEMES = (1600, 400), ("light", "dark")
PATIENCE = 60_000  # milliseconds
TALLEST, LARGEST = 16_000, 12_000_000  # pixels of a screenshot: high, and in all
BACKDROPS = {"light": "#ffffff", "dark": "#1e1e1e"}

# GitHub's allow-list, as its html-pipeline has it, with pictures as data: whether those are shown is not known.
_GITHUB_TAGS = """
    h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul table thead tbody tfoot
    blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption
    abbr bdo cite dfn mark small source span time wbr
""".split()  # noqa: SIM905 - a long list reads best so
_GITHUB_ATTRIBUTES = """
    abbr align alt aria-describedby aria-hidden aria-label aria-labelledby border cols colspan compact datetime dir
    headers height hspace label lang name nowrap open role rows rowspan scope size span start summary tabindex title
    type valign value width
""".split()  # noqa: SIM905 - a long list reads best so

_VSCODE = {
    "light": {"foreground": "#3b3b3b", "editor-background": "#ffffff", "descriptionForeground": "#3b3b3b",
              "textLink-foreground": "#005fb8", "editorWidget-background": "#f8f8f8", "font-family": "sans-serif"},
    "dark": {"foreground": "#cccccc", "editor-background": "#1f1f1f", "descriptionForeground": "#9d9d9d",
             "textLink-foreground": "#4daafc", "editorWidget-background": "#202020", "font-family": "sans-serif"},
}  # fmt: skip


def cells(outputs):
    """Return a notebook with these bundles as outputs of cells that ran, one to a cell, and two cells more."""
    made = []
    for number, bundle in enumerate([*outputs, {"text/plain": "'the cell after it'"}], 1):
        result = nbformat.v4.new_output("execute_result", bundle, execution_count=number)
        made.append(nbformat.v4.new_code_cell(f"show({number})", execution_count=number, outputs=[result]))
    return notebook([*made, nbformat.v4.new_markdown_cell("a formula: $x^2$")])


def notebook(made):
    document = nbformat.v4.new_notebook(cells=made)
    document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return document


def pieces(document):
    """Return a notebook's HTML outputs."""
    return [
        output.data["text/html"]
        for cell in document.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", ())
    ]


def like_github(piece):
    """Return what a sanitizer as strict as GitHub's leaves of HTML."""
    import nh3

    def keep(element, attribute, value):
        return None if attribute == "href" and value.lstrip().lower().startswith("data:") else value

    return nh3.clean(
        piece,
        tags=set(_GITHUB_TAGS),
        attributes={"*": set(_GITHUB_ATTRIBUTES), "a": {"href"}, "img": {"src", "loading"}},
        attribute_filter=keep,
        url_schemes={"http", "https", "mailto", "data"},
    )


class Shown:
    """A notebook's outputs, open in a browser."""

    root = ".cnb"
    home = "file://"

    def __init__(self, page, name):
        self.page, self.name = page, name
        self.theme, self.width = "light", WIDTHS[0]
        self.requests, self.messages, self.dialogs = [], [], []
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda said: self.messages.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def frames(self):
        return [self.page.main_frame]

    def elsewhere(self):
        """Return the addresses outside this page and its server that were asked for."""
        allowed = (self.home, self.home.replace("http", "ws"), "data:", "blob:", "about:")
        return [url[:200] for url in self.requests if not url.startswith(allowed)]

    def wait(self, count):
        """Wait until all results are there."""
        deadline = time.monotonic() + PATIENCE / 1000
        while sum(self.each("count")) < count and time.monotonic() < deadline:
            self.page.wait_for_timeout(100)
        return self

    def each(self, check, *arguments):
        """Return what a check of checks.js says of every frame."""
        options = {"root": self.root, "backdrop": BACKDROPS[self.theme]}
        call = f"([options, given]) => ({CHECKS})(options).{check}(...given)"
        return [frame.evaluate(call, [options, [*arguments]]) for frame in self.frames()]

    def complaints(self, check, *arguments):
        return [complaint for answer in self.each(check, *arguments) for complaint in answer]

    def put_on(self, theme):
        self.theme = theme

    def resize(self, width):
        self.width = width
        self.page.set_viewport_size({"width": width, "height": 1000})
        self.page.wait_for_timeout(200)

    def height(self):
        return self.page.evaluate("() => document.documentElement.scrollHeight")

    def screenshot(self, name=None):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.set_viewport_size({"width": self.width, "height": min(self.height(), TALLEST, LARGEST // self.width)})
        self.page.wait_for_timeout(300)
        self.page.screenshot(path=SCREENSHOTS / f"{name or f'{self.name}-{self.width}-{self.theme}'}.png")
        self.page.set_viewport_size({"width": self.width, "height": 1000})


class Jupyter(Shown):
    """In JupyterLab or in Notebook."""

    def __init__(self, page, name, lab, file):
        super().__init__(page, name)
        self.home = lab.url
        kind = f"lab/workspaces/{name}/tree" if lab.app == "jupyterlab" else "notebooks"
        page.goto(f"{lab.url}/{kind}/{file}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.wait_for_function(
            "() => jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )
        if lab.app == "jupyterlab":
            page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
        self.put_on("light")

    def run(self):
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells'); }")
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]"
            ".every(prompt => /\\[\\d+\\]/.test(prompt.textContent))"
        )
        return self

    def wait_for_formulas(self):
        """Wait until JupyterLab looked for formulas in all outputs: it does so one after the other."""
        self.page.locator(".jp-MarkdownCell mjx-container").last.wait_for()
        self.page.wait_for_timeout(2000)

    def put_on(self, theme):
        super().put_on(theme)
        arguments = [f"JupyterLab {theme.capitalize()}", str(theme == "light").lower()]
        self.page.evaluate("([name]) => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", arguments)
        self.page.wait_for_function(
            "([name, light]) => { const shown = document.body.dataset;"
            " return shown.jpThemeName === name && shown.jpThemeLight === light; }",
            arg=arguments,
        )
        self.page.wait_for_timeout(200)

    def height(self):
        return self.page.evaluate("() => document.querySelector('.jp-WindowedPanel-viewport').scrollHeight + 160")


class Pages(Shown):
    """In pages of our own, one for each theme."""

    def __init__(self, page, name, folder, document):
        super().__init__(page, name)
        self.folder, self.document = folder, document
        self.home = folder.as_uri()
        self.put_on("light")

    def put_on(self, theme):
        super().put_on(theme)
        path = self.folder / f"{self.name}-{theme}.html"
        if not path.exists():
            path.write_text(self.make(theme), encoding="utf-8")
        self.page.goto(path.as_uri())

    def make(self, theme):
        raise NotImplementedError

    def make_frame(self, name, text):
        path = self.folder / f"{self.name}-{name}.html"
        path.write_text(text, encoding="utf-8")
        return f'<iframe src="{html.escape(path.as_uri())}" title="output"></iframe>'


class Exported(Pages):
    """In the HTML that nbconvert makes."""

    def make(self, theme):
        from nbconvert import HTMLExporter

        exporter = HTMLExporter(theme=theme, mathjax_url="", require_js_url="", jquery_url="", widget_renderer_url="")
        return exporter.from_notebook_node(self.document)[0]


class Frames(Pages):
    """In frames of a page, as it is."""

    def frames(self):
        return self.page.main_frame.child_frames

    def resize(self, width):
        super().resize(width)
        self._fit()

    def put_on(self, theme):
        super().put_on(theme)
        self._fit()

    def screenshot(self, name=None):
        self._fit()
        super().screenshot(name)

    def _fit(self):
        """Give every frame the height of what is in it, as such front ends do."""
        for frame in self.frames():
            height = frame.evaluate("() => Math.ceil(document.documentElement.getBoundingClientRect().height)")
            frame.frame_element().evaluate("(frame, height) => { frame.style.height = `${height}px`; }", height + 2)

    def _around(self, frames, background):
        return (
            f'<!doctype html><html lang="en"><title>{self.name}</title><style>'
            f"body {{ margin: 8px; background: {background} }} iframe {{ border: 0; width: 100%; display: block }}"
            f"</style><body>{''.join(frames)}"
            '<button id="after" onclick="this.textContent = \'pressed\'">the cell after it</button>'
        )


class LikeVSCode(Frames):
    """In one frame for all outputs, with VS Code's variables, and its policy on what may be loaded."""

    policy = (
        "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob: https:; media-src data: blob:; connect-src https:"
    )

    def make(self, theme):
        values = ";".join(f"--vscode-{name}:{value}" for name, value in _VSCODE[theme].items())
        outputs = "".join(f'<div class="output_container"><div>{piece}</div></div>' for piece in pieces(self.document))
        frame = self.make_frame(
            f"frame-{theme}",
            f'<!doctype html><html lang="en" style="{values}"><head><meta charset="utf-8"><title>outputs</title>'
            f'<meta http-equiv="Content-Security-Policy" content="{self.policy}">'
            "<style>body { margin: 0; font: 13px sans-serif; color: var(--vscode-foreground) }"
            " a { color: var(--vscode-textLink-foreground) } img, svg { max-width: 100%; max-height: 100% }"
            " .output_container { padding: 8px; margin-bottom: 12px }</style></head>"
            f'<body class="vscode-{theme}" data-vscode-theme-kind="vscode-{theme}">{outputs}',
        )
        return self._around([frame], _VSCODE[theme]["editor-background"])


class Raw(LikeVSCode):
    """In a frame that lets anything through."""

    policy = ""


class LikeColab(Frames):
    """In a frame of its own for every output; Colab tells the theme in an attribute of the root."""

    def make(self, theme):
        color, background = ("#212121", "#ffffff") if theme == "light" else ("#d5d5d5", "#383838")
        frames = [
            self.make_frame(
                f"{number}-{theme}",
                f'<!doctype html><html lang="en" theme="{theme}"><meta charset="utf-8"><title>output</title>'
                f"<style>body {{ margin: 0; font: 14px Roboto, sans-serif; color: {color}; background: {background} }}"
                f"</style><body>{piece}",
            )
            for number, piece in enumerate(pieces(self.document))
        ]
        return self._around(frames, background)


class LikeGitHub(Pages):
    """In GitHub's viewer, which leaves neither styles nor players."""

    root = ".output_html"

    def make(self, theme):
        color, background, link = (
            ("#1f2328", "#ffffff", "#0969da") if theme == "light" else ("#f0f6fc", "#0d1117", "#4493f8")
        )
        outputs = [f'<div class="output_html">{like_github(piece)}</div>' for piece in pieces(self.document)]
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>notebook</title><style>'
            f"body {{ font: 14px/1.5 sans-serif; color: {color}; background: {background}; margin: 0 auto }}"
            f" body {{ max-width: 1012px; padding: 16px }} a {{ color: {link} }} img {{ max-width: 100% }}"
            " pre { overflow: auto } .output_html { overflow-x: auto }"
            " table { display: block; width: max-content; max-width: 100%; overflow: auto; font-size: 12px }"
            f"</style><body>{''.join(outputs)}"
            '<button id="after" onclick="this.textContent = \'pressed\'">the cell after it</button>'
        )


PAGES = {
    "nbconvert": Exported,
    "raw": Raw,
    "like-vscode": LikeVSCode,
    "like-colab": LikeColab,
    "like-github": LikeGitHub,
}
