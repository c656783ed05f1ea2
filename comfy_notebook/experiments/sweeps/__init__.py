"""Sweeps: one workflow run for many values, its results side by side under the values that made them."""
