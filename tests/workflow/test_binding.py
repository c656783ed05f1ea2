import pytest

from comfy_notebook.errors import ParameterError
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.files import LocalFile
from comfy_notebook.workflow.graph import Target
from comfy_notebook.workflow.schema import read_node

SCHEMAS = {
    "KSampler": read_node(
        "KSampler",
        {
            "input": {
                "required": {
                    "model": ["MODEL"],
                    "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1}],
                    "steps": ["INT", {"default": 20, "min": 1, "max": 100}],
                    "sampler_name": [["euler", "ddim"]],
                }
            }
        },
    ),
    "Noise": read_node("Noise", {"input": {"required": {"noise_seed": ["INT", {"min": 5, "max": 9}]}}}),
    "Text": read_node("Text", {"input": {"required": {"text": ["STRING", {"multiline": True}]}}}),
    "LoadImage": read_node("LoadImage", {"input": {"required": {"image": [["here.png"], {"image_upload": True}]}}}),
}


def workflow(**graph):
    return Workflow({name.removeprefix("n"): node for name, node in graph.items()}, "w.json")


def sampler(title="", **inputs):
    inputs = {"seed": 7, "steps": 20, "sampler_name": "euler", "model": ["1", 0]} | inputs
    return {"class_type": "KSampler", "inputs": inputs, "_meta": {"title": title}}


def text(title, value):
    return {"class_type": "Text", "inputs": {"text": value}, "_meta": {"title": title}}


def problems(flow, given, schemas=SCHEMAS):
    with pytest.raises(ParameterError) as caught:
        bind(flow, given, schemas)
    return [str(problem) for problem in caught.value.problems]


def test_values_go_where_their_names_say_and_the_workflow_stays_as_it_is():
    flow = workflow(n3=sampler(), n6=text("$prompt.text", "old"))
    binding = bind(flow, {"prompt": "new", "3.steps": 5}, SCHEMAS)
    assert binding.graph["6"]["inputs"]["text"] == "new"
    assert binding.graph["3"]["inputs"]["steps"] == 5
    assert flow.graph["6"]["inputs"]["text"] == "old"
    assert binding.params == {"prompt": "new", "3.steps": 5, "seed": 7}


def test_defaults_of_marked_parameters_are_reported_as_run():
    assert bind(workflow(n6=text("$prompt.text", "old")), {}, SCHEMAS).params == {"prompt": "old"}


def test_without_a_value_every_node_keeps_its_own():
    binding = bind(workflow(n1=text("$t.text", "one"), n2=text("$t.text", "two")), {}, SCHEMAS)
    assert [binding.graph[node]["inputs"]["text"] for node in "12"] == ["one", "two"]


def test_a_value_replaces_a_link():
    flow = workflow(n6={"class_type": "Text", "inputs": {"text": ["5", 0]}, "_meta": {"title": "$prompt.text"}})
    assert bind(flow, {"prompt": "x"}, SCHEMAS).graph["6"]["inputs"]["text"] == "x"


def test_everything_that_is_wrong_is_told_at_once():
    flow = workflow(n3=sampler(), n6=text("$prompt.text!", ""), n9={"class_type": "Nope", "inputs": {}})
    told = problems(flow, {"promt": "x", "steps": 0, "sampler_name": "eular"}, SCHEMAS | {"Nope": None})
    assert told == [
        "Nope (node 9): the server does not have this node; install the pack that brings it",
        "prompt: it is required, and was not given",
        "promt: there is no such parameter. Did you mean prompt?",
        "steps: 0 is out of range: it must be between 1 and 100",
        "sampler_name: 'eular' is not among the server's choices. Did you mean 'euler'?",
    ]


def test_an_ambiguous_name_says_which_there_are():
    flow = workflow(n6=text("", "a"), n7=text("", "b"))
    assert problems(flow, {"text": "x"}) == ["text: several nodes have it: say which, text_6.text or text_7.text"]


def test_an_unknown_name_far_from_all_lists_what_there_is():
    assert problems(workflow(n6=text("$prompt.text", "a")), {"zzzz": 1}) == [
        "zzzz: there is no such parameter. The workflow has prompt"
    ]


def test_an_input_that_the_node_does_not_have():
    assert "KSampler has no input 'stepz'. Did you mean 'steps'?" in problems(workflow(n3=sampler()), {"3.stepz": 1})[0]


def test_a_problem_of_several_targets_is_told_once():
    flow = workflow(n1=sampler("$steps"), n2=sampler("$steps"))
    assert len(problems(flow, {"steps": 0})) == 1


def test_nothing_known_of_a_class_means_its_values_are_not_checked():
    assert bind(workflow(n3=sampler()), {"steps": 10_000}, {}).graph["3"]["inputs"]["steps"] == 10_000


def test_a_long_name_sets_what_a_short_one_does():
    binding = bind(workflow(n3=sampler(), n6=text("$prompt.text!", "")), {"KSampler.steps": 5, "6.text": "x"}, SCHEMAS)
    assert binding.graph["3"]["inputs"]["steps"] == 5
    assert binding.params == {"KSampler.steps": 5, "6.text": "x", "seed": 7}


def test_two_names_of_one_input_contradict_each_other():
    assert problems(workflow(n3=sampler()), {"steps": 5, "3.steps": 6}) == [
        "3.steps: it sets the same input as steps: give one of them"
    ]


def test_a_runs_values_go_before_the_workflows_own():
    flow = workflow(n3=sampler(), n6=text("$prompt.text!", "")).with_params(steps=5, prompt="a")
    assert bind(flow, {}, SCHEMAS).params == {"steps": 5, "prompt": "a", "seed": 7}
    assert bind(flow, {"3.steps": 6}, SCHEMAS).params == {"prompt": "a", "3.steps": 6, "seed": 7}


class TestFiles:
    flow = workflow(n1={"class_type": "LoadImage", "inputs": {"image": "default.png"}, "_meta": {"title": "$~photo"}})

    def test_a_file_here_is_to_be_uploaded(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"x")
        binding = bind(self.flow, {"photo": str(path)}, SCHEMAS)
        assert binding.uploads == {Target("1", "image"): LocalFile(path)}
        assert binding.params == {"photo": "a.png"}

    def test_a_default_is_never_uploaded(self, tmp_path, monkeypatch):
        (tmp_path / "default.png").write_bytes(b"x")
        monkeypatch.chdir(tmp_path)
        assert bind(self.flow, {}, SCHEMAS).uploads == {}

    @pytest.mark.parametrize("name", ["here.png", "sub/there.png", "made.png [output]"])
    def test_a_name_on_the_server_stays(self, name):
        binding = bind(self.flow, {"photo": name}, SCHEMAS)
        assert binding.graph["1"]["inputs"]["image"] == name
        assert binding.uploads == {}

    def test_a_name_that_is_nowhere_is_told(self):
        assert "neither here nor among the server's inputs" in problems(self.flow, {"photo": "hear.png"})[0]
        assert "here.png" in problems(self.flow, {"photo": "hear.png"})[0]

    def test_what_is_no_file_is_told(self):
        assert "neither a file" in problems(self.flow, {"photo": object()})[0]


class TestSeeds:
    def test_a_seed_left_at_0_is_drawn_and_reported(self):
        flow = workflow(n3=sampler(seed=0))
        seeds = {bind(flow, {}, SCHEMAS).graph["3"]["inputs"]["seed"] for _ in range(5)}
        assert len(seeds) == 5
        assert all(0 < seed < 2**53 for seed in seeds)
        binding = bind(flow, {}, SCHEMAS)
        assert binding.params["seed"] == binding.graph["3"]["inputs"]["seed"]

    def test_a_seed_that_was_given_is_used_also_0(self):
        assert bind(workflow(n3=sampler(seed=0)), {"seed": 0}, SCHEMAS).graph["3"]["inputs"]["seed"] == 0

    def test_a_random_seed_is_drawn_within_the_range_of_its_node(self):
        flow = workflow(n1={"class_type": "Noise", "inputs": {"noise_seed": 7}})
        drawn = [bind(flow, {"noise_seed": "random"}, SCHEMAS) for _ in range(200)]
        assert {binding.params["noise_seed"] for binding in drawn} == {5, 6, 7, 8, 9}
        assert all(b.graph["1"]["inputs"]["noise_seed"] == b.params["noise_seed"] for b in drawn)

    def test_a_random_seed_of_several_nodes_is_one(self):
        graph = bind(workflow(n1=sampler("$seed"), n2=sampler("$seed")), {"seed": "random"}, SCHEMAS).graph
        assert graph["1"]["inputs"]["seed"] == graph["2"]["inputs"]["seed"] != 7

    def test_random_is_no_number_elsewhere(self):
        assert problems(workflow(n3=sampler()), {"steps": "random"}) == ["steps: 'random' is not a whole number"]

    def test_a_seed_that_the_workflow_has_is_kept_and_reported(self):
        binding = bind(workflow(n3=sampler(seed=7)), {}, SCHEMAS)
        assert binding.graph["3"]["inputs"]["seed"] == 7
        assert binding.params == {"seed": 7}

    def test_noise_seed_is_drawn_within_the_range_of_its_node(self):
        flow = workflow(n1={"class_type": "Noise", "inputs": {"noise_seed": 0}})
        seeds = {bind(flow, {}, SCHEMAS).graph["1"]["inputs"]["noise_seed"] for _ in range(200)}
        assert seeds == {5, 6, 7, 8, 9}

    def test_nodes_that_share_a_parameter_share_its_seed(self):
        flow = workflow(n1=sampler("$seed", seed=0), n2=sampler("$seed", seed=0))
        graph = bind(flow, {}, SCHEMAS).graph
        assert graph["1"]["inputs"]["seed"] == graph["2"]["inputs"]["seed"] != 0

    def test_a_linked_or_false_seed_is_left_alone(self):
        flow = workflow(n1=sampler(seed=["9", 0]), n2=sampler(seed=False))
        graph = bind(flow, {}, SCHEMAS).graph
        assert graph["1"]["inputs"]["seed"] == ["9", 0]
        assert graph["2"]["inputs"]["seed"] is False
