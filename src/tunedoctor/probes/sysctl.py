"""Read kernel settings of macOS, without a child."""


def sysctl_text(name: str) -> str | None:
    """Return a setting that is a string; None where there is none of that name."""
    raw = _raw(name)
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace") if raw is not None else None


def sysctl_number(name: str) -> int | None:
    """Return a setting that is a number; None where there is none of that name."""
    raw = _raw(name)
    return int.from_bytes(raw[:8], "little") if raw else None


def _raw(name: str) -> bytes | None:
    import ctypes  # noqa: PLC0415  3 ms that only macOS needs

    ask = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    if ask is None:
        return None
    size = ctypes.c_size_t(1024)
    room = ctypes.create_string_buffer(size.value)
    if ask(name.encode(), room, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return None
    return room.raw[: size.value]
