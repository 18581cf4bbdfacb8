"""The Intel GPU cannot be used by the XPU build: driver or permission is missing.

What it means
    An XPU build reaches the GPU through Level Zero (libze_loader and libze_intel_gpu) and the render node of the
    card. Where one is missing, too old, or closed for this user, torch.xpu counts no device.

How it is found
    The loader in the system's folders, the render nodes opened for reading and writing; else torch's own warning.

Cures
    Install Intel's compute runtime, or join the group render.

When to ignore it
    Where another GPU trains.

Seen as
    Failed to initialize XPU devices
    No XPU devices are available
    PyTorch was compiled without XPU support
"""

from tunedoctor.api import (
    Errors,
    Finding,
    Host,
    IntelGpu,
    Runtime,
    TorchBuild,
    Unknown,
    advise,
    check,
    known,
    listed,
    tell,
    told,
)

ONEAPI = r"libmkl_sycl(?:_\w{2,20})?\.so[.\d]{0,4}: cannot open shared object"
"""oneMKL for SYCL, which Intel's builds before the +xpu wheels take from an installed oneAPI."""
SYCL_NAME = r"undefined symbol: _ZNK?(?:4sycl3_V\d|2cl(?:10__host_std|4sycl))\w+"
"""A name of the SYCL runtime, which libsycl of another oneAPI release lacks."""
SAID = (
    r"Failed to initialize XPU devices",
    r"No XPU devices are available",
    r"(?:XPU|DPCPP) [Dd]evice count is zero",
    r"No device of requested type",
    r"ZE_RESULT_ERROR_(?!OUT_OF)\w{3,40}",
    r"add devices across platforms to a single context",
    r"libOpenCL\.so\.1: cannot open shared object",
    ONEAPI,
    r"XPU device count is zero",
    r"libze_intel_gpu\.so[.\d]*: cannot open shared object",
    r"UR_RESULT_ERROR_(?!OUT_OF)\w+",
    r"version `LIB(?:UR|SYCL|ZE)_\w+[\d.]+' not found",
    r"libur_adapter_level_zero\S* with error: (?!libur_adapter_level_zero\S+: cannot open)[^\n]{5,}",
    r"lib(?:ur_loader|sycl|ze_loader|pi_level_zero)\.so[.\d]*: (?:cannot open shared object|undefined symbol)",
    r"Native API (?:failed\. Native API )?returns: (?!-5 )-\d+",
    r"RuntimeError: UR error",
    SYCL_NAME,
)
MEANS = "torch.xpu.is_available() is False, so training runs on the CPU"


@check("xpu-driver", "The Intel GPU driver does not serve PyTorch", explains=["torch-sees-no-gpu"])
def xpu_driver(
    torch: TorchBuild | Unknown | None,
    intel: IntelGpu | Unknown | None,
    host: Host | Unknown | None,
    runtime: Runtime | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Only for an XPU build, unless an error says it."""
    build, gpus, system, run = known(torch), known(intel), known(host), known(runtime)
    said = told(errors, *SAID)
    other = build is not None and build.accelerator not in ("xpu", "unknown")
    if (run is not None and run.gpu_works) or other:
        return None
    mine = (
        build is not None
        and build.accelerator == "xpu"
        and gpus is not None
        and (gpus.level_zero is False or bool(gpus.render_denied))
    )
    if not said and not mine:
        return None
    windows = system is not None and system.os == "windows"
    name = f"torch {build.version}" if build else "an XPU build"
    card = listed(gpus.names) if gpus else "the Intel GPU"
    if gpus is not None and gpus.render_denied:
        return Finding(
            title="This user cannot open the Intel GPU",
            found=f"{name}, {card}; {listed(gpus.render_denied)}: permission denied",
            means=MEANS,
            cure=tell("sudo usermod -a -G render $LOGNAME"),
            cure_note="root; log out and in again afterwards",
            evidence=gpus.render_denied,
        )
    lacks = gpus is not None and gpus.level_zero is False
    if said and not windows and told(errors, ONEAPI):
        return Finding(
            title="The libraries of Intel's oneAPI are not found",
            found=f"{name}; the error '{told(errors, ONEAPI)}'",
            said=told(errors, ONEAPI),
            means="the import of Intel's extension stops; builds before the +xpu wheels bring no MKL and no SYCL",
            cure=tell("source /opt/intel/oneapi/setvars.sh"),
            cure_note="in the shell that starts training; where that file is absent, install the oneAPI release that "
            "the build names, or a torch of 2.5 or newer from https://download.pytorch.org/whl/xpu, which needs none",
        )
    if symbol := told(errors, SYCL_NAME):
        return Finding(
            title="The SYCL runtime is of another oneAPI release",
            found=f"{name}; the error '{symbol}': a name of the SYCL runtime, which the libsycl that is loaded lacks",
            said=symbol,
            means="the import of Intel's extension stops, or torch's own",
            cure=tell("source /opt/intel/oneapi/setvars.sh"),
            cure_note="of the oneAPI release that the build names; or a torch of 2.5 or newer from "
            "https://download.pytorch.org/whl/xpu, which brings its own: then without setvars.sh",
        )
    return Finding(
        found=f"{name}, {card}; "
        + ("the Level Zero loader is not installed" if lacks else f"the error '{said}'"),
        said=said,
        means=MEANS,
        cure=advise("Install Intel's current graphics driver", who="root")
        if windows
        else tell("sudo apt-get install -y libze1 libze-intel-gpu1 intel-opencl-icd"),
        cure_note="administrator; then restart"
        if windows
        else "root; package names of Ubuntu 24.10 and newer. On a mixed machine: "
        "export ONEAPI_DEVICE_SELECTOR=level_zero:gpu",
        settle=""
        if lacks or windows
        else "clinfo -l; ls -l /dev/dri; dpkg -l | grep -E 'libze|intel-opencl'",
        evidence=("libze_loader.so.1",) if lacks else (),
    )
