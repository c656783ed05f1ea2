"""How long it takes to read, convert and name a workflow of the editor's, by size and by what is in it.

    python tests/benchmarks/conversion.py [--rounds 5]

Aim: 10,000 nodes in less than a second, and ten times the nodes in about ten times the time.
"""

import argparse
import json
import statistics
import time

from comfy_notebook.workflow import sources
from comfy_notebook.workflow.schema import InputSpec, NodeSchema

SIZES = (100, 1_000, 10_000)
NUMBER = InputSpec("number", "INT", default=1, control=True)
SCHEMAS = {
    "Source": NodeSchema("Source", {"number": NUMBER}, outputs=("IMAGE",)),
    "Change": NodeSchema(
        "Change",
        {
            "image": InputSpec("image", "IMAGE"),
            "number": NUMBER,
            "text": InputSpec("text", "STRING", dynamic_prompts=True),
            "mode": InputSpec("mode", "COMBO", choices=("a", "b", "c")),
        },
        outputs=("IMAGE",),
    ),
}
WIDGETS = [("number", "INT"), ("text", "STRING"), ("mode", "COMBO")]


def node(number, kind, link=None, mode=0):
    """Return a node as the page saves it."""
    inputs = [{"name": "image", "type": "IMAGE", "link": link}] if kind != "Source" else []
    if kind == "Change":
        inputs += [{"name": name, "type": kind, "widget": {"name": name}, "link": None} for name, kind in WIDGETS]
    text = "a {red|blue} cat" if number % 10 == 0 else "a cat"
    values = {"Source": [7, "fixed"], "Change": [7, "fixed", text, "b"]}.get(kind)
    return {
        "id": number,
        "type": kind,
        "mode": mode,
        "inputs": inputs,
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": []}],
        "widgets_values": values,
    }


def chain(kinds):
    """Return nodes in a row, each linked to the one before."""
    nodes = [node(1, "Source")]
    links = []
    for number, (kind, mode) in enumerate(kinds, 2):
        links.append([number, number - 1, 0, number, 0, "IMAGE"])
        nodes.append(node(number, kind, number, mode))
    return {"nodes": nodes, "links": links, "version": 0.4}


def flat(size):
    return chain([("Change", 0)] * (size - 1))


def rerouted(size):
    """Half of it reroutes, in rows of a hundred that many nodes end."""
    return chain([("Reroute", 0) if number // 100 % 2 else ("Change", 0) for number in range(size - 1)])


def one_row(size):
    """One row of reroutes from end to end, with a node at each."""
    document = chain([("Reroute", 0)] * (size // 2))
    for number in range(2, size // 2 + 1):
        link = 2 * size + number
        document["links"].append([link, number, 0, size + number, 0, "IMAGE"])
        document["nodes"].append(node(size + number, "Change", link))
    return document


def bypassed(size):
    return chain([("Change", 4 if number % 10 else 0) for number in range(size - 1)])


def subgraphs(size):
    """Instances of one subgraph of ten nodes, in a row."""
    inner = chain([("Change", 0)] * 10)
    inner["nodes"] = inner["nodes"][1:]
    inner["links"] = [
        {"id": link[0], "origin_id": link[1], "origin_slot": 0, "target_id": link[3], "target_slot": 0, "type": "IMAGE"}
        for link in inner["links"]
    ]
    inner["links"][0]["origin_id"] = -10
    last = {"id": 99, "origin_id": 11, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"}
    inner["links"].append(last)
    slot = {"name": "image", "type": "IMAGE"}
    inner |= {"id": "ten", "inputs": [{**slot, "linkIds": [2]}], "outputs": [{**slot, "linkIds": [99]}]}
    return chain([("ten", 0)] * (size // 10)) | {"definitions": {"subgraphs": [inner]}}


KINDS = {
    "flat": flat,
    "half reroutes": rerouted,
    "one row of reroutes": one_row,
    "nine of ten bypassed": bypassed,
    "subgraphs of ten": subgraphs,
}


def seconds(document):
    text = json.dumps(document)
    began = time.perf_counter()
    read = sources.read(text)
    workflow = read.workflow({name: SCHEMAS.get(name) for name in read.class_types})
    assert workflow.params
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'median of ' + str(rounds):<24}" + "".join(f"{size:>10,} nodes" for size in SIZES))
    for name, make in KINDS.items():
        times = [statistics.median(seconds(make(size)) for _ in range(rounds)) * 1000 for size in SIZES]
        print(f"{name:<24}" + "".join(f"{milliseconds:>13.1f} ms" for milliseconds in times))


if __name__ == "__main__":
    main()
