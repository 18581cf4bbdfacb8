"""What error texts mean, as rows: literal text with typed, bounded slots, matched in linear time.

A row is certain for one cause, or shared by several and then a feature of the ranker. Rows stand in `checks/*.toml`;
the readers that take facts from a text are in `readers/`.
"""
