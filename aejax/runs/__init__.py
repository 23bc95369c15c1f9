"""Runs: a config trained in a folder, resumed, evaluated, pictured, told of, and loaded again."""

from aejax.runs.loading import Model, load
from aejax.runs.train import train

__all__ = ['Model', 'load', 'train']
