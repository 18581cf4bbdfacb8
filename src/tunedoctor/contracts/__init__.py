"""What libraries ask of each other at import: read off their files, remembered, and known for releases."""
