"""What stays of a finding when its numbers change: by that a baseline, SARIF and GitLab know it again."""

import re

from tunedoctor.diagnosis.redaction import redact_text, this_identity

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?: [KMGT]?i?B\b)?")
"""With the unit of a size: 900 MiB become 1.1 GiB."""


def fingerprint(id_: str, found: str) -> str:
    """Return 32 hexadecimal digits of the id and of what was found, numbers left out: sizes and versions change."""
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and most reports need none

    # as it is shared: the same on every machine, and of text that is redacted already
    text = f"{id_}\n{_NUMBER.sub('0', redact_text(found, this_identity(shared=True)))}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
