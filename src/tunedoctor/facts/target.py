"""Facts about the target: its interpreter, its packages, its PyTorch build, what libraries ask of each other."""

from typing import Literal

from tunedoctor.facts.base import Count, Fact, Part

ONLY = "the only environment found"
MOST_NAMED = 5
"""Environments that are named where several could be meant."""
PROJECTS = "the project's environment"
OWN = "doctor's own environment, the only one here"
"""On Colab, in containers and in conda's base, doctor is installed into the environment that trains."""
DECLARED = "--project"
"""No environment: what a project declares is judged as if it were installed."""
FOUND = (ONLY, PROJECTS, OWN)
"""Reasons for choosing a target that is elsewhere and that the user did not name."""

NO_ENVIRONMENT = "no environment was looked at"
"""The reason why facts of a target are absent if no target was chosen."""
NOT_RUN = "nothing of the target was run: doctor check --deep does"
"""The reason why facts that need running packages are absent."""
Accelerator = Literal["cuda", "rocm", "xpu", "mps", "cpu", "unknown"]
PrefixKind = Literal["venv", "conda", "system", "standalone", "unknown"]


class Nearby(Part, frozen=True):
    """An environment that could be the target."""

    path: str
    python: str = ""
    """Python release; "" if the files do not show it."""
    torch: str = ""
    """torch release; "" if torch is not installed."""

    @property
    def holds(self) -> str:
        """Return it in words: "Python 3.12.3, torch 2.9.1"."""
        torch = f"torch {self.torch}" if self.torch else "no torch"
        return f"Python {self.python or 'unknown'}, {torch}"


def makes(own: str) -> str:
    """Return the command that creates an environment here, next to doctor's own."""
    is_taken = own.replace("\\", "/").rpartition("/")[2] == ".venv"
    return f"doctor fix --new {'.venv-llm' if is_taken else '.venv'}"


class Target(Fact, frozen=True):
    """The target interpreter, and how it was chosen. The first fact of every live snapshot."""

    asked: str
    """Path as given or found: an interpreter or the folder of an environment."""
    chosen_by: str
    """"--target", "--self", "--system", "[tool.doctor] target", "VIRTUAL_ENV", "CONDA_PREFIX",
    "./.venv" (or its other name there).

    One of `FOUND`: doctor found it elsewhere.
    "--new": a new environment is created with it. "none": no target was chosen, and only the machine is examined.
    """
    python: str = ""
    """The interpreter's path; "" if none was found."""
    problem: str = ""
    start: bool = False
    """doctor may start the interpreter; otherwise it only reads files."""
    read: bool = False
    """doctor may also read the files of the libraries, which takes seconds."""
    anew: bool = False
    """Ignore remembered results of earlier looks, because files can be edited without a trace."""
    nearby: tuple[Nearby, ...] = ()
    """If several environments are possible: these, of which `MOST_NAMED` are shown and one more stands for the rest."""
    own: str = ""
    """If none was chosen: doctor's own environment, if it is one of those that were found."""


class Interpreter(Fact, frozen=True):
    """The target interpreter, as it would describe itself under -I -S."""

    executable: str
    version: str
    """"3.12.7", with the suffix of a pre-release: "3.15.0rc1"."""
    implementation: str = "cpython"
    bits: int = 64
    free_threaded: bool = False
    platform: str = ""
    """sysconfig's platform: linux-x86_64, win-amd64, macosx-14.0-arm64."""
    machine: str = ""
    """Architecture that the interpreter was built for: x86_64, aarch64, arm64, amd64, i686."""
    soabi: str = ""
    prefix: str = ""
    base_prefix: str = ""
    kind: PrefixKind = "unknown"
    externally_managed: bool = False
    """PEP 668: the system forbids pip here."""
    system_site: bool = False
    """A venv that also sees the packages of its base interpreter."""
    stdlib: str = ""
    path: tuple[str, ...] = ()
    """Folders and archives on sys.path in the order of search, as a plain start would have them."""
    site_packages: tuple[str, ...] = ()
    user_site: str = ""
    """The user's own site-packages, whether or not it exists."""
    user_site_on: bool = False
    """It exists and is on the path."""
    unread_pth: str = ""
    """A .pth file that is no UTF-8: Python stops at it where that is the encoding of the locale."""
    may_end: str = ""
    """A file that Python runs at its start, in which a word stands that ends Python: sitecustomize.py, a .pth file …"""
    pythonpath: tuple[str, ...] = ()
    include: str = ""
    """Folder of Python.h."""
    headers: bool | None = None
    pip: bool | None = None
    """pip is there: uv makes environments without it."""


class Distribution(Part, frozen=True, cache_hash=True):
    """One installed distribution, from its METADATA headers."""

    name: str
    """Normalised as PEP 503 has it: huggingface-hub."""
    version: str
    """Empty where the metadata state none."""
    location: str = ""
    metadata: str = ""
    """Name of its .dist-info or .egg-info folder."""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written, with those of extras that an installed distribution asks for."""
    requires_python: str = ""
    editable: bool = False
    installer: str = ""
    """pip, uv, conda …"""


class BrokenDistribution(Part, frozen=True):
    """A distribution that is incomplete."""

    name: str
    problem: Literal[
        "no metadata", "damaged metadata", "no version", "files missing", "code missing", "code replaced",
        "another Python", "leftover", "doubled",
    ]  # fmt: skip
    """no metadata: the code is there, its .dist-info is not, or has no METADATA file. leftover: a ~ folder.
    doubled: two versions in one folder. code missing: metadata is there, the package folder is not.
    another Python: its extensions are built for that one.
    damaged metadata: a field can't be read, or is longer than any."""
    detail: str = ""
    """Files or folders that show it."""
    location: str = ""


class PackageCopy(Part, frozen=True):
    """A further copy of a distribution, lower on the path than the one that wins."""

    name: str
    version: str
    location: str
    hidden_by: str
    """Location of the copy that wins."""
    winner_version: str = ""


class InMemory(Part, frozen=True):
    """A library as a running Python of a report has it, of another version than a list of packages there."""

    name: str
    version: str
    installed: str
    """What pip or conda tells."""
    file: str = ""
    """What `__file__` said, where it was asked."""
    notebook: bool = False
    """Said by the kernel of a notebook, which lives on; else by a process started for it."""


class CondaPrefix(Part, frozen=True):
    """Which tool keeps a conda prefix, and what its user pinned."""

    tool: Literal["conda", "mamba", "micromamba", "pixi"] = "conda"
    manifest: str = ""
    """pixi's file for the prefix."""
    environment: str = ""
    """pixi's name of it."""
    pins: tuple[str, ...] = ()
    """Lines of conda-meta/pinned: "numpy 1.26.*"."""


class MissingImport(Part, frozen=True):
    """A requirement that is not installed, and where the source of its owner imports it."""

    owner: str
    """Normalised name of the distribution that requires it."""
    name: str
    """Normalised name of the requirement."""
    file: str = ""
    """The file that imports it; "" if no import of the owner reaches one that does."""
    line: Count = 0


class LockDifference(Part, frozen=True):
    """A package whose installed version differs from the one in the project's lock."""

    name: str
    installed: str
    locked: tuple[str, ...]
    """One version, or several for several platforms or Pythons."""


class ProjectLock(Part, frozen=True):
    """The lock file of the project whose environment this is."""

    folder: str
    file: str
    """Its name: uv.lock, poetry.lock or pdm.lock."""
    manager: str
    """The tool that writes it: uv, poetry or pdm."""
    sync: str
    """The command that installs what it holds: "uv sync"."""
    differing: tuple[LockDifference, ...] = ()
    """Packages that are installed in another version, by name."""


class Packages(Fact, frozen=True):
    """Everything installed that the target's plain sys.path reaches."""

    distributions: tuple[Distribution, ...]
    """The copy that wins on the path, for each name."""
    broken: tuple[BrokenDistribution, ...] = ()
    copies: tuple[PackageCopy, ...] = ()
    conda: dict[str, str] = {}
    """conda packages, name -> "version build"."""
    prefix: CondaPrefix | None = None
    in_memory: tuple[InMemory, ...] = ()
    missing_imports: tuple[MissingImport, ...] = ()
    """A row for each requirement that is missing; none if the sources were not read."""
    lock: ProjectLock | None = None
    """None if the environment belongs to no project with a lock."""
    complete: bool = True
    """False where only some were told, as in a report: what is not named can still be installed."""

    def get(self, name: str) -> Distribution | None:
        """Return the distribution of that normalised name, if installed."""
        return next((d for d in self.distributions if d.name == name), None)

    def version(self, name: str) -> str:
        """Return the version of a distribution, or "" if it is not installed."""
        distribution = self.get(name)
        return distribution.version if distribution else ""


class TorchBuild(Fact, frozen=True):
    """PyTorch in the target. Absent: not installed."""

    version: str
    """With the local label: "2.9.1+cu130"."""
    cuda: str = ""
    """CUDA release of the build: "13.0"; empty for none."""
    hip: str = ""
    """HIP release of a ROCm build: "6.3.42131"."""
    xpu: str = ""
    accelerator: Accelerator = "unknown"
    variant: str = ""
    """Name of the wheel variant: cu126, rocm6.3, xpu, cpu; empty where not known."""
    location: str = ""
    archs: tuple[str, ...] = ()
    """Compiled architectures: sm_80 …, compute_120 for PTX, or gfx names. Empty: not known."""
    archs_source: str = ""
    """"library" (flag string of the binary), "torch" (asked at run time), "table", "report"."""
    conda: bool = False

    @property
    def described(self) -> str:
        """Return "torch 2.9.1"; without a release "this torch"."""
        return f"torch {self.version}" if self.version else "this torch"

    @property
    def file(self) -> str:
        """Return the file that states the release; "" where its folder is not known."""
        return f"{self.location}/version.py" if self.location else ""


class CudaWheel(Part, frozen=True):
    """An nvidia-* runtime wheel in the target."""

    name: str
    version: str
    cuda_major: int = 0
    """From the name (nvidia-cudnn-cu12) or the version of an unsuffixed name; 0 where not told."""


class CudaWheels(Fact, frozen=True):
    """NVIDIA runtime libraries that came as wheels. Absent: none."""

    wheels: tuple[CudaWheel, ...]


class Shadow(Part, frozen=True):
    """A file or folder that hides a library or a standard module from imports."""

    module: str
    path: str
    hides: str
    """What would have been imported: the distribution's or the stdlib's place."""
    where: Literal["work", "pythonpath", "path"]
    """Found in the working folder, by PYTHONPATH, or elsewhere ahead on sys.path."""


class Shadows(Fact, frozen=True):
    """All Shadows found for the modules that the stack imports."""

    shadows: tuple[Shadow, ...]


class Launcher(Part, frozen=True):
    """A command of the stack on PATH and the interpreter that it starts."""

    name: str
    """pip, python, torchrun, accelerate …"""
    path: str
    interpreter: str = ""
    """From its first line; empty where it is no script."""
    in_target: bool = True


class Launchers(Fact, frozen=True):
    """The programs that the shell would start."""

    launchers: tuple[Launcher, ...]


class LibraryShadow(Part, frozen=True):
    """A shared library that LD_LIBRARY_PATH puts before the wheel's own."""

    library: str
    """libcudnn, libnvJitLink, libcublas, libcublasLt, libnccl, libcudart, libcuda, libstdc++ …"""
    path: str
    """The file that wins, links resolved."""
    version: str = ""
    own: str = ""
    """The wheel's file, links resolved."""
    own_version: str = ""


class LibraryPath(Fact, frozen=True):
    """Libraries that the loader's search path puts first. Absent: no relevant variable is set."""

    shadows: tuple[LibraryShadow, ...]
    folders: tuple[str, ...] = ()


class Environment(Fact, frozen=True):
    """Variables that steer the stack, from an allow-list of names."""

    variables: dict[str, str]
    more: tuple[str, ...] = ()
    """Names that were looked for besides the list: those of a policy."""

    def get(self, name: str) -> str | None:
        """Return the value, or None if the variable is not set."""
        return self.variables.get(name)


class InstallerConfig(Fact, frozen=True):
    """pip and uv settings that steer which files an install takes, as name -> value."""

    settings: dict[str, str]
    """pip.index-url, pip.constraint, uv.torch-backend …; pip.unreadable where pip would stop at it."""
    places: dict[str, str] = {}
    """The file or the variable that states each of them."""


class Compilers(Fact, frozen=True):
    """Compilers on PATH; "" for each that is missing."""

    cc: str | None = ""
    """None where a report does not tell; so for cxx."""
    cxx: str | None = ""
    nvcc: str = ""
    nvcc_version: str = ""
    """CUDA release of nvcc: "12.4"."""


class BrokenContract(Part, frozen=True):
    """One thing that a library asks of a neighbour at import, and that the neighbour certainly lacks."""

    library: str
    """Normalised name of the distribution that asks."""
    kind: Literal["name", "module", "missing", "keyword", "unreadable"]
    """name: the module lacks it. module: a part of a package is gone. missing: no such package is there.

    unreadable: a file of the library itself is none that Python can run; `name` is the error.
    keyword: a call passes what the function or class does not take; the import goes well, the call does not.
    """
    module: str
    """What is asked, as imports name it: "transformers.models.auto"; of kind keyword what is called."""
    name: str = ""
    """Of kind name and keyword."""
    neighbour: str = ""
    """Normalised name of the distribution that is asked; "" where none is installed."""
    file: str = ""
    """Where it is asked, below the folder of the path: "trl/core.py"."""
    line: Count = 0
    led_by: str = ""
    """Normalised name of the distribution whose import runs that of `library`; "" where nothing else is known to."""
    within: str = ""
    """The function that calls, of kind keyword: "Trainer.create_accelerator_and_postprocess"."""
    command: str = ""
    """The command of a library that alone reaches the import: "tensorboard"; "" if importing the library does."""


class DamagedFile(Part, frozen=True):
    """A file of a distribution that is not the one it installed, so that it says nothing about the library's names."""

    distribution: str
    """Normalised name."""
    file: str
    """Below the folder of the path: "torch/__init__.py"."""
    dependents: tuple[str, ...] = ()
    """Distributions that import names which the damaged package lacks."""
    names: tuple[str, ...] = ()
    """What they import."""
    error: str = ""
    """Why Python cannot run the file: "SyntaxError: invalid syntax"; "" if it can."""


class ImportContracts(Fact, frozen=True):
    """Import contracts that the target's libraries break, from reading their files. Absent: the files were not read."""

    broken: tuple[BrokenContract, ...] = ()
    damaged: tuple[DamagedFile, ...] = ()
    """Whole packages are left out of `broken` if one of their files is listed here."""
    asked: Count = 0
    """Names and modules that were asked for."""
    libraries: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    """Those that were not read to the end."""
