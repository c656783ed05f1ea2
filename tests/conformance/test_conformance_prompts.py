"""What POST /prompt refuses, and how; the same bodies are sent to both servers and the answers compared."""

import copy
import json
import math

import pytest

from .conformance_kit import fresh_color, node, picture_graph

EMPTY = node("EmptyImage", width=8, height=8, batch_size=1, color=0)


def invert(*link):
    return node("ImageInvert", image=list(link))


def preview(*link):
    return node("PreviewImage", images=list(link))


def sized(width):
    return {"1": EMPTY | {"inputs": EMPTY["inputs"] | {"width": width}}, "2": preview("1", 0)}


def scaled(**inputs):
    given = {"image": ["1", 0], "upscale_method": "area", "width": 8, "height": 8, "crop": "center"} | inputs
    return {"1": EMPTY, "3": node("ImageScale", **given), "2": preview("3", 0)}


def sampled(**inputs):
    given = {
        "model": ["4", 0], "seed": 1, "steps": 1, "cfg": 1, "sampler_name": "euler", "scheduler": "normal",
        "positive": ["4", 0], "negative": ["4", 0], "latent_image": ["5", 0], "denoise": 1,
    } | inputs  # fmt: skip
    return {
        "4": node("PrimitiveInt", value=1),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "3": node("KSampler", **given),
        "2": node("PreviewAny", source=["3", 0]),
    }


# graph, the type of the answer's error (None: it runs), the types of the errors of its nodes
CASES = {
    "empty": ({}, "prompt_no_outputs", []),
    "no outputs": ({"1": EMPTY}, "prompt_no_outputs", []),
    "unknown class": ({"1": node("NoSuchNode")}, "invalid_prompt", []),
    "unknown class that nothing needs": (sized(8) | {"4": node("NoSuchNode")}, "invalid_prompt", []),
    "class missing": ({"1": {"inputs": {}}}, "invalid_prompt", []),
    "class null": ({"1": {"class_type": None, "inputs": {}}}, "invalid_prompt", []),
    "node that is a list": ({"1": []}, "invalid_prompt", []),
    "inputs missing": ({"1": {"class_type": "PreviewImage"}}, "failed", ["exception_during_validation"]),
    "inputs null": (
        {"1": {"class_type": "PreviewImage", "inputs": None}},
        "failed",
        ["exception_during_validation"],
    ),
    "inputs that are a list": (
        {"1": {"class_type": "PreviewImage", "inputs": []}},
        "failed",
        ["required_input_missing"],
    ),
    "inputs of an inner node missing": (
        {"1": {"class_type": "ImageInvert"}, "2": preview("1", 0)},
        "failed",
        ["exception_during_inner_validation"],
    ),
    "all inputs missing": ({"1": node("EmptyImage"), "2": preview("1", 0)}, "failed", ["required_input_missing"] * 4),
    "link to nothing": ({"2": preview("77", 0)}, "failed", ["exception_during_validation"]),
    "link to a number": ({"1": EMPTY, "2": preview(1, 0)}, "failed", ["exception_during_validation"]),
    "link to no such slot": ({"1": EMPTY, "2": preview("1", 9)}, "failed", ["exception_during_validation"]),
    "link to a slot by name": ({"1": EMPTY, "2": preview("1", "IMAGE")}, "failed", ["exception_during_validation"]),
    "inner link to nothing": (
        {"1": invert("77", 0), "3": invert("1", 0), "2": preview("3", 0)},
        "failed",
        ["exception_during_inner_validation"],
    ),
    "inner link to no such slot": (
        {"1": EMPTY, "3": invert("1", 3), "2": preview("3", 0)},
        "failed",
        ["exception_during_inner_validation"],
    ),
    "link of three": ({"1": EMPTY, "2": preview("1", 0, 0)}, "failed", ["bad_linked_input"]),
    "link of none": ({"1": EMPTY, "2": preview()}, "failed", ["bad_linked_input"]),
    "list as a value": (sized([]), "failed", ["bad_linked_input"]),
    "link of the wrong type": (
        {"1": node("EmptyLatentImage", width=64, height=64, batch_size=1), "2": preview("1", 0)},
        "failed",
        ["return_type_mismatch"],
    ),
    "number for a whole number": (
        sized(["9", 0]) | {"9": node("PrimitiveFloat", value=8)},
        "failed",
        ["return_type_mismatch"],
    ),
    "text for a choice": (
        scaled(upscale_method=["9", 0]) | {"9": node("PrimitiveString", value="area")},
        "failed",
        ["return_type_mismatch"],
    ),
    "too small": (sized(0), "failed", ["value_smaller_than_min"]),
    "too big": (sized(99999), "failed", ["value_bigger_than_max"]),
    "not a number": (sized("wide"), "failed", ["invalid_input_type"]),
    "not a whole number": (sized("5.7"), "failed", ["invalid_input_type"]),
    "null": (sized(None), "failed", ["invalid_input_type"]),
    "object": (sized({}), "failed", ["invalid_input_type"]),
    "infinite": (sized(math.inf), "failed", ["invalid_input_type"]),
    "wrapped list for a number": (sized({"__value__": [1, 2]}), "failed", ["invalid_input_type"]),
    "not in the list": (scaled(upscale_method="magic"), "failed", ["value_not_in_list"]),
    "number not in the list": (scaled(crop=3), "failed", ["value_not_in_list"]),
    "not in a long list": (
        sampled(sampler_name="magic"),
        "failed",
        ["return_type_mismatch"] * 3 + ["value_not_in_list"],
    ),
    "everything at once": (
        sampled(seed=-1, steps=0, cfg=-1, denoise=2, scheduler="magic"),
        "failed",
        ["return_type_mismatch"] * 3 + ["value_bigger_than_max", "value_not_in_list"] + ["value_smaller_than_min"] * 3,
    ),
    "seed beyond 64 bits": (
        sampled(seed=2**64),
        "failed",
        ["return_type_mismatch"] * 3 + ["value_bigger_than_max"],
    ),
    "file not there": (
        {"1": node("LoadImage", image="nope.png"), "2": preview("1", 0)},
        "failed",
        ["custom_validation_failed"],
    ),
    "sound not there": (
        {"1": node("LoadAudio", audio="nope.wav"), "2": node("PreviewAny", source=["1", 0])},
        "failed",
        ["custom_validation_failed"],
    ),
    "file not there and a wrong choice": (
        {"1": node("LoadImageMask", image="nope.png", channel="x"), "2": node("PreviewAny", source=["1", 0])},
        "failed",
        ["custom_validation_failed", "value_not_in_list"],
    ),
    "node linked to itself": ({"1": invert("1", 0), "2": preview("1", 0)}, "failed", []),
    "cycle": ({"1": invert("3", 0), "3": invert("1", 0), "2": preview("1", 0)}, "failed", []),
    "one error that two outputs have": (
        {"1": invert(), "2": preview("1", 0), "3": preview("1", 0)},
        "failed",
        ["bad_linked_input"],
    ),
    "one output good": (
        sized(8) | {"5": invert(), "6": preview("5", 0)},
        None,
        ["bad_linked_input"],
    ),
    "errors that nothing needs": (sized(8) | {"5": invert()}, None, []),
    "number as a text": (sized("8"), None, []),
    "number with a fraction": (sized(8.7), None, []),
    "yes for a number": (sized(True), None, []),
    "wrapped number": (sized({"__value__": 8}), None, []),
    "newer choice that is not in the list": (
        {"1": EMPTY, "3": node("ImageBlend", image1=["1", 0], image2=["1", 0], blend_factor=1, blend_mode="magic"),
         "2": preview("3", 0)},
        None,
        [],
    ),
    "unknown input": (sized(8) | {"2": node("PreviewImage", images=["1", 0], other=1)}, None, []),
    "last slot counted from the end": ({"1": EMPTY, "2": preview("1", -1)}, None, []),
    "value for a socket": ({"2": node("PreviewImage", images="x")}, None, []),
}  # fmt: skip


def errors_of(answer):
    nodes = answer.json()["node_errors"].values()
    return sorted(error["type"] for each in nodes for error in each["errors"])


@pytest.mark.parametrize("name", CASES)
def test_a_prompt_is_checked(server, name):
    graph, kind, node_errors = CASES[name]
    answer = server.http.post("/prompt", content=json.dumps({"prompt": graph}))
    assert answer.status_code == (400 if kind else 200), answer.text
    if kind:
        full = "prompt_outputs_failed_validation" if kind == "failed" else kind
        assert answer.json()["error"]["type"] == full
    assert errors_of(answer) == sorted(node_errors)


def without_noise(answer):
    """Leave out what cannot be the same: tracebacks, tooltips, the order of a node's errors, random ids."""
    answer = copy.deepcopy(answer)
    answer.pop("prompt_id", None)
    answer.pop("number", None)
    for each in answer["node_errors"].values():
        each["dependent_outputs"].sort()
        for error in each["errors"]:
            extra = error["extra_info"]
            extra.pop("traceback", None)
            config = extra.get("input_config")
            if config is not None and len(config) == 1:
                config.append({})
            if config is not None:
                config[1].pop("tooltip", None)
        each["errors"].sort(key=lambda error: (error["type"], error["details"]))
    if answer.get("error"):
        answer["error"]["details"] = sorted(answer["error"]["details"].splitlines())
    return answer


@pytest.mark.parametrize("name", CASES)
def test_both_servers_give_the_same_answer(pair, name):
    content = json.dumps({"prompt": CASES[name][0]})
    ours, real = (server.http.post("/prompt", content=content) for server in pair)
    assert ours.status_code == real.status_code
    assert without_noise(ours.json()) == without_noise(real.json())


def test_values_are_converted(server):
    graph = {
        "1": node("EmptyImage", width="8", height=8.9, batch_size=True, color={"__value__": 3}),
        "3": node("ImageScaleBy", image=["1", 0], upscale_method="area", scale_by="2"),
        "4": node("PrimitiveBoolean", value="false"),
        "2": node("SaveImage", images=["3", 0], filename_prefix=5),
        "5": node("PreviewAny", source=["4", 0]),
    }
    history, _ = server.run(graph)
    sent = history["prompt"][2]
    assert sent["1"]["inputs"] == {"width": 8, "height": 8, "batch_size": 1, "color": 3}
    assert repr(sent["3"]["inputs"]["scale_by"]) == "2.0"
    assert sent["4"]["inputs"]["value"] is True
    assert sent["2"]["inputs"]["filename_prefix"] == "5"
    assert history["outputs"]["5"] == {"text": ["True"]}


def test_history_tells_what_was_run(server):
    graph = picture_graph(fresh_color())
    extra = {"mine": 1, "api_key_comfy_org": "SECRET", "auth_token_comfy_org": "SECRET", "extra_pnginfo": {"a": 1}}
    history, messages = server.run(graph, extra_data=extra)
    number, _, sent, shown, outputs = history["prompt"]
    assert (sent, outputs) == (graph, ["2"])
    assert isinstance(number, int)
    assert shown.pop("create_time") <= messages[2].data["timestamp"]
    assert shown.pop("client_id")
    assert shown == {"mine": 1, "extra_pnginfo": {"a": 1}}
    assert history["meta"] == {
        "2": {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"},
    }
    told = [[each.kind, each.data] for each in messages if each.kind.startswith("execution")]
    assert history["status"] == {"status_str": "success", "completed": True, "messages": told}


@pytest.mark.parametrize("body", ["not json", "{}", "[1]", '{"prompt": [1]}', '{"prompt": null}', '{"prompt": "x"}'])
def test_a_body_that_is_no_prompt(server, body):
    answer = server.http.post("/prompt", content=body)
    if body in ("{}", "[1]"):
        assert answer.status_code == 400
        assert answer.json() == {
            "error": {
                "type": "no_prompt",
                "message": "No prompt provided",
                "details": "No prompt provided",
                "extra_info": {},
            },
            "node_errors": {},
        }
    else:
        assert answer.status_code == 500
        assert answer.text == "500 Internal Server Error\n\nServer got itself in trouble"


@pytest.mark.parametrize("field", [{"number": "x"}, {"number": None}, {"extra_data": None}, {"extra_data": []}])
def test_a_field_of_the_wrong_type(server, field):
    assert server.http.post("/prompt", json={"prompt": sized(8), **field}).status_code == 500


@pytest.mark.parametrize(("given", "used"), [("my own", "my own"), (12, "12"), ("", ""), ([1], "[1]")])
def test_the_client_chooses_the_prompt_id(server, given, used):
    answer = server.post(sized(8), prompt_id=given)
    assert answer.json()["prompt_id"] == used
    if used:
        assert server.wait(used)["prompt"][1] == used


def test_a_prompt_id_of_null_is_none(server):
    # by design: "null id"
    used = server.post(sized(8), prompt_id=None).json()["prompt_id"]
    assert (used == "None") is not server.is_embedded


def test_a_prompt_id_used_again_replaces_the_first_in_history(server, unique):
    first = server.wait(server.submit(picture_graph(1), prompt_id=unique, client_id="c"))
    server.run(picture_graph(2), prompt_id=unique)
    assert server.history(unique)["prompt"][2] != first["prompt"][2]


def test_targets_may_be_none(server):
    assert server.post(sized(8), partial_execution_targets=None).status_code == 200
    assert server.post(sized(8), partial_execution_targets=[]).json()["error"]["type"] == "prompt_no_outputs"
