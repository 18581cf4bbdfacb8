"""What several checks share: what a build covers, what is unmet, which command cures.

Pure functions over facts; checks reach them by `tunedoctor.api`.
"""
