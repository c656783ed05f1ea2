import asyncio
import gc
import io
import pickle
import subprocess
import sys
import threading
import time
import wave

import httpx
import pytest
from graphs import loaded, node, picture, sampled
from PIL import Image
from proxy import Proxy

from comfy_notebook import ComfyKit, ExecuteResult, Media, NodeError, NoServerError, ParameterError, ServerError, load
from comfy_notebook.cache import default_cache
from comfy_notebook.errors import WorkflowError
from comfy_notebook.servers.portal import portal


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def kit(comfyui):
    return ComfyKit(comfyui)


def test_a_run_without_await(kit):
    result = kit.run(picture(), {"width": 48})
    assert (result.status, result.msg, result.error) == ("completed", "", None)
    assert result.images_by_var == {"cover": result.images}
    assert result.images[0].pil().size == (48, 16)
    assert result.params["width"] == 48
    assert result.workflow["1"]["inputs"]["width"] == 48
    assert result.outputs["2"]["images"][0]["filename"] == result.images[0].filename
    assert 0 < result.duration < 30
    assert len(result.prompt_id) == 36


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (
            {"2": node("PreviewImage", "Look", images=["99", 0])},
            'PreviewImage "Look" (node 2), images: it takes its value from node 99, which does not exist',
        ),
        (
            {"1": node("EmptyImage", width=8, height=8, batch_size=1), "2": node("PreviewImage", images=["1", 7])},
            "PreviewImage (node 2), images: it takes output 7 of EmptyImage (node 1), which has 1 output, counted from",
        ),
        (
            {
                "1": node("ImageInvert", image=["2", 0]),
                "2": node("ImageInvert", image=["1", 0]),
                "3": node("PreviewImage", images=["1", 0]),
            },
            "A circle of nodes: they wait for each other: ImageInvert (node ",
        ),
    ],
)
def test_a_graph_that_cannot_run_says_where_it_is_broken(kit, graph, says):
    error = kit.run(graph).error
    assert isinstance(error, ParameterError)
    assert len(error.problems) == 1
    assert str(error.problems[0]).startswith(says)


def test_a_workflow_is_loaded_looked_at_changed_and_run(kit, tmp_path):
    workflow = kit.load(picture(width=24))
    assert workflow.params["width"].spec.maximum >= 4096
    assert workflow.outputs == {"2": "cover"}
    changed = workflow.with_params(width=40).with_params({"EmptyImage.height": 20})
    saved = kit.load(changed.save_api(tmp_path / "changed.json"))
    for flow, size in ((workflow, (24, 16)), (changed, (40, 20)), (saved, (40, 20))):
        assert kit.run(flow).images[0].pil().size == size
    assert kit.run(changed, {"width": 8}).params == {"EmptyImage.height": 20, "width": 8} | {
        "color": workflow.params["color"].default,
        "batch_size": 1,
    }


def test_a_workflow_without_a_server_can_be_looked_at_all_the_same(monkeypatch):
    monkeypatch.setenv("COMFYUI_BASE_URL", "http://127.0.0.1:1")
    workflow = load(picture())
    assert (workflow.params["width"].type, workflow.server) == ("INT", "")
    with pytest.raises(NoServerError, match="converting it takes a server"):
        load({"nodes": [{"id": 1, "type": "EmptyImage"}], "links": []})


def test_a_result_runs_again_and_its_files_do(kit):
    result = kit.run(picture(), {"width": 48})
    assert kit.run(result).workflow == result.workflow


async def test_a_run_with_await(kit):
    result = await kit.execute(picture())
    assert result.status == "completed"
    assert (await result.images[0].apil()).size == (32, 16)


async def test_execute_json(kit):
    assert (await kit.execute_json(picture(), {"width": 8})).images[0].filename.endswith(".png")


@pytest.mark.real  # the built-in engine has no node that shows a mask
def test_a_picture_and_its_mask_are_one_file(real_comfyui):
    kit = ComfyKit(real_comfyui)
    graph = {
        "1": node("LoadImage", image="x.png"),
        "2": node("MaskToImage", mask=["1", 1]),
        "3": node("PreviewImage", "$output.mask", images=["2", 0]),
        "4": node("PreviewImage", "$output.picture", images=["1", 0]),
    }
    drawn = kit.run(picture()).images[0]
    mask = Image.new("L", (32, 16))
    mask.paste(255, (0, 0, 8, 16))
    result = kit.run(graph, {"image": (drawn, mask)}).raise_for_status()
    shown = result.images_by_var["mask"][0].pil().convert("L")
    assert (shown.getpixel((2, 2)), shown.getpixel((20, 2))) == (255, 0)
    assert result.images_by_var["picture"][0].pil().getpixel((20, 2)) == drawn.pil().getpixel((20, 2))


def test_files_that_a_run_needs_are_uploaded_once(kit, comfyui, tmp_path):
    graph = loaded()
    color = time.time_ns() % 256, 7, 9
    Image.new("RGB", (20, 10), color).save(tmp_path / "my photo.png")
    by_path = kit.run(graph, {"photo": str(tmp_path / "my photo.png")})
    assert by_path.images[0].pil().getpixel((0, 0)) == color
    again = kit.run(graph, {"photo": tmp_path / "my photo.png"})
    assert again.workflow["1"]["inputs"]["image"] == by_path.workflow["1"]["inputs"]["image"]
    for value in (Image.new("RGB", (20, 10), color), (tmp_path / "my photo.png").read_bytes(), by_path.images[0]):
        assert kit.run(graph, {"photo": value}).images[0].pil().getpixel((0, 0)) == color


def test_one_runs_output_feeds_the_next(kit):
    first = kit.run(picture(width=40))
    graph = loaded()
    assert kit.run(graph, {"photo": first.images[0]}).images[0].pil().size == (40, 16)


def test_sound_and_video_and_text(kit):
    content = io.BytesIO()
    with wave.open(content, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(bytes(range(256)) * 200)
    graph = picture(batch_size=3, width=64, height=64) | {
        "3": node("CreateVideo", images=["1", 0], fps=4),
        "4": node("SaveVideo", "$output.clip", video=["3", 0], filename_prefix="kit/v", format="mp4", codec="h264"),
        "5": node("LoadAudio", "$~sound", audio="x.wav"),
        "6": node("SaveAudio", "$output.sound", audio=["5", 0], filename_prefix="kit/a"),
        "7": node("PrimitiveString", "$line.value", value="hello"),
        "8": node("PreviewAny", "$output.words", source=["7", 0]),
    }
    result = kit.run(graph, {"sound": content.getvalue(), "line": "good day"})
    assert result.msg == ""
    assert result.counts() == "3 images, 1 video, 1 audio, 1 text"
    assert result.videos_by_var["clip"][0].bytes()[4:8] == b"ftyp"
    assert result.audios_by_var["sound"][0].bytes()[:4] == b"fLaC"
    assert result.texts_by_var == {"words": ["good day"]}


def test_files_are_downloaded_under_names_that_say_what_they_are(kit, tmp_path):
    graph = picture(batch_size=3, width=64, height=64) | {
        "3": node("CreateVideo", images=["1", 0], fps=4),
        "4": node("SaveVideo", "$output.clip", video=["3", 0], filename_prefix="kit/ü x", format="mp4", codec="h264"),
    }
    result = kit.run(graph, {"width": 32})
    paths = result.download(tmp_path, "{var}_{width}_{index:03}")
    assert [path.name for path in paths] == [
        "cover_32_000.png",
        "cover_32_001.png",
        "cover_32_002.png",
        "clip_32_000.mp4",
    ]
    assert [path.read_bytes() for path in paths] == [item.bytes() for item in result.media]
    assert result.images[0].numpy().shape == (64, 32, 3)
    assert [path.name for path in asyncio.run(result.videos.adownload(tmp_path))] == [result.videos[0].filename]


def test_a_pickle_in_another_process_shows_the_same_without_the_server(comfyui, tmp_path):
    """Behind a proxy with a login, which is then closed."""
    with Proxy(comfyui) as proxy:
        kit = ComfyKit(proxy.url, api_key="secret-key", cookies="session=secret-cookie")
        result = kit.run(picture(width=40) | {"3": node("PreviewAny", "$output.words", source=["1", 0])})
        shown = result._repr_html_()
        (tmp_path / "result.pickle").write_bytes(pickle.dumps(result))
    assert b"secret" not in (tmp_path / "result.pickle").read_bytes()
    script = (
        "import pickle, pathlib, sys\n"
        "result = pickle.loads(pathlib.Path('result.pickle').read_bytes())\n"
        "pathlib.Path('shown.html').write_text(result._repr_html_(), 'utf-8')\n"
        "print(result.images[0].pil().size, result.download('outputs')[0].name == result.images[0].filename)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("(40, 16) True\n", "")
    assert (tmp_path / "shown.html").read_text("utf-8") == shown


def test_what_was_fetched_while_it_ran_is_known_to_a_pickle(comfyui):
    """Also where the result was never shown."""

    async def run():
        return await ComfyKit(comfyui).runner.perform(picture(), {}, prefetch=True)

    result = portal.wait(run())
    wait_until(lambda: result.images[0].digest)
    again = pickle.loads(pickle.dumps(result)).images[0]
    assert default_cache().get(again.digest) == again.bytes()


def test_sampling_shows_its_progress_and_previews(kit):
    seen = []

    async def run():
        return await kit.runner.perform(
            sampled(steps=6), {"prompt": "a dog"}, watch=lambda run, _: seen.append((run.progress, run.state.preview))
        )

    from comfy_notebook.servers.portal import portal

    result = portal.wait(run())
    assert result.msg == ""
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len({fraction for fraction in fractions if 0 < fraction < 1}) >= 3
    previews = [preview for _, preview in seen if preview]
    assert previews
    assert Image.open(io.BytesIO(previews[-1].image)).size[0] > 0
    assert result.images_by_var["cover"][0].pil().size == (64, 64)


def test_a_cached_run_gives_its_outputs_again(kit):
    graph = picture()
    first, second = kit.run(graph), kit.run(graph)
    assert second.status == "completed"
    assert second.images == first.images
    assert second.prompt_id != first.prompt_id


def test_a_failed_node_is_named(kit, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    graph = picture() | {
        "5": node("LoadImage", "My picture, $~photo", image="x"),
        "6": node("PreviewImage", images=["5", 0]),
    }
    result = kit.run(graph, {"photo": tmp_path / "broken.png"})
    assert result.status == "failed"
    assert isinstance(result.error, NodeError)
    assert (result.error.node_id, result.error.class_type, result.error.title) == ("5", "LoadImage", "My picture")
    assert result.error.exception_type
    assert result.error.traceback
    assert 'LoadImage "My picture" (node 5) raised' in result.msg
    with pytest.raises(NodeError):
        result.raise_for_status()


def test_all_that_is_wrong_with_a_submission_is_told_at_once(kit):
    graph = sampled() | {"20": node("NoSuchNode", "Mine")}
    result = kit.run(graph, {"stepz": 1, "steps": 0, "cfg": "high", "sampler_name": "eular"})
    assert isinstance(result.error, ParameterError)
    assert [problem.subject for problem in result.error.problems] == [
        'NoSuchNode "Mine" (node 20)', "stepz", "steps", "cfg", "sampler_name",
    ]  # fmt: skip
    assert "Did you mean steps?" in result.msg
    assert "Did you mean 'euler'" in result.msg
    assert result.prompt_id is None


def test_what_the_server_refuses_is_told_by_node_and_input(kit):
    graph = sampled(steps=0)
    graph["3"]["inputs"].pop("latent_image")
    graph["8"]["inputs"]["vae"] = ["6", 0]
    result = kit.run(graph)
    assert isinstance(result.error, ParameterError)
    told = "\n".join(map(str, result.error.problems))
    assert 'steps, KSampler "Sampler" (node 3): Value 0 smaller than min of 1' in told
    assert 'KSampler "Sampler" (node 3), latent_image: Required input is missing' in told
    assert "VAEDecode (node 8), vae: Return type mismatch" in told
    assert set(result.error.node_errors) == {"3", "8"}


def test_what_runs_in_part_says_what_did_not(kit):
    graph = picture() | {"5": node("LoadImage", image="nope.png"), "6": node("PreviewImage", "Lost", images=["5", 0])}
    result = kit.run(graph)
    assert result.status == "completed"
    assert len(result.images) == 1
    assert len(result.warnings) == 1
    assert 'PreviewImage "Lost" (node 6) did not run' in result.warnings[0]
    assert "nope.png" in result.warnings[0]


def test_seeds_are_drawn_and_told(kit):
    results = [kit.run(sampled(seed=0)) for _ in range(2)]
    seeds = [result.params["seed"] for result in results]
    assert seeds[0] != seeds[1]
    assert results[0].workflow["3"]["inputs"]["seed"] == seeds[0] != 0


def test_many_runs_at_once_lose_nothing(kit):
    async def all_of_them():
        return await asyncio.gather(*(kit.execute(picture(width=100 + number)) for number in range(30)))

    results = asyncio.run(all_of_them())
    assert [result.images[0].pil().width for result in results] == [100 + number for number in range(30)]


def test_any_thread_and_any_loop(kit):
    widths = {}

    def blocking(number):
        widths[number] = kit.run(picture(width=50 + number)).images[0].pil().width

    def awaiting(number):
        async def main():
            result = await kit.execute(picture(width=50 + number))
            widths[number] = (await result.images[0].apil()).width

        asyncio.run(main())

    threads = [threading.Thread(target=(blocking, awaiting)[number % 2], args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert widths == {number: 50 + number for number in range(8)}


def test_inside_a_running_loop_a_blocking_run_works_too(kit):
    async def main():
        return kit.run(picture())

    assert asyncio.run(main()).status == "completed"


async def test_with_and_async_with_and_close(comfyui):
    async with ComfyKit(comfyui) as kit:
        assert (await kit.execute(picture())).status == "completed"
    with ComfyKit(comfyui) as kit:
        assert kit.run(picture()).status == "completed"
    await kit.close()
    kit.close()
    assert kit.run(picture()).status == "completed"


def test_cancelling_ends_the_run_on_the_server(kit, comfyui):
    def running():
        return httpx.get(f"{comfyui}/queue").json()["queue_running"]

    async def main():
        task = asyncio.create_task(kit.execute(sampled(steps=5_000)))
        await asyncio.to_thread(wait_until, running)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(main()) < 3
    wait_until(lambda: not running())


def test_interrupted_by_someone_else_is_cancelled(kit, comfyui):
    def interrupt():
        wait_until(lambda: httpx.get(f"{comfyui}/queue").json()["queue_running"])
        httpx.post(f"{comfyui}/interrupt")

    thread = threading.Thread(target=interrupt)
    thread.start()
    result = kit.run(sampled(steps=5_000))
    thread.join()
    assert result.status == "cancelled"
    assert "interrupted" in result.msg
    assert result.error is not None


def test_models_that_the_server_has(kit):
    assert kit.models("checkpoints")
    with pytest.raises(ServerError, match="no folder"):
        kit.models("nonsense")


# -- what needs no second server ------------------------------------------------------------------------


@pytest.fixture
def embedded(embedded_comfyui):
    return ComfyKit(embedded_comfyui)


def test_nobody_there_says_which_url_and_the_ways_on():
    result = ComfyKit("http://127.0.0.1:1").run(picture())
    assert isinstance(result.error, NoServerError)
    for word in ("http://127.0.0.1:1", "python main.py", "%comfy use", "embedded"):
        assert word in result.msg


@pytest.mark.parametrize("source", ["nope.json", "12345", "{", {}, {"nodes": []}])
def test_a_source_that_is_no_workflow_is_a_failed_result(embedded, source):
    result = embedded.run(source)
    assert result.status == "failed"
    assert isinstance(result.error, WorkflowError)


def test_a_bad_address_is_a_failed_result():
    assert "not the address" in ComfyKit("nonsense://x").run(picture()).msg


def test_the_environment_names_the_server(embedded_comfyui, monkeypatch):
    monkeypatch.setenv("COMFYUI_BASE_URL", embedded_comfyui)
    assert ComfyKit().run(picture()).server == embedded_comfyui
    assert ComfyKit("http://127.0.0.1:1").run(picture()).status == "failed"


def test_asked_for_by_name_the_built_in_engine_is_used():
    result = ComfyKit("embedded").run(sampled())
    assert (result.status, result.server) == ("completed", "built-in engine")


def test_without_a_server_the_built_in_engine_serves_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr("comfy_notebook.servers.connections.USUAL", "http://127.0.0.1:1")
    kit = ComfyKit()
    results = [kit.run(picture()) for _ in range(2)]
    for result in results:
        assert result.server == "built-in engine"
        assert "built-in engine" in result.warnings[0]
    assert len([record for record in caplog.records if "built-in engine" in record.message]) == 1


@pytest.mark.parametrize(
    ("graph", "why"),
    [(sampled(), "no models"), ({"1": node("NoSuchNode")}, "does not have NoSuchNode")],
)
def test_without_a_server_nobody_gets_abstract_art_unasked(monkeypatch, graph, why):
    monkeypatch.setattr("comfy_notebook.servers.connections.USUAL", "http://127.0.0.1:1")
    result = ComfyKit().run(graph)
    assert isinstance(result.error, NoServerError)
    assert why in result.msg


def test_all_of_comfykits_arguments_are_taken(embedded_comfyui):
    kit = ComfyKit(
        comfyui_url=embedded_comfyui,
        executor_type="websocket",
        api_key="k",
        cookies="session=abc123",
        runninghub_url="https://example.org",
        runninghub_api_key="x",
        runninghub_timeout=300,
        runninghub_retry_count=3,
        runninghub_instance_type="plus",
    )
    assert kit.run(picture()).status == "completed"
    assert "abc123" not in repr(kit)


def test_a_script_ends_cleanly_with_nothing_closed(embedded_comfyui, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from comfy_notebook import ComfyKit\n"
        f"graph = {picture()!r}\n"
        "for url in sys.argv[1:]:\n"
        "    result = ComfyKit(url).run(graph)\n"
        "    print(result.status, result.images[0].pil().size)\n"
    )
    command = [sys.executable, "-W", "error", str(script), embedded_comfyui, "embedded"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "completed (32, 16)\n" * 2, "")


def test_no_shell_and_no_widgets_are_imported_for_a_script():
    code = (
        "import sys, comfy_notebook; from comfy_notebook import ComfyKit; k = ComfyKit();"
        "print([name for name in ('IPython', 'ipywidgets', 'numpy', 'aiohttp', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_results_keep_their_types():
    gc.collect()
    assert issubclass(Media, str)
    assert ExecuteResult("completed").images == []
