"""The user's package sources, and pip and uv as child processes that ask indexes for versions.

Sources are read into one value, which both tools get as environment variables. Nothing is installed here: that is
done in `transaction/`.
"""
