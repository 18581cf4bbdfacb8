"""Advice that several checks share: which library an error text blames, and what holds memory or a lock.

Functions take facts and return findings or parts of them. What only one check needs stays in that check's module.
"""
