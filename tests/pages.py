"""Workflows as the editor saves them, in a few words, the nodes that these need, and the place of real ones.

Real ones are in the folder that COMFYUI_UI2API names, else in shared/facts/ui2api beside this repository.
"""

import os
from pathlib import Path

from comfy_notebook.workflow.editor import class_types, convert, read_document
from comfy_notebook.workflow.schema import read_node

FOLDER = Path(os.environ.get("COMFYUI_UI2API") or Path(__file__).parents[2] / "shared/facts/ui2api")
NO_FOLDER = "" if (FOLDER / "object_info.json").is_file() else f"no workflows with their conversions in {FOLDER}"
NUMBER = ["INT", {"default": 32, "min": 16, "max": 8192, "step": 8}]
INFO = {
    "Picture": {
        "input": {
            "required": {
                "seed": ["INT", {"default": 0, "control_after_generate": True}],
                "width": NUMBER,
                "height": NUMBER,
            }
        },
        "output": ["IMAGE", "MASK"],
        "display_name": "Make a Picture",
    },
    "Invert": {"input": {"required": {"image": ["IMAGE"]}}, "output": ["IMAGE"]},
    "Batch": {"input": {"required": {"one": ["IMAGE"], "two": ["IMAGE"]}}, "output": ["IMAGE"]},
    "Number": {"input": {"required": {"value": ["INT", {"default": 0}]}}, "output": ["INT"]},
    "Sampler": {
        "input": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", {"default": 0}],
                "steps": ["INT", {"default": 20}],
                "cfg": ["FLOAT", {"default": 8.0, "step": 0.1, "min": 0.0, "max": 100.0}],
                "sampler": [["euler", "ddim"]],
                "denoise": ["FLOAT", {"default": 1.0, "round": False}],
            }
        },
        "output": ["IMAGE"],
    },
    "Text": {
        "input": {"required": {"text": ["STRING", {"dynamicPrompts": True}]}, "optional": {"plain": ["STRING", {}]}},
        "output": ["STRING"],
    },
    "Any": {"input": {"required": {"value": ["*"]}}, "output": ["*"]},
    "SaveImage": {
        "input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "ComfyUI"}]}},
        "output": [],
        "output_node": True,
    },
}
SCHEMAS = {name: read_node(name, info) for name, info in INFO.items()}


def converted(document, **more):
    """Convert a document for a server with INFO's nodes and more."""
    return converted_for(SCHEMAS | {name: read_node(name, info) for name, info in more.items()}, document)


def converted_for(schemas, document):
    """Convert a document for a server with these nodes, and no more of them than are asked for."""
    read = read_document(document)
    return convert(read, {name: schemas.get(name) for name in class_types(read)})


def inputs(document, **more):
    """Return node id → inputs of the converted document."""
    return {node_id: node["inputs"] for node_id, node in converted(document, **more).items()}


def socket(name, kind="IMAGE", origin=None, slot=0, *, widget=False, label=None):
    """Describe an input of a node, and the output that it is linked to."""
    return {"name": name, "type": kind, "origin": origin, "slot": slot, "widget": widget, "label": label}


def control(name, kind="INT", origin=None, slot=0):
    """Describe the socket of a control."""
    return socket(name, kind, origin, slot, widget=True)


def node(number, kind, *values, takes=(), gives=("IMAGE",), **rest):
    """Describe a node; what it takes are sockets, what it gives are types."""
    outputs = [{"name": kind, "type": kind, "links": []} for kind in gives]
    saved = {"id": number, "type": kind, "mode": 0, "inputs": list(takes), "outputs": outputs}
    return saved | ({"widgets_values": list(values)} if values else {}) | rest


def page(*nodes, **rest):
    """Return a document of these nodes, with the links that their sockets speak of."""
    nodes, links = _linked(nodes)
    return {"version": 0.4, "nodes": nodes, "links": [list(link.values()) for link in links]} | rest


def subgraph(name, *nodes, takes=(), gives=()):
    """Return a definition; sockets inside that come from -10 are its inputs, by number.

    ``gives`` are ``(type, node, slot)``.
    """
    nodes, links = _linked(nodes)
    inputs = [{"name": name, "type": kind, "linkIds": []} for name, kind in takes]
    outputs = []
    for number, (kind, origin, slot) in enumerate(gives):
        link_id = 900 + number
        links.append(_link(link_id, (origin, slot), (-20, number), kind))
        outputs.append({"name": kind, "type": kind, "linkIds": [link_id]})
    for link in links:
        if link["origin_id"] == -10:
            inputs[link["origin_slot"]]["linkIds"].append(link["id"])
    return {"id": name, "name": name, "nodes": nodes, "links": links, "inputs": inputs, "outputs": outputs}


def within(*definitions):
    """Return the part of a document that holds definitions."""
    return {"definitions": {"subgraphs": list(definitions)}}


def _linked(nodes):
    """Return nodes whose sockets are as they are saved, and their links."""
    saved, links = [], []
    for described in nodes:
        sockets = []
        for number, slot in enumerate(described["inputs"]):
            link_id = len(links) + 1 if slot["origin"] is not None else None
            if link_id:
                links.append(_link(link_id, (slot["origin"], slot["slot"]), (described["id"], number), slot["type"]))
            plain = {name: slot[name] for name in ("name", "type", "label")} | {"link": link_id}
            sockets.append(plain | ({"widget": {"name": slot["name"]}} if slot["widget"] else {}))
        saved.append(described | {"inputs": sockets})
    return saved, links


def _link(link_id, origin, target, kind):
    ends = zip(("origin_id", "origin_slot", "target_id", "target_slot"), (*origin, *target), strict=True)
    return {"id": link_id, **dict(ends), "type": kind}
