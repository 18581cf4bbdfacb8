"""Environment variables that steer the stack."""

import os
from collections.abc import Mapping

from tunedoctor.facts import Environment
from tunedoctor.probes.credentials import SET, is_secret, without_credentials
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

NAMES = frozenset(table("probes")["variables"])
PREFIXES = tuple(table("probes")["variable_prefixes"])
PRESENCE_ONLY = frozenset(table("probes")["presence_only"])


@probe(Environment)
def environment() -> Environment:
    """Take the variables of the allow-list from the doctor's own environment."""
    return select(os.environ)


def select(variables: Mapping[str, str]) -> Environment:
    """Take the variables of the allow-list; of secrets and proxies only "set"."""
    taken: dict[str, str] = {}
    for name in sorted(variables):
        if name.upper() in PRESENCE_ONLY:
            taken[name] = SET
        elif name in NAMES or name.startswith(PREFIXES):
            taken[name] = SET if is_secret(name) else without_credentials(variables[name])
    return Environment(variables=taken)
