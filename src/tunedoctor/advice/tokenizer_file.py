"""Find in an error a tokenizer.json that is written in a newer format than the installed tokenizers reads."""

from typing import NamedTuple

from tunedoctor.advice.told import told
from tunedoctor.facts import Errors, Packages, Unknown
from tunedoctor.versions import at_least

_FORMATS = (
    (r"untagged enum ModelWrapper\b", "0.20.0", "4.45.0"),
    (r"untagged enum PyPreTokenizerTypeWrapper\b", "0.19.0", "4.40.0"),
)
"""What an older tokenizers says, and the first tokenizers and transformers that read it: merges written as pairs,
Metaspace without add_prefix_space. Sources: tokenizers pull requests 909 and 1357, huggingface/swift-transformers
pull request 131, transformers issue 31789."""


class TokenizerFile(NamedTuple):
    """Such a file."""

    said: str
    tokenizers: str
    """First release that reads it."""
    transformers: str
    """First release that requires that tokenizers."""
    have: str
    """What is installed: "tokenizers 0.19.1", else "transformers 4.44.2"."""


def tokenizer_file(
    errors: Errors | Unknown | None, packages: Packages | None
) -> TokenizerFile | None:
    """Return what an error and a version prove; None without a version: a file that is damaged gives the same words."""
    library = packages.version("transformers") if packages else ""
    reader = packages.version("tokenizers") if packages else ""
    for words, first, since in _FORMATS:
        old = not at_least(reader, first) if reader else library and not at_least(library, since)
        if old and (said := told(errors, words)):
            have = f"tokenizers {reader}" if reader else f"transformers {library}"
            return TokenizerFile(said, first, since, have)
    return None
