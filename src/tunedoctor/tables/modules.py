"""Which distribution brings a module that code of the stack imports: over modules.json."""

from tunedoctor.tables.load import table


def distribution_of(module: str) -> str:
    """Return the distribution of a module as "a.b" names it; "" for modules that nobody knows here."""
    top = module.partition(".")[0]
    if module == "google" or module.startswith("google.protobuf"):
        return "protobuf"
    if top == "google":
        return ""
    names = table("modules")
    otherwise: str = names["named_otherwise"].get(top, "")
    return otherwise or (top.lower() if top in names["named_alike"] else "")
