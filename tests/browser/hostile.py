"""What someone who wants to run a script, or to break the page, would put into names, texts and files.

``HOOK`` stands for a call that tells that a script ran, and where it came from; ``URL`` for an address that nobody
may ask for; ``MARK`` for an attribute that no element of a page has.
"""

import io
import struct
import zlib
from dataclasses import replace

from comfy_notebook import ExecuteResult, Media, NodeError, ParameterError, Workflow, compare
from comfy_notebook.errors import Problem
from comfy_notebook.media import MediaList
from comfy_notebook.notebook.html.live import Moment, live_html, live_text
from comfy_notebook.notebook.html.result import error_html
from comfy_notebook.notebook.show import html, text
from comfy_notebook.servers.events import Preview
from comfy_notebook.servers.following import Run
from comfy_notebook.servers.progress import RunState
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.schema import read_node

ELSEWHERE = "http://hostile.invalid/"
VIEWS = ("result", "media", "workflow", "error", "live", "comparison")
COMBINING = "".join(map(chr, range(0x300, 0x330)))

INJECTIONS = {
    "script": "<script>HOOK</script>",
    "attribute": "\"><script>HOOK</script><b MARK x='",
    "single quotes": "' onfocus='HOOK' autofocus tabindex='0' MARK x='",
    "image": "<img src=x onerror=HOOK MARK>",
    "image elsewhere": '"><img MARK src="URLimage.png">',
    "svg": "<svg onload=HOOK MARK><script>HOOK</script><animate onbegin=HOOK attributeName=x dur=1s></svg>",
    "foreign object": "<svg><foreignObject><iframe srcdoc='<script>parent.HOOK</script>'></iframe>",
    "handlers": "<details open ontoggle=HOOK MARK><summary>x</summary></details><video src=x onerror=HOOK>",
    "body": "</body></html><body onload=HOOK MARK>",
    "frame": '<iframe MARK src="javascript:parent.HOOK"></iframe><embed src="javascript:HOOK">',
    "link": '<a MARK href="javascript:HOOK">click</a>',
    "javascript address": "javascript:HOOK",
    "data address": "data:text/html,<script>HOOK</script>",
    "spaced address": " java\tscript:HOOK",
    "object": '<object MARK data="data:text/html,<script>parent.HOOK</script>"></object>',
    "form": '<form action="URL" MARK><input autofocus onfocus=HOOK><button formaction="javascript:HOOK">x</form>',
    "refresh": '<meta MARK http-equiv="refresh" content="0;url=URLmoved"><base href="URL">',
    "style sheet": '<link MARK rel="stylesheet" href="URLsheet.css"><style>@import "URLsheet.css";</style>',
    "css": "</style><style>:root { --pwned: 1 } * { display: none !important }</style>",
    "css and script": "</style><script>HOOK</script><style>",
    "css values": "red;background:url(URLcss.png);position:fixed;inset:0} body{display:none} .x{",
    "style": '" style="position:fixed;inset:0;z-index:99999;background:red" MARK x="',
    "class": '" class="jp-Cell" id="main" hidden MARK x="',
    "template": "`${HOOK}` ${HOOK} {{constructor.constructor('HOOK')()}} <%= HOOK %>",
    "format": "{0} {} {title} {0.__class__} %s %(x)s {{",
    "math": '<math><mtext><table><mglyph><style><!--</style><img MARK title="--&gt;&lt;img src=1 onerror=HOOK&gt;">',
    "mutation": "<form><math><mtext></form><form><mglyph><style></math><img src onerror=HOOK MARK>",
    "noscript": '<noscript><p title="</noscript><img src=x onerror=HOOK MARK>">',
    "select": '<select><template><style><!--</style><a rel="--></style></template></select><img src onerror=HOOK>">',
    "entities": "&lt;script&gt;HOOK&lt;/script&gt; &#60;img src=x onerror=HOOK&#62; &amp;lt;b&amp;gt; &quot;&#39;",
    "comment": "<!-- never closed",
    "comment end": "--><script>HOOK</script><!--",
    "cdata": "<![CDATA[<script>HOOK</script>]]><?php HOOK ?><!DOCTYPE x [<!ENTITY y SYSTEM 'URL'>]>",
    "ends": "</textarea></pre></code></figcaption></figure></summary></details></td></tr></table></section>"
            "</div></div></div></div><script>HOOK</script><plaintext MARK>",
    "starts": "<div MARK>" * 300 + "<table><td><select><textarea><xmp><title>",
    "nul": "<scr\0ipt>HOOK</scr\0ipt>\0<img\0src=x\0onerror=HOOK>",
    "control": "a\x08b\x7fc\x1b[31mred\x1b[2J\x1b]0;title\x07\x9b31m\r\x1b]8;;URL\x1b\\link\x1b]8;;\x1b\\\x0c\x0b\x85",
    "separators": "line\u2028paragraph\u2029\n\n</pre>\r\n\ttab",
    "latex": "$\\href{javascript:HOOK}{x}$ $$\\rule{20000px}{20000px}$$ \\(\\style{position:fixed}{x}\\)",
    "dollars": "costs $5 or $6 and $$7$$",
    "bidi": "invoice\u202egnp.exe \u2066\u2067\u2068 \u200f\u061c",
    "zalgo": "".join(letter + COMBINING for letter in "he comes"),
    "word": "W" * 100_000,
    "marks": "\ufeff\u200b\u00ad\ufffe\U0001f468\u200d\U0001f469\u200d\U0001f467" * 50,
}  # fmt: skip


class Memory:
    """Files as a server would give them out."""

    def __init__(self):
        self.contents = {}

    def read(self, media):
        return self.contents[media.filename]

    def write(self, media, file):
        file.write(self.read(media))

    async def aread(self, media):
        return self.read(media)


class At:
    """One injection, which tells the place that it was put in."""

    def __init__(self, name, injection):
        self.name, self.injection = name, injection

    def __call__(self, place):
        hook = f"__pwned(`{self.name} in {place}`)"
        filled = self.injection.replace("HOOK", hook).replace("MARK", "data-pwned")
        return filled.replace("URL", f"{ELSEWHERE}{self.name}/{place}/".replace(" ", "-"))


def views(name):
    """Return (HTML, text) of an injection in every view, by the view's name."""
    at = At(name, INJECTIONS[name])
    shown, flow, error, going = result(at), workflow(at), parameter_error(at), run(at)
    versus = compare(shown, replace(result(at), status="completed", params={"seed": 1}))
    made = [
        (html(shown), text(shown)),
        (html(shown.media), text(shown.media)),
        (html(flow), text(flow)),
        (error_html(error), "\n".join(error._render_traceback_())),
        (live_html(Moment(going, 3.0)), live_text(Moment(going, 3.0))),
        (html(versus), text(versus)),
    ]
    return dict(zip(VIEWS, made, strict=True))


def result(at):
    origin, items = Memory(), []
    files = {"png": png(at("metadata")), "svg": svg(at("drawing")), "mp4": b"\0\0\0\x18ftypmp42", "wav": b"RIFF",
             "glb": b"glTF", at("suffix"): b"content"}  # fmt: skip
    for number, (suffix, content) in enumerate(files.items()):
        filename = f"{at(f'file name {number}')}.{suffix}"
        origin.contents[filename] = content
        url = (
            at("address")
            if suffix == "glb"
            else f"{ELSEWHERE[:-1]}:8188/view?filename={filename}&subfolder={at('query')}"
        )
        variable = at("variable") if number % 2 else "9"
        items.append(Media(url, filename=filename, subfolder=at("subfolder"), type=at("type"), var=variable,
                           node_id=at("node"), origin=origin))  # fmt: skip
    error = NodeError.from_message(
        {"node_id": at("id"), "node_type": at("class"), "exception_type": at("exception"),
         "exception_message": at("message"), "traceback": [at("traceback"), "\n", at("traceback")]},
        at("title"),
    )  # fmt: skip
    error.hint = at("hint")
    lists = {f"{kind}s": MediaList(item for item in items if item.kind == kind)
             for kind in ("image", "video", "audio", "file")}  # fmt: skip
    texts = {at("text name"): [at("text")], "9": [f"[{at('list')}]"], at("variable"): ['{"json": "' + at("json")]}
    return ExecuteResult(
        "failed", msg=str(error), error=error, warnings=[at("warning")], prompt_id=at("prompt id"), duration=1.5,
        server=at("server"), texts=[one for group in texts.values() for one in group], texts_by_var=texts,
        params={at("parameter"): at("value"), "seed": at("seed"), "list": [at("item"), {at("key"): at("inner")}]},
        outputs={at("output"): {at("kind"): [{"filename": at("raw")}]}},
        workflow={"9": {"class_type": at("class"), "_meta": {"title": at("output title")}}}, **lists,
    )  # fmt: skip


def workflow(at):
    graph = {
        "1": {"class_type": at("class"), "inputs": {at("input"): at("value"), "x": 1}, "_meta": {"title": at("title")}},
        at("id"): {"class_type": "Known", "inputs": {"choice": at("choice"), "y": at("value") * 2}},
        "3": {"class_type": "Save", "inputs": {"images": ["1", 0]}, "_meta": {"title": f"$output.{at('output')}"}},
        "4": {"class_type": "Known", "inputs": {"text": at("text")},
              "_meta": {"title": f"$~{at('marker')}!:{at('about')}"}},
    }  # fmt: skip
    known = read_node("Known", {"input": {"required": {"choice": [[at("offered"), "b", "c", "d", "e"]]}}})
    return Workflow(graph, at("name"), schemas={"Known": known, at("class"): None}, server=at("server"))


def parameter_error(at):
    problems = [Problem(at("problem"), at("subject"), at("node"), at("input")), Problem(at("problem"))]
    return ParameterError(at("message"), hint=at("hint"), problems=problems)


def run(at):
    flow = workflow(at)
    preview = Preview(None, at("node"), png(at("metadata")), "image/png")
    state = RunState(current=next(iter(flow.graph)), step=(1, 2), started=True, preview=preview)
    return Run(flow, bind(flow, {}, {}, complete=False), None, state=state, warnings=[at("warning")])


def png(note):
    """Return a small picture that carries a note wherever one fits."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    note = note.encode(errors="replace").decode()
    info = PngInfo()
    info.add_text("prompt", note)
    info.add_itxt("workflow", note)
    exif = Image.Exif()
    exif[0x010E] = note
    out = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 90, 40)).save(out, "PNG", pnginfo=info, exif=exif)
    return out.getvalue()


def svg(note):
    """Return a drawing that would run scripts and ask for files if it could."""
    hook = "parent.__pwned?.('svg'); top.__pwned?.('svg'); __pwned('svg')"
    return f"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="60" height="60"
        onload="{hook}"><style>@import url({ELSEWHERE}svg.css); circle {{ fill: url({ELSEWHERE}svg.svg#x) }}</style>
        <script>{hook}</script><script xlink:href="{ELSEWHERE}svg.js"/><image xlink:href="{ELSEWHERE}svg.png" width="9"
        height="9"/><use xlink:href="{ELSEWHERE}use.svg#x"/><foreignObject width="60" height="60"><iframe
        xmlns="http://www.w3.org/1999/xhtml" src="javascript:{hook}"></iframe></foreignObject>
        <circle cx="30" cy="30" r="25"/><!-- {note.replace("--", "")} --></svg>""".encode(errors="replace")


def bomb(width, height):
    """Return a small PNG that claims very many pixels, and holds a hundredth of them."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    line = bytes(1 + 3 * width)
    pixels = b"".join(packer.compress(line) for _ in range(height // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
