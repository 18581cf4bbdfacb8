"""The checks, one module per subject: pure functions from facts to a finding. Their pages are in `checks/NAME.toml`.

A check imports `tunedoctor.api` and nothing else of tunedoctor. It never reads a file, starts a program or prints.
"""
