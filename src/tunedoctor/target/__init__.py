"""Scripts that run in the target's interpreter: the deep probe, the trainer, chat and export.

They use the standard library and what they test, run on Python 3.8 and newer, and import nothing of tunedoctor.
"""
