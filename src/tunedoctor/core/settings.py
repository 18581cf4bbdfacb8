"""The settings in effect, and where each comes from."""

from typing import Any, Literal

import msgspec

from tunedoctor.core.criteria import Criteria
from tunedoctor.tables.config import Config, Settings, mirrors


class EffectiveSetting(msgspec.Struct, frozen=True):
    """A setting in effect."""

    name: str
    value: Any
    source: str
    """The file or the variable; "default"."""


class EffectiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor config --format json` prints."""

    schema: Literal["doctor.config/1"] = "doctor.config/1"
    file: str = ""
    """The file with the settings; "" if there is none."""
    settings: tuple[EffectiveSetting, ...] = ()


def effective_settings(settings: Settings, criteria: Criteria) -> EffectiveSettings:
    """Return each setting with its source: those of a file, mirrors, and the entries of the policy.

    `criteria`: made of `settings`.
    """
    values = msgspec.to_builtins(settings.config)
    names = [field for field in Config.__struct_fields__ if field not in ("mirrors", "policy")]
    places = {name: settings.file if name in settings.given else "default" for name in names}
    for name in ("fail_on", "unknown"):  # strict = true changes both
        if values[name] != getattr(criteria, name):
            values[name], places[name] = getattr(criteria, name), "strict"
    effective = [
        EffectiveSetting(name.replace("_", "-"), values[name], places[name]) for name in names
    ]
    urls = [(str(name), url, settings.file) for name, url in settings.config.mirrors.items()]
    urls += [(name, mirror.url, mirror.place) for name, mirror in mirrors().items()]
    effective += [EffectiveSetting(f"mirrors.{name}", url, place) for name, url, place in urls]
    effective += [EffectiveSetting(rule.id, rule.text, settings.file) for rule in settings.rules]
    return EffectiveSettings(file=settings.file, settings=tuple(effective))
