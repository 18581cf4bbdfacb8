"""The work of each command, as a typed function that other programs can call: no printing, no questions, no exit.

A file is named after its command. Functions with `@public` are the Python library and the tools of `doctor mcp`.
Messages, questions and progress go to an `Interaction`; input that cannot be used raises `DoctorError`.
"""
