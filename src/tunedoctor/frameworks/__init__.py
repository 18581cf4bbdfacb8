"""Configurations of other training frameworks: parse them, find their mistakes, and write them.

`document.py` turns a file into values with lines; one parser per framework makes a `TrainingPlan` of them. Memory is
estimated in `memory/`, and nothing of a framework is imported.
"""
