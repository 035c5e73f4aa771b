"""Runs a program of the page, and then further calls in the same process, instrumented as the page says."""

import runpy
import sys

program, *names = sys.argv[1:]
runpy.run_path(program, run_name="__main__")
if names:
    import calls

    calls.make(names)
