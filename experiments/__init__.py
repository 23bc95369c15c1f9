"""Experiments: configs, and the commands that run, reproduce and time them."""
