"""One control for each kind of field, made of ipywidgets, and of our own where it has none."""
