"""Fresh virtual environments, and the printed commands run in them as a user would."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import uv
from typed import Ran, ran

from index.server import Served

_READ = (
    "import importlib, importlib.metadata as m, sys\n"
    "for name in sys.argv[1:]:\n"
    "    try: v = importlib.import_module(name)\n"
    "    except ImportError: print('-', '-', '-')\n"
    "    else: print(v.build, v.origin, m.version(name))\n"
)


class Ground:
    """One virtual environment and the variables that commands get there; a small world of its own."""

    def __init__(self, folder: Path, served: Served, pip: Path) -> None:
        """Make the environment; `pip` is the folder that its pip is taken from."""
        self.folder = folder
        self.home = folder / "home"
        self.venv = folder / "venv"
        self.home.mkdir(parents=True)
        tool = Path(uv.find_uv_bin())
        xdg = {"CONFIG_HOME": ".config", "CONFIG_DIRS": "etc", "CACHE_HOME": ".cache"}
        self.variables = {f"XDG_{name}": str(self.home / place) for name, place in xdg.items()}
        trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
        self.variables |= dict.fromkeys(trust, str(served.authority))
        self.variables |= {"HTTPS_PROXY": served.url, "NO_PROXY": "", "HOME": str(self.home)}
        self.variables |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_PYTHON_DOWNLOADS": "never"}
        self.variables |= {
            "UV_CACHE_DIR": str(folder.parent / "uv-cache"),
            "VIRTUAL_ENV": str(self.venv),
        }
        self.variables["PATH"] = os.pathsep.join([str(self.scripts), str(tool.parent), os.defpath])
        self.uv("venv", "--quiet", "--python", sys.executable, str(self.venv))
        site = next(self.venv.glob("lib/python*/site-packages"), self.venv / "Lib/site-packages")
        (site / "pip.pth").write_text(f"{pip}\n")

    @property
    def scripts(self) -> Path:
        return self.venv / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> str:
        return str(self.scripts / ("python.exe" if os.name == "nt" else "python"))

    def uv(self, *arguments: str) -> None:
        subprocess.run([uv.find_uv_bin(), *arguments], env=self.variables, check=True)

    def run(
        self, command: str, variables: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Ran:
        """Run a printed command; the program is looked up on the environment's PATH, as a shell does."""
        program, *arguments = shlex.split(command)
        found = shutil.which(program, path=self.variables["PATH"])
        assert found, program
        around = {**self.variables, **(variables or {})}
        return ran(found, *arguments, env=around, cwd=cwd or self.folder)

    def run_all(
        self, commands: tuple[str, ...], variables: Mapping[str, str] | None = None
    ) -> None:
        """Run printed commands one after the other; each has to end well."""
        for command in commands:
            done = self.run(command, variables)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def installed(self, *names: str) -> dict[str, tuple[str, str, str]]:
        """Return build, origin and version in the metadata by name; absent ones are left out."""
        argv = [self.python, "-c", _READ, *names]
        done = subprocess.run(argv, env=self.variables, capture_output=True, text=True, check=True)
        lines = [line.split() for line in done.stdout.splitlines()]
        return {n: (b, o, v) for n, (b, o, v) in zip(names, lines, strict=True) if b != "-"}
