"""A node with an input of every kind, and a workflow of it."""

from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.schema import read_node

INFO = {
    "Painter": {
        "input": {
            "required": {
                "text": ["STRING", {"multiline": True, "tooltip": "what to paint"}],
                "name": ["STRING", {}],
                "amount": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}],
                "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
                "open": ["INT", {"default": 0}],
                "tiled": ["BOOLEAN", {"default": False, "label_on": "tiles", "label_off": "whole"}],
                "sampler": [["euler", "ddim"]],
                "tags": ["COMBO", {"options": ["a", "b"], "multiselect": True}],
                "seed": ["INT", {"default": 0, "min": 0, "max": 2**64 - 1}],
                "tint": ["INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "display": "color"}],
                "image": [["a.png"], {"image_upload": True}],
                "width": ["INT", {"default": 512, "min": 16, "max": 8192, "step": 16}],
                "height": ["INT", {"default": 512, "min": 16, "max": 8192, "step": 16}],
                "curve": ["CURVE", {}],
            }
        },
        "output_node": True,
    }
}
SCHEMAS = {name: read_node(name, info) for name, info in INFO.items()}
INPUTS = {
    "text": "a lake",
    "name": "lake",
    "amount": 1,
    "steps": 20,
    "open": 5,
    "tiled": True,
    "sampler": "euler",
    "tags": {"__value__": ["a"]},
    "seed": 2**63,
    "tint": 255,
    "image": "a.png",
    "width": 640,
    "height": 512,
    "curve": {"points": [1, 2]},
}


def workflow(schemas=SCHEMAS, title="Painter", **changes):
    node = {"class_type": "Painter", "_meta": {"title": title}, "inputs": INPUTS | changes}
    return Workflow({"1": node}, "painting.json", schemas=schemas)
