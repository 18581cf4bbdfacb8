"""Estimates of what a fine-tune needs before it starts: memory by term and phase, RAM, disk and time.

Pure functions over tables: a step is a program on a tape of allocations, which follows the libraries' own code. A
tracer in `target/` runs the real classes and verifies it.
"""
