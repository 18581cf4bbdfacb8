"""Commands that install the chosen build into an environment: packages, and commands for pip, uv and Dockerfile.

Settings of pip and uv that would change the result are overridden: tables/installer_settings.json says how.
"""

import re
import shlex
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import InstallerConfig
from tunedoctor.model.findings import quoted
from tunedoctor.model.machine import Machine
from tunedoctor.model.plan import Pin
from tunedoctor.model.versions import parts
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import release_row
from tunedoctor.wheels.pick import Build, Choice
from tunedoctor.wheels.rules import PYTORCH, index_of
from tunedoctor.wheels.situation import family_of

REQUIREMENTS = "requirements-torch.txt"
"""Name of the requirements file."""


class Pins(msgspec.Struct, frozen=True):
    """The packages of one install."""

    packages: tuple[Pin, ...]
    """torch first, then torchvision and torchaudio if they belong to the release; with a label if one is known."""
    index: str
    """URL of the only index to use; "" for the default index."""
    backend: str
    """Value for uv's --torch-backend; "" if uv has none, or if the default index has the build."""
    numpy1: bool
    """The release was built for NumPy 1, and torchvision would install a newer one."""
    triton: str
    """Package that only the build's own index has, which a uv project has to name: triton-rocm; "" for none."""
    replaced: tuple[str, ...]
    """Packages to reinstall: their pin has no label, so another variant of the same version would stay."""
    removed: tuple[str, ...]
    """Packages to remove first: another vendor's Triton, whose files are in the same folder."""
    vendor: tuple[str, ...] = ()
    """Requirements for a vendor's own index, with extras; their dependencies are on that index as well."""
    published_by: str = ""
    """The vendor, for the name of the index: "amd"."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """Requirements as in a requirements file."""
        pins = self.vendor or tuple(pin.requirement for pin in self.packages)
        return (*pins, *(["numpy<2"] if self.numpy1 else []))


def pins_of(choice: Choice, build: Build, machine: Machine, installed: str = "") -> Pins:
    """Return the packages for a build; `installed` is the current torch: "2.14.1+cu130", "2.14.1", or ""."""
    release, row = parts(build.torch_version), release_row(build.torch_version)
    default, linux = choice.index == "PyPI", machine.system == "linux"
    labels = labels_of(build, machine, default=default)
    versions = {"torch": build.torch_version, "torchvision": choice.torchvision}
    # torchaudio ended with 2.11: the one that later releases find there was built for 2.11
    if parts(choice.torchaudio)[:2] == release[:2]:
        versions["torchaudio"] = choice.torchaudio
    pairs = ((name, f"{v}+{labels[name]}".rstrip("+")) for name, v in versions.items() if v)
    packages = tuple(Pin(name=name, version=version) for name, version in pairs)
    installed_release, _, variant = installed.partition("+")
    same = installed_release == build.torch_version and variant != build.variant and not default
    # without a label it came from the default index, which has CUDA builds
    old_triton = _triton(variant or "cu", installed_release) if installed_release and linux else ""
    new_triton = _triton(build.variant, build.torch_version) if linux else ""
    return Pins(
        packages=packages,
        index="" if default else choice.index,
        backend=backend_of(choice.index, build.variant),
        numpy1=row is not None and row.numpy_abi.get(machine.system) == 1,
        triton=new_triton if new_triton != "triton" else "",
        replaced=tuple(pin.name for pin in packages if same and "+" not in pin.version),
        removed=(old_triton,) if old_triton and new_triton and old_triton != new_triton else (),
    )


def _pins(choice: Choice, machine: Machine, installed: str = "") -> Pins | None:
    """Return the packages of a choice: of its build, or of the vendor's own one; None if it has neither."""
    if choice.build is not None:
        return pins_of(choice, choice.build, machine, installed)
    own = choice.vendor
    if own is None:
        return None
    pairs = (requirement.partition("==") for requirement in own.requirements)
    packages = tuple(Pin(name=name.partition("[")[0], version=v) for name, _, v in pairs)
    return Pins(
        packages=packages,
        index=own.index,
        backend="",
        numpy1=False,
        triton="",
        replaced=(),
        removed=(),
        vendor=own.requirements,
        published_by=own.vendor.lower(),
    )


def backend_of(index: str, variant: str) -> str:
    """Return the value of uv's --torch-backend for a variant; "" if uv has none, or for a mirror of the index."""
    has_backend = variant in table("installer_settings")["uv_backends"]
    return variant if has_backend and index.startswith(PYTORCH) else ""


def labels_of(build: Build, machine: Machine, *, default: bool) -> dict[str, str]:
    """Return torch, torchvision, torchaudio -> the local label of their files; `default`: from the default index.

    Files without a label: all of macOS; for aarch64 torch before 2.6 (cu124, cpu), and companions of torch before 2.11
    (on the index, torchvision 0.24.1 and torchaudio 2.9.1 had none, those of 2.11 had one).
    """
    family, release = family_of(machine), parts(build.torch_version)
    row, arm = release_row(build.torch_version), family == "linux_aarch64"
    bare = default or family.startswith("macos") or (arm and release < (2, 6))
    torch = "" if bare else build.variant
    companion = "" if arm and release < (2, 11) else torch
    sure = row is None or "torchvision_pair" not in row.unverified
    return {"torch": torch, "torchvision": companion if sure else "", "torchaudio": companion}


def _triton(variant: str, release: str) -> str:
    """Return the Triton package for a build, whose name differs up to 2.9 for ROCm and XPU; "" for none."""
    if variant.startswith("cu"):
        return "triton"
    kind = "rocm" if variant.startswith("rocm") else variant
    if kind not in ("rocm", "xpu"):
        return ""
    return f"triton-{kind}" if parts(release) >= (2, 10) else f"pytorch-triton-{kind}"


def pip_of(python: str, *, windows: bool, prefix: str = "") -> str:
    """Return how to start the target's pip; `prefix`: words for a POSIX shell, with a trailing space."""
    path = _shell_path(python or "python", windows=windows)
    if windows and path.startswith('"'):
        # a quoted program is a string in PowerShell, and its & is an error in cmd; both accept this option
        return f"python -m pip --python {path}"
    return f"{prefix}{path} -m pip"


def _shell_path(path: str, *, windows: bool) -> str:
    if not windows:
        return shlex.quote(path)
    return path if re.fullmatch(r"[\w.:\\/~-]+", path) else f'"{path}"'


class WheelCommands(msgspec.Struct, frozen=True):
    """Install commands for each tool; all of them install the same build."""

    pip: tuple[str, ...]
    """Commands to run one after the other; more than one only if pip can't do it in one."""
    uv_pip: tuple[str, ...]
    uv_project: str
    """Block for the pyproject.toml of a uv project; its last line is a comment with the command to run."""
    dockerfile: str
    """Lines of a Dockerfile: ENV if the build needs variables, then RUN."""
    requirements: str
    """A requirements file for pip and uv; its first lines are comments with the commands."""


class Steer(msgspec.Struct, frozen=True):
    """A setting of pip or uv that affects which files are installed."""

    setting: str
    """pip.extra-index-url, uv.torch-backend ..."""
    value: str
    place: str
    """The file or variable that sets it."""
    does: str
    """Its effect on the choice, as one sentence without a full stop."""
    withstood: bool
    """The command from `commands_of` gives the chosen build in spite of this setting."""
    cure: str = ""
    """How the command overrides it, or what to undo if it can't; "" if the setting does no harm."""

    @property
    def tool(self) -> str:
        """The tool it belongs to: pip or uv."""
        return self.setting.partition(".")[0]

    @property
    def variable(self) -> bool:
        """Return whether it is set by a variable, not a file."""
        return self.place.startswith(("PIP_", "UV_"))


def commands_of(
    choice: Choice,
    machine: Machine,
    *,
    installed: str = "",
    python: str = "",
    config: InstallerConfig | None = None,
) -> WheelCommands | None:
    """Return the commands for the build of a choice; None if it has none.

    `installed` is the current torch ("2.14.1+cu130"), `python` the path of the target's interpreter ("": the one
    in the activated environment or on PATH), `config` the settings to override. Each line is for a POSIX
    shell, on Windows for both PowerShell and cmd.
    """
    pins, windows = _pins(choice, machine, installed), machine.platform == "windows"
    if pins is None:
        return None
    steers = _steers(config, pins, python, windows=windows) if config else []
    (pip_prefix, pip_words), (uv_prefix, uv_words) = (
        _shield(steers, tool, windows=windows) for tool in ("pip", "uv")
    )
    requirements = " ".join(map(quoted, pins.requirements))
    target_option = f" --python {_shell_path(python, windows=windows)}" if python else ""
    pip, uv = pip_of(python, windows=windows, prefix=pip_prefix), f"{uv_prefix}uv pip"
    index = [f"--index-url {pins.index}"] if pins.index else []
    # not --index-url, which UV_DEFAULT_INDEX overrides; a backend overrides UV_INDEX and uv.toml
    index_options = [f"--index {pins.index}"] if pins.index else []
    index_options = [f"--torch-backend={pins.backend}"] if pins.backend else index_options
    reinstall_options = [f"--reinstall-package {name}" for name in pins.replaced]
    # first conflicting packages are removed, and those are reinstalled that pip would leave unchanged
    pip_first = [f"{pip} uninstall -y {' '.join(pins.removed)}"] if pins.removed else []
    if pins.replaced:
        reinstalled = [pin.requirement for pin in pins.packages if pin.name in pins.replaced]
        words = ["install --force-reinstall --no-deps", *reinstalled, *index, *pip_words]
        pip_first.append(" ".join([pip, *words]))
    removal = [f"{uv} uninstall{target_option}", *pins.removed, *uv_words]
    uv_first = [" ".join(removal)] if pins.removed else []

    def pip_install(*words: str) -> str:
        return " ".join([pip, "install", *words, *pip_words])

    def uv_install(*words: str) -> str:
        return " ".join(
            [f"{uv} install{target_option}", *words, *reinstall_options, *index_options, *uv_words]
        )

    # an image is Linux on every system: on a Mac it gets the CPU build of that release
    image = [f"--index-url {index_of('cpu')}"] if machine.platform == "macos" else index
    variables = [f"ENV {name}={value}" for name, value in sorted(choice.environment.items())]
    run = " ".join(["RUN python -m pip install --no-cache-dir", requirements, *image])
    # pip ignores other indexes if the file has --index-url; uv does not, so it gets the backend
    from_file = pip_install("-r", REQUIREMENTS), *uv_first, uv_install("-r", REQUIREMENTS)
    runs = [f"# {run}" for run in (*pip_first, *from_file)]
    return WheelCommands(
        pip=(*pip_first, pip_install(requirements, *index)),
        uv_pip=(*uv_first, uv_install(requirements)),
        uv_project=_uv_project(pins, f"{uv_prefix}uv add", [*reinstall_options, *uv_words]),
        dockerfile="\n".join([*variables, run, ""]),
        requirements="\n".join([*runs, *index, *pins.requirements, ""]),
    )


def _uv_project(pins: Pins, add: str, more: list[str]) -> str:
    """Return the TOML block; its last line is a comment with the command to run.

    The index is explicit: otherwise it would be used for everything that it mirrors. Triton for ROCm and XPU is on no
    other index, and sources only apply to packages that the project names, so it is named.
    """
    triton = [pins.triton] if pins.triton else []
    # --no-config does not disable the block itself
    run = " ".join([f"# {add}", *map(quoted, [*pins.requirements, *triton]), *more])
    if not pins.index:
        return f"{run}\n"
    if pins.vendor:
        # not explicit: torch's requirements, such as ROCm and Triton, come from this index too
        index = [f'name = "torch-{pins.published_by}"', f'url = "{pins.index}"']
        return "\n".join(["[[tool.uv.index]]", *index, "", run, ""])
    label = "pytorch-" + pins.index.rpartition("/")[2].replace(".", "-")
    names = [*(pin.name for pin in pins.packages), *triton]
    return "\n".join([*uv_index(label, pins.index, names), "", run, ""])


def uv_index(label: str, url: str, names: Iterable[str]) -> list[str]:
    """Return the pyproject.toml lines with which uv takes these packages from an index, and nothing else."""
    sources = [f'{name} = {{ index = "{label}" }}' for name in names]
    index = [f'name = "{label}"', f'url = "{url}"', "explicit = true", ""]
    return ["[[tool.uv.index]]", *index, "[tool.uv.sources]", *sources]


def steering(
    config: InstallerConfig, choice: Choice, machine: Machine, *, python: str = ""
) -> tuple[Steer, ...]:
    """Return the settings that affect the choice: those not overridden first, then overridden, then harmless ones."""
    pins = _pins(choice, machine)
    if pins is None:
        return ()
    windows = machine.platform == "windows"
    steers = _steers(config, pins, python, windows=windows)
    return tuple(sorted(steers, key=lambda steer: (steer.withstood, not steer.cure)))


def _steers(config: InstallerConfig, pins: Pins, python: str, *, windows: bool) -> list[Steer]:
    switches = table("installer_settings")["switches"]
    result: list[Steer] = []
    for name, value in config.settings.items():
        place, option = config.places.get(name, ""), name.partition(".")[2]
        if value.lower() in switches["off"] and option in switches["names"]:
            continue
        does, harms = _effect(name, value, place, pins, python)
        steer = Steer(name, value, place, does, withstood=True)
        if harms:
            # without `env`, pip is isolated and then ignores only the user's own file
            own_file = steer.variable or "appdata" in place.lower()
            pip_holds = own_file and option not in ("python", "unreadable")
            overridden = not windows or (pip_holds if steer.tool == "pip" else not steer.variable)
            steer = replace(
                steer,
                withstood=overridden,
                cure=_cure(steer, overridden=overridden, windows=windows),
            )
        result += [steer] if does else []
    return result


def _effect(name: str, value: str, place: str, pins: Pins, python: str) -> tuple[str, bool]:
    rows = table("installer_settings")
    own = pins.index and (name != "uv.torch-backend" or pins.backend)
    row = rows["always"].get(name) or rows["own_index" if own else "default_index"].get(name)
    if name in rows["files"]:
        row = None if place.startswith("UV_") else rows["files"][name]
    package_words = {":all:", "true", "1", *(pin.name for pin in pins.packages)}
    requested = package_words & {*value.lower().replace(",", " ").split()}
    if row is None or (name.endswith(".no-binary") and not requested):
        return "", False
    labelled = all("+" in pin.version for pin in pins.packages)
    of_pytorch = "download.pytorch.org" in value
    conditions = {
        "pytorch_index": of_pytorch,
        "unless_labelled": not labelled,
        "unless_named": not python,
    }
    harms = conditions.get(row["harms"], row["harms"])
    ending = "; the command names its own" if python else ""
    return row["does"].format(value=value, backend=pins.backend, named=ending), bool(harms)


def _cure(steer: Steer, *, overridden: bool, windows: bool) -> str:
    option, place, pip = steer.setting.partition(".")[2], steer.place, steer.tool == "pip"
    if not overridden:
        if steer.variable:
            return f"remove the variable {place} before the command"
        return f"repair {place}" if option == "unreadable" else f"remove {option} from {place}"
    if pip and windows:
        return "the command uses --isolated: pip ignores its variables (certificates, proxies too) and your pip.ini"
    files = "pip's configuration files" if pip else "configuration files"
    return f"the command ignores {place if steer.variable else files}"


def _shield(steers: Iterable[Steer], tool: str, *, windows: bool) -> tuple[str, tuple[str, ...]]:
    """Return words before a command, and options, that override harmful settings; Windows shells have no `env`."""
    harms = [steer for steer in steers if steer.cure and steer.tool == tool]
    files = any(not harm.variable for harm in harms)
    options = ("--no-config",) if tool == "uv" and files else ()
    if windows:
        isolated = tool == "pip" and any(harm.withstood for harm in harms)
        return "", ("--isolated",) if isolated else options
    names = dict.fromkeys(harm.place for harm in harms if harm.variable)
    words = [f"-u {shlex.quote(name)}" for name in names]
    words += ["PIP_CONFIG_FILE=/dev/null"] if tool == "pip" and files else []
    return " ".join(["env", *words, ""]) if words else "", options
