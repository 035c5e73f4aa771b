"""Generations: a self-hosted record of every call to a language model."""

__version__ = "0.1.0"
