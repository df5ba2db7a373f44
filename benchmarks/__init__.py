"""BENCHMARKS: the project beside the shortest honest way to the same numbers, in one run, on the same files.

`floor.sql` is that way; `run.py` is the command. Nothing here is shipped, and no room imports it.
"""
