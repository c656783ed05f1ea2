"""The workflow as a document: where it comes from, its parameters, and the graph that a run sends."""
