"""Literal AI's interface, exactly as its SDKs need it: a room that could be deleted without touching another."""
