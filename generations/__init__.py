"""Generations: a self-hosted record of every call to a language model."""
