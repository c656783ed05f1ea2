"""A user's page on ComfyKit, piece by piece: unchanged but for the import, in a script and pasted into a notebook."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

WORKFLOW = Path(__file__).parent.parent / "notebooks" / "workflow.json"
SETUP = """
from comfy_notebook import ComfyKit
kit = ComfyKit()
"""
PIECES = {
    "executing": ('result = await kit.execute("workflow.json", {"prompt": "a cat"})', ""),
    "status": (
        """
# Check execution status
if result.status == "completed":
    print("Success!")
elif result.status == "failed":
    print(f"Failed: {result.msg}")
""",
        "Success!",
    ),
    "duration": (
        """
# Execution time in seconds
print(f"Execution took {result.duration:.2f} seconds")
""",
        "Execution took ",
    ),
    "prompt id": (
        """
# Unique execution identifier
print(f"Execution ID: {result.prompt_id}")
""",
        "Execution ID: ",
    ),
    "all media": (
        """
# List of all image URLs
print(result.images)  # ['http://...', 'http://...']

# List of all video URLs
print(result.videos)  # ['http://...']

# List of all audio URLs
print(result.audios)  # ['http://...']

# List of all text outputs
print(result.texts)  # ['generated text...']
""",
        "['http://127.0.0.1:",
    ),
    "by variable": (
        """
# Get specific output by name
cover_image = result.images_by_var["cover"][0]
thumbnail = result.images_by_var["thumbnail"][0]

# Get video by name
final_video = result.videos_by_var["final"][0]
print(cover_image, thumbnail, final_video)
""",
        "cover_00001_.png",
    ),
    "download": (
        """
import httpx
from pathlib import Path

async def download_image(url: str, save_path: Path):
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
        save_path.write_bytes(response.content)

# Download all images
for i, img_url in enumerate(result.images):
    await download_image(img_url, Path(f"output_{i}.png"))
print(sorted(path.name for path in Path().glob("output_*")))
""",
        "['output_0.png', 'output_1.png']",
    ),
    "display": (
        """
from IPython.display import Image, display

# Display first image
display(Image(url=result.images[0]))

# Display all images
for img_url in result.images:
    display(Image(url=img_url))
""",
        "<IPython.core.display.Image object>",
    ),
    "pil": (
        """
from PIL import Image
import httpx
from io import BytesIO

async def load_pil_image(url: str) -> Image.Image:
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
        return Image.open(BytesIO(response.content))

# Load and process
pil_image = await load_pil_image(result.images[0])
pil_image.show()

# Further processing
resized = pil_image.resize((512, 512))
resized.save("output.png")
print(resized.size)
""",
        "(512, 512)",
    ),
    "raw outputs": (
        """
# Full raw output dictionary
print(result.outputs)
""",
        "{'images': [{'filename': ",
    ),
}
PROGRAM = """
import asyncio
from comfy_notebook import ComfyKit
from pathlib import Path
import httpx

async def main():
    kit = ComfyKit()

    # Execute workflow
    result = await kit.execute("workflow.json", {
        "prompt": "a beautiful sunset"
    })

    # Check status
    if result.status != "completed":
        print(f"Failed: {result.msg}")
        return

    print(f"✅ Success! Took {result.duration:.2f}s")
    print(f"Generated {len(result.images)} images")

    # Access by variable name
    if "cover" in result.images_by_var:
        cover_url = result.images_by_var["cover"][0]
        print(f"Cover image: {cover_url}")

    # Download all images
    output_dir = Path("outputs")
    output_dir.mkdir(exist_ok=True)

    async with httpx.AsyncClient() as client:
        for i, img_url in enumerate(result.images):
            response = await client.get(img_url)
            output_path = output_dir / f"image_{i}.png"
            output_path.write_bytes(response.content)
            print(f"Saved: {output_path}")

asyncio.run(main())
"""
NO_VIEWER = "from PIL import ImageShow\nImageShow._viewers.clear()\n"  # show() must not start a program here


@pytest.fixture
def folder(tmp_path, monkeypatch, embedded_comfyui):
    graph = json.loads(WORKFLOW.read_text(encoding="utf-8"))
    graph["5"]["inputs"] |= {"width": 64, "height": 64}
    graph["9"]["inputs"]["filename_prefix"] = f"{tmp_path.name}/cover"
    (tmp_path / "workflow.json").write_text(json.dumps(graph))
    monkeypatch.setenv("COMFYUI_BASE_URL", embedded_comfyui)
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    return tmp_path


def script(folder, text):
    (folder / "script.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-W", "error", "script.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def notebook(folder, *cells):
    """Run cells in a kernel, where an event loop runs already; return what each shows."""
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return [
        "".join(output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for cell in document.cells
    ]


def test_every_piece_in_a_script(folder):
    body = "\n".join(f"{code}\nprint('---')" for code, _ in PIECES.values())
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    text = f"import asyncio\n{NO_VIEWER}{SETUP}async def all_of_it():\n{indented}\nasyncio.run(all_of_it())\n"
    shown = script(folder, text).split("---\n")
    for (name, (_, says)), output in zip(PIECES.items(), shown, strict=False):
        assert says in output, name


def test_every_piece_in_a_notebook(folder):
    cells = [f"%load_ext comfy_notebook\n{NO_VIEWER}{SETUP}", *(code for code, _ in PIECES.values())]
    for (name, (_, says)), output in zip(PIECES.items(), notebook(folder, *cells)[1:], strict=True):
        assert says in output, name


def check_program(output, folder):
    assert "✅ Success! Took " in output
    assert "Generated 2 images" in output
    assert "Cover image: http://127.0.0.1:" in output
    saved = [folder / "outputs" / f"image_{number}.png" for number in range(2)]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in saved)
    assert output.count("Saved: ") == 2


def test_the_whole_program_as_a_script(folder):
    check_program(script(folder, PROGRAM), folder)


def test_the_whole_program_pasted_into_a_cell(folder):
    check_program(notebook(folder, "%load_ext comfy_notebook", PROGRAM)[1], folder)


def test_the_whole_program_tells_of_a_failure(folder):
    (folder / "workflow.json").unlink()
    assert script(folder, PROGRAM).startswith("Failed: There is no file workflow.json.")
