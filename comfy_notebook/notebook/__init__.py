"""How comfy_notebook looks and feels in IPython and Jupyter."""
