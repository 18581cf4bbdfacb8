"""Knowledge as data, each row with source and date, and a small loader for each file.

A new card, driver, release or message is a row here or in `checks/*.toml`, not code.
"""
