"""Names without markers: those that a user would guess, the same every time."""

import pytest

from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.graph import Target
from comfy_notebook.workflow.lookup import UnknownNameError


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title is not None else {})


def names(graph):
    """Return name → inputs, written shortly."""
    return {
        name: " ".join(str(target) for target in parameter.targets)
        for name, parameter in Workflow(graph).params.items()
    }


def sampler(positive="6", negative="7", **inputs):
    return node("KSampler", positive=[positive, 0], negative=[negative, 0], model=["4", 0], **inputs)


def encode(text, title=None):
    return node("CLIPTextEncode", title, text=text, clip=["4", 1])


def test_text_to_image_as_everybody_has_it():
    graph = {
        "3": sampler(seed=1, steps=20, cfg=7.0, sampler_name="euler", latent_image=["5", 0]),
        "4": node("CheckpointLoaderSimple", ckpt_name="a.safetensors"),
        "5": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "6": encode("a fox"),
        "7": encode("blurry"),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="x"),
    }
    assert names(graph) == {
        "seed": "3.seed",
        "steps": "3.steps",
        "cfg": "3.cfg",
        "sampler_name": "3.sampler_name",
        "ckpt_name": "4.ckpt_name",
        "width": "5.width",
        "height": "5.height",
        "batch_size": "5.batch_size",
        "prompt": "6.text",
        "negative_prompt": "7.text",
        "filename_prefix": "9.filename_prefix",
    }


@pytest.mark.parametrize(
    ("between", "prompt"),
    [
        ({"20": node("FluxGuidance", conditioning=["6", 0], guidance=3.5)}, "6.text"),
        ({"20": node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["6", 0])}, "6.text"),
        ({"20": node("SomePack", thing=["6", 0], model=["4", 0])}, "6.text"),
        ({"20": node("Reroute", **{"": ["6", 0]})}, "6.text"),
        (
            {"20": node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], image=["99", 0])},
            "6.text",
        ),
        (
            {"20": node("CLIPTextEncode", text=["21", 0], clip=["4", 1]), "21": node("PrimitiveString", value="a fox")},
            "21.value",
        ),
    ],
)
def test_prompts_are_found_through_whatever_lies_between(between, prompt):
    graph = {"3": sampler("20"), "6": encode("a fox"), "7": encode("blurry"), **between}
    assert names(graph)["prompt"] == prompt
    assert names(graph)["negative_prompt"] == "7.text"


def test_what_passes_both_on_is_followed_on_the_right_side():
    both = node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], strength=1.0)
    graph = {"3": sampler("20", "20") | {}, "20": both, "6": encode("a fox"), "7": encode("blurry")}
    graph["3"]["inputs"]["negative"] = ["20", 1]
    assert names(graph)["prompt"] == "6.text"
    assert names(graph)["negative_prompt"] == "7.text"


def test_a_guider_takes_a_prompt_too():
    graph = {"1": node("BasicGuider", conditioning=["6", 0], model=["4", 0]), "6": encode("a fox")}
    assert names(graph) == {"prompt": "6.text"}
    graph = {"1": node("CFGGuider", positive=["6", 0], negative=["7", 0], cfg=1), "6": encode("x"), "7": encode("y")}
    assert names(graph) == {"cfg": "1.cfg", "prompt": "6.text", "negative_prompt": "7.text"}


def test_a_prompt_zeroed_out_for_the_negative_is_the_prompt():
    graph = {"3": sampler(negative="8"), "6": encode("a fox"), "8": node("ConditioningZeroOut", conditioning=["6", 0])}
    assert names(graph) == {"prompt": "6.text"}


def test_texts_that_are_equal_are_one_prompt():
    both = node("CLIPTextEncodeSDXL", text_g="a fox", text_l="a fox", width=1024)
    assert names({"3": sampler(), "6": both, "7": encode("x")})["prompt"] == "6.text_g 6.text_l"


def test_texts_that_differ_keep_their_own_names_and_the_prompt_asks_which():
    graph = {
        "3": sampler(),
        "6": node("ConditioningCombine", conditioning_1=["11", 0], conditioning_2=["12", 0]),
        "7": encode("blurry"),
        "11": encode("a fox", "Left"),
        "12": encode("snow", "Right"),
    }
    assert names(graph) == {"negative_prompt": "7.text", "left.text": "11.text", "right.text": "12.text"}
    with pytest.raises(UnknownNameError, match=r"say which, left\.text or right\.text"):
        Workflow(graph).lookup.find("prompt")


def test_a_partner_node_has_its_prompt_itself():
    assert names({"1": node("GeminiNode", prompt="a fox", seed=4)}) == {"prompt": "1.prompt", "seed": "1.seed"}
    assert names({"1": node("Wrapper", positive="x", negative="y")}) == {
        "prompt": "1.positive",
        "negative_prompt": "1.negative",
    }


def test_a_circle_ends():
    graph = {"3": sampler("6", "6"), "6": node("A", conditioning=["7", 0]), "7": node("B", conditioning=["6", 0])}
    assert names(graph) == {}


def test_title_and_input_where_the_bare_name_is_not_unique():
    graph = {
        "1": node("ImageScaleBy", "Upscale model (4x)", scale_by=2.0),
        "2": node("ImageScaleBy", "次の拡大", scale_by=2.0),
        "3": node("ImageScaleBy", "4x!", scale_by=2.0),
    }
    assert list(names(graph)) == ["upscale_model_4x.scale_by", "次の拡大.scale_by", "node_4x.scale_by"]


def test_the_nodes_id_where_titles_are_not_unique_either():
    graph = {
        "3": node("KSampler", seed=1),
        "12:5": node("KSampler", seed=2),
        "9": node("KSampler", "$ksampler.x", seed=3),
    }
    assert names(graph) == {
        "ksampler": "9.x",
        "ksampler_3.seed": "3.seed",
        "ksampler_12_5.seed": "12:5.seed",
        "ksampler_9.seed": "9.seed",
    }


def test_what_is_no_identifier_is_made_one():
    graph = {"1": node("A", **{"Some Input": 1, "lambda": 2, "model.size": 3, "3d": 4})}
    assert list(names(graph)) == ["Some_Input", "lambda_", "model.size", "node_3d"]
    assert Workflow(graph).lookup.find("Some Input").targets == (Target("1", "Some Input"),)


def test_what_only_the_page_has_is_no_parameter():
    graph = {"1": node("LoadImage", image="x.png", upload="image"), "2": node("LoadAudio", audio="y.mp3", audioUI="")}
    assert names(graph) == {"image": "1.image", "audio": "2.audio"}


def test_a_list_is_a_value_unless_it_is_a_link():
    assert names({"1": node("A", size=[512, 512], points=[], name=["4", 0])}) == {
        "size": "1.size",
        "points": "1.points",
    }


LONG = {
    "6": node("Text", "$prompt.text", text="a"),
    "75:71": node("Mode", "My mode. Yes", **{"mode.width": 1}),
    "8": node("VAEDecode", samples=["3", 0]),
    "3": node("KSampler", "First pass", seed=1, steps=4),
    "4": node("KSampler", "Second pass", seed=2, steps=4, denoise=0.5),
}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("6.text", ("6", "text")),
        ("text", ("6", "text")),
        ("Text.text", ("6", "text")),
        ("75:71.mode.width", ("75:71", "mode.width")),
        ("My mode. Yes.mode.width", ("75:71", "mode.width")),
        ("my_mode__yes.mode.width", ("75:71", "mode.width")),
        ("8.samples", ("8", "samples")),
        ("VAEDecode.samples", ("8", "samples")),
        ("First pass.seed", ("3", "seed")),
        ("first_pass.seed", ("3", "seed")),
        ("KSampler.denoise", ("4", "denoise")),
        ("3.novel", ("3", "novel")),
    ],
)
def test_every_input_answers_to_its_nodes_id_title_and_class(name, target):
    found = Workflow(LONG).lookup.find(name)
    assert found.name == name
    assert found.targets == (Target(*target),)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("seed", "several nodes have it: say which, first_pass.seed or second_pass.seed"),
        ("KSampler.seed", "several nodes have it: say which, first_pass.seed or second_pass.seed"),
        ("99.text", "no such parameter"),
        ("first_pas.seed", "Did you mean first_pass.seed"),
        ("nothing", "The workflow has prompt"),
        ("", "no such parameter"),
        (".", "no such parameter"),
    ],
)
def test_a_name_that_means_nothing_or_too_much_is_told(name, says):
    with pytest.raises(UnknownNameError, match=says):
        Workflow(LONG).lookup.find(name)
