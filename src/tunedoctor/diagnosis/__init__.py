"""From a snapshot to the report: run the checks, put causes above symptoms, choose fixes, redact, compare machines.

All output is made from the report. Checks themselves are in `checks/`, and texts for a screen in `render/`.
"""
