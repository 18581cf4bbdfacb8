"""Configurations of other training frameworks: parse them, find their mistakes, and write them."""
