from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.graph import Target
from comfy_notebook.workflow.schema import read_node


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


def test_markers_come_first_and_hide_nothing():
    found = params(n1=node("B", seed=2), n2=node("A", "$seed", seed=1))
    assert found["seed"].targets == (Target("2", "seed"),)
    assert found["b.seed"].targets == (Target("1", "seed"),)
    assert list(found) == ["seed", "b.seed"]


def test_types_come_from_the_server_else_from_the_values():
    graph = {"1": node("A", steps=20, cfg=1.5, name="x", on=True, many=[1, 2, 3])}
    assert [parameter.type for parameter in Workflow(graph).params.values()] == [
        "INT",
        "FLOAT",
        "STRING",
        "BOOLEAN",
        "*",
    ]
    schema = read_node("A", {"input": {"required": {"name": [["x", "y"]], "cfg": ["FLOAT", {"max": 9}]}}})
    found = Workflow(graph, schemas={"A": schema}).params
    assert (found["name"].type, found["name"].spec.choices) == ("COMBO", ("x", "y"))
    assert found["cfg"].spec.maximum == 9


def test_strange_titles_and_meta_are_borne():
    graph = {"1": {"class_type": "A", "inputs": {"x": 1}, "_meta": None}, "2": node("B", y=2)}
    graph["2"]["_meta"] = {"title": None}
    assert list(Workflow(graph).params) == ["x", "y"]
