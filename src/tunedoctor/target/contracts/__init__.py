"""Names that libraries ask of their neighbours at import and that these define nowhere: files are read, none is run."""
