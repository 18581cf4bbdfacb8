"""tunedoctor: finds and cures what stops a machine from fine-tuning language models."""

__version__ = "0.1.0"
