"""The parameter form: a workflow's parameters as controls, with its runs and results."""
