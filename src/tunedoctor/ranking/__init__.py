"""Likelihoods of causes from the words of a report, learned from labelled reports. They suspect and never prove.

`weigh.py` alone decides how they count, and `similar.py` finds solved reports that are most like a text. Rules that
prove a cause are rows of `messages/`.
"""
