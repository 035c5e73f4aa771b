"""The ways to models: one module for each kind of interface, none imported before it is needed."""
