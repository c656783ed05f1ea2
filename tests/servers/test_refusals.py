from comfy_notebook.servers.refusals import left_out, refusal
from comfy_notebook.workflow.document import Workflow

FLOW = Workflow(
    {
        "3": {"class_type": "KSampler", "inputs": {"steps": 0}, "_meta": {"title": "Refine, $steps"}},
        "5": {"class_type": "LoadImage", "inputs": {"image": "nope.png"}},
        "6": {"class_type": "PreviewImage", "inputs": {"images": ["5", 0]}, "_meta": {"title": "$output.look"}},
    },
    "w.json",
)
TOO_SMALL = {
    "type": "value_smaller_than_min",
    "message": "Value 0 smaller than min of 1",
    "details": "steps",
    "extra_info": {"input_name": "steps", "input_config": ["INT", {"min": 1}], "received_value": 0},
}
NO_FILE = {
    "type": "custom_validation_failed",
    "message": "Custom validation failed for node",
    "details": "image - Invalid image file: nope.png",
    "extra_info": {"input_name": "image"},
}
NODE_ERRORS = {
    "3": {"errors": [TOO_SMALL], "dependent_outputs": ["9"], "class_type": "KSampler"},
    "5": {"errors": [NO_FILE], "dependent_outputs": ["6"], "class_type": "LoadImage"},
}
FAILED = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": ""}


def test_every_input_that_was_refused_is_named_as_users_know_it():
    error = refusal({"error": FAILED, "node_errors": NODE_ERRORS}, FLOW)
    assert error.message == "The server refused w.json: Prompt outputs failed validation."
    assert [str(problem) for problem in error.problems] == [
        'steps, KSampler "Refine" (node 3): Value 0 smaller than min of 1',
        "image, LoadImage (node 5): Custom validation failed for node: Invalid image file: nope.png",
    ]
    assert [(problem.node_id, problem.input_name) for problem in error.problems] == [("3", "steps"), ("5", "image")]
    assert error.node_errors == NODE_ERRORS


def test_a_refusal_without_nodes_gives_its_details():
    answer = {
        "error": {
            "type": "invalid_prompt",
            "message": "Cannot execute because node NoSuchNode does not exist.",
            "details": "Node ID '#1'",
        },
        "node_errors": {},
    }
    assert str(refusal(answer, FLOW)) == (
        "The server refused w.json: Cannot execute because node NoSuchNode does not exist.\n  - Node ID '#1'"
    )


def test_answers_of_other_shapes_are_read_as_far_as_they_go():
    assert "no reason given" in str(refusal({}, FLOW))
    assert "invalid prompt: broken" in str(refusal({"error": "invalid prompt: broken", "node_errors": []}, FLOW))
    odd = {"error": {"type": "x"}, "node_errors": {"77": {"errors": [{"type": "odd", "extra_info": None}]}}}
    assert "(node 77), inputs: odd" in str(refusal(odd, FLOW))


def test_what_was_left_out_is_named_with_its_reason():
    assert left_out({}, FLOW) == []
    (told,) = left_out({"5": NODE_ERRORS["5"]}, FLOW)
    assert told == (
        "PreviewImage (node 6) did not run: "
        "image, LoadImage (node 5): Custom validation failed for node: Invalid image file: nope.png"
    )
