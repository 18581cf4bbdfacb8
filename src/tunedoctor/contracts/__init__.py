"""What libraries require of each other, in their metadata and at import, and which names each release has.

A child process reads the files of installed packages; nothing is imported. Tables hold the same for released
versions, so that a set can be judged before it is installed. Which versions to install is decided in `planning/`.
"""
