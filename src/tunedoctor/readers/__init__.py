"""Readers of pasted reports: one module for each kind of text, all of which return the same facts as the probes.

They keep the lines that matter of a long log and undo the changes that pasting made. What an error means is decided
in `checks/`, from these facts.
"""
