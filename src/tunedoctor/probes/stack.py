"""The distributions that a fine-tune stands on, and the module that each of them brings."""

from tunedoctor.tables.load import table

STACK: dict[str, str] = table("probes")["stack"]
