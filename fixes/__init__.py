"""The fixes, one module per subject: pure functions from a finding and facts to the steps that cure it.

A fix only drafts steps. Versions, files and hashes are filled in by `planning/`, and `transaction/` carries them out.
"""
