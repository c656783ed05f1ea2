from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.parameters import Target, locate


def node(class_type, title=None, **inputs):
    made = {"class_type": class_type, "inputs": inputs}
    return made | ({"_meta": {"title": title}} if title is not None else {})


def params(**graph):
    return Workflow({name.removeprefix("n"): value for name, value in graph.items()}).params


def test_a_marker_sets_the_field_it_names_and_keeps_the_default():
    found = params(n6=node("CLIPTextEncode", "$prompt.text", text="a cat", clip=["4", 1]))["prompt"]
    assert found.targets == (Target("6", "text"),)
    assert (found.default, found.required, found.marked) == ("a cat", False, True)


def test_a_required_parameter_has_no_default():
    assert params(n6=node("CLIPTextEncode", "$prompt.text!", text="a cat"))["prompt"].default is None


def test_a_link_is_no_default():
    assert params(n6=node("CLIPTextEncode", "$prompt.text", text=["1", 0]))["prompt"].default is None


def test_one_name_in_several_nodes_sets_all_and_the_last_says_whether_it_is_required():
    graph = {"1": node("A", "$width!", width=32), "2": node("B", "$width", width=96)}
    found = Workflow(graph).params["width"]
    assert found.targets == (Target("1", "width"), Target("2", "width"))
    assert found.required is False
    assert Workflow(dict(reversed(graph.items()))).params["width"].required is True


def test_a_file_marker_on_a_loader_means_its_file_input():
    found = params(n10=node("LoadImage", "$~input_image", image="default.png"))["input_image"]
    assert found.targets == (Target("10", "image"),)
    assert found.upload


def test_a_file_marker_on_an_unknown_loader_means_its_only_text():
    found = params(n1=node("MyLoader", "$~photo", path="x.png", scale=2))["photo"]
    assert found.targets == (Target("1", "path"),)


def test_a_saver_carries_parameters_but_no_output_amid_its_title():
    found = params(n9=node("SaveImage", "Save, $output.x, $prefix.filename_prefix", filename_prefix="a"))
    assert found["prefix"].targets == (Target("9", "filename_prefix"),)
    assert "output" not in found


def test_unmarked_values_have_their_bare_name_where_it_is_unique():
    graph = {"3": node("KSampler", seed=1, steps=20), "6": node("Text", text="a"), "7": node("Text", text="b")}
    assert list(Workflow(graph).params) == ["seed", "steps", "6.text", "7.text"]


def test_a_marker_hides_nothing():
    graph = {"1": node("A", "$seed", seed=1), "2": node("B", seed=2)}
    found = Workflow(graph).params
    assert found["seed"].targets == (Target("1", "seed"),)
    assert found["2.seed"].targets == (Target("2", "seed"),)


def test_any_input_can_be_addressed_by_node_and_name():
    graph = {"6": node("Text", "$prompt.text", text="a"), "75:71": node("Mode", **{"mode.width": 1}), "8": node("V")}
    workflow = Workflow(graph)
    assert locate("6.text", workflow.params, graph).targets == (Target("6", "text"),)
    assert locate("75:71.mode.width", workflow.params, graph).targets == (Target("75:71", "mode.width"),)
    assert locate("8.samples", workflow.params, graph).targets == (Target("8", "samples"),)
    assert locate("99.text", workflow.params, graph) is None
    assert locate("nothing", workflow.params, graph) is None


def test_strange_titles_and_meta_are_borne():
    graph = {"1": {"class_type": "A", "inputs": {"x": 1}, "_meta": None}, "2": node("B", y=2)}
    graph["2"]["_meta"] = {"title": None}
    assert list(Workflow(graph).params) == ["x", "y"]


def test_outputs_are_named_by_title():
    graph = {"9": node("SaveImage", "$output.cover"), "10": node("PreviewImage", "Look")}
    assert Workflow(graph).outputs == {"9": "cover"}
