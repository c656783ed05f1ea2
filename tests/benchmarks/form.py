"""How long the kernel takes to open a form.

    python tests/benchmarks/form.py

Opens forms of 20, 200 and 1,000 parameters, once folded as a user sees them, and once with every group unfolded.
"""

import statistics
import time

import ipywidgets

from comfy_notebook import ComfyKit, Form
from comfy_notebook.notebook.form.view import FormView
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.schema import read_node

KINDS = (
    (["FLOAT", {"default": 1.0, "min": 0.0, "max": 10.0}], 1.0),
    (["INT", {"default": 20, "min": 1, "max": 10000}], 20),
    (["STRING", {"multiline": True}], "a lake"),
    ([[f"model {number}" for number in range(200)]], "model 5"),
    (["BOOLEAN", {}], True),
)
PER_NODE = 10
REPEATS = 5


def workflow(count):
    """Return a workflow of so many parameters, ten to a node."""
    declared = {f"input{number}": KINDS[number % len(KINDS)] for number in range(PER_NODE)}
    schema = read_node("Many", {"input": {"required": {name: entry for name, (entry, _) in declared.items()}}})
    inputs = {name: value for name, (_, value) in declared.items()}
    graph = {str(number): {"class_type": "Many", "inputs": inputs} for number in range(count // PER_NODE)}
    return Workflow(graph, f"{count} parameters", schemas={"Many": schema})


def opened(made, *, unfold):
    """Open a form, and return how many seconds that took."""
    began = time.monotonic()
    view = FormView(Form(ComfyKit("http://127.0.0.1:9"), made, "many.json"))
    if unfold:
        for group in view._fields.children:
            group.children[0].value = True
    seconds = time.monotonic() - began
    ipywidgets.Widget.close_all()
    return seconds


def main():
    for count in (20, 200, 1000):
        made = workflow(count)
        assert len(made.params) == count
        for unfold in (False, True):
            seconds = [opened(made, unfold=unfold) for _ in range(REPEATS)]
            how = "unfolded" if unfold else "folded"
            print(f"{count:5} parameters, {how:8}: {1000 * statistics.median(seconds):6.0f} ms")


if __name__ == "__main__":
    main()
