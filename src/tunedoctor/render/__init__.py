"""Reports as text: one file per command for the terminal, one in `formats/` per output format.

Functions are pure: result in, text out. Only `screen.py` knows width, encoding and colour. Nothing is judged here.
"""
