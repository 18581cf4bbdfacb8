"""Commands that set and remove environment variables, in the shell that a system starts."""

import shlex

from tunedoctor.facts import Host, Unknown


def set_variable(host: Host | Unknown | None, name: str, value: str) -> str:
    """Return the command that sets a variable: for bash and zsh, on Windows for PowerShell."""
    if isinstance(host, Host) and host.os == "windows":
        return f"$env:{name} = '{value}'"
    return f"export {name}={shlex.quote(value)}"


def unset_variable(host: Host | Unknown | None, name: str) -> str:
    """Return the command that removes a variable."""
    if isinstance(host, Host) and host.os == "windows":
        return f"Remove-Item Env:{name}"
    return f"unset {name}"
