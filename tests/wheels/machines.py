"""Machines for property tests: real parts in any combination, and nonsense."""

from hypothesis import strategies as st

from tunedoctor.model.machine import Gpu, Machine

NVIDIA = {
    "3.5": "NVIDIA GeForce GT 710",
    "3.7": "Tesla K80",
    "5.2": "Tesla M40",
    "6.1": "NVIDIA GeForce GTX 1080 Ti",
    "7.0": "Tesla V100-SXM2-32GB",
    "7.5": "Tesla T4",
    "8.0": "NVIDIA A100-SXM4-80GB",
    "8.6": "NVIDIA A40-48Q",
    "8.7": "Orin (nvgpu)",
    "8.9": "NVIDIA GeForce RTX 4090",
    "9.0": "NVIDIA H100 80GB HBM3",
    "10.0": "NVIDIA B200",
    "10.3": "NVIDIA B300 SXM6 AC",
    "11.0": "NVIDIA Thor",
    "12.0": "NVIDIA GeForce RTX 5090",
    "12.1": "NVIDIA GB10",
    "13.0": "NVIDIA of tomorrow",
}
AMD = (
    *("gfx803", "gfx900", "gfx906", "gfx90a", "gfx942", "gfx950", "gfx1010", "gfx1030", "gfx1031"),
    *("gfx1034", "gfx1036", "gfx1100", "gfx1102", "gfx1103", "gfx1151", "gfx1201"),
)
INTEL = ("Intel Arc A770", "Intel Arc B580", "Intel UHD Graphics 770", "Intel Iris Xe Graphics")
DRIVERS = (
    *("440.33", "450.36.06", "450.80.02", "452.39", "470.256.02", "515.65.01", "525.60.12"),
    *("525.60.13", "528.33", "535.183.01", "550.54.15", "560.35.03", "570.26", "572.83"),
    *("575.57.08", "579.99", "580.00", "581.57", "590.48.01", "595.58.03", "610.43.02", "620.70"),
)
"""Oldest first."""
PYTHONS = (
    *("3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.16"),
    *("3.13t", "3.14t", "3.15t"),
)
RANGES = (
    *("", ">=2.0", ">=2.6", ">=2.8,<2.11", ">=2.11", ">=2.15", ">=2.16", "<2.3", "<2.0"),
    *("==2.0.1", "==2.4.1", "==2.5.1", "==2.6.0", "==2.7.1", "==2.8.0", "==2.10.0", "==2.14.1"),
    *("==2.15.0", "~=2.7.0", "!=2.15.0", "==2.6.*", "==2.6.0+cu124", "==2.5.1+cu124"),
    *("==2.5.1+cu126", "==2.6.0+cpu", "==2.9.1+rocm6.4", ">=2.9,<2.8"),
)


def nvidia(capability: str) -> Gpu:
    """Return a GPU of a compute capability."""
    return Gpu(name=NVIDIA[capability], vendor="nvidia", compute_capability=capability)


def amd(gfx: str) -> Gpu:
    """Return a GPU of a gfx target."""
    return Gpu(name=f"AMD {gfx}", vendor="amd", gfx=gfx)


gpus = st.one_of(
    st.sampled_from(tuple(NVIDIA)).map(nvidia),
    st.sampled_from(AMD).map(amd),
    st.sampled_from(INTEL).map(lambda name: Gpu(name=name, vendor="intel")),
)
PLACES = (
    *(("linux", "x86_64"), ("linux", "aarch64"), ("wsl", "x86_64"), ("windows", "AMD64")),
    *(("windows", "ARM64"), ("macos", "arm64"), ("macos", "x86_64")),
)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Return a machine of real parts."""
    platform, arch = draw(st.sampled_from(PLACES))
    return Machine(
        platform=platform,
        arch=arch,
        python=draw(st.sampled_from(PYTHONS)),
        glibc=draw(st.sampled_from(("", "2.12", "2.17", "2.27", "2.28", "2.39"))),
        macos=draw(st.sampled_from(("", "10.15", "12.7", "13.6", "14.0", "15.1"))),
        driver_version=draw(st.sampled_from(("", *DRIVERS))),
        gpus=tuple(draw(st.lists(gpus, max_size=4))),
        torch=draw(st.sampled_from(RANGES)),
    )


WORDS = (
    *("lspci only", "docker", "1", "arm64", "R36 (release)", "JetPack 7.2", "open", "0,1", "32"),
    *("/usr/local/cuda-13.0/compat", "PyPy", "--extra-index-url", "3.14.1", "musl", "==2.*", "x86"),
    *("8.9", "gfx1100", "nvidia", "580.95.05", "3.12", "NVIDIA A40-48Q"),
)
NAMES = (
    *(
        "container",
        "implementation",
        "nv_tegra_release",
        "kernel_module",
        "vgpu",
        "rosetta",
        "tool",
    ),
    *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "python_bits", "nvcc"),
    *("python_full_version", "nvidia_smi_cuda", "PIP_EXTRA_INDEX_URL"),
)
words = st.one_of(st.text(max_size=20), st.sampled_from(WORDS))
names = st.one_of(st.text(max_size=10), st.sampled_from(NAMES))
nonsense = st.builds(
    Machine,
    platform=st.sampled_from(("linux", "wsl", "windows", "macos")),
    arch=st.one_of(st.sampled_from(("x86_64", "aarch64", "arm64")), words),
    python=st.one_of(st.sampled_from(PYTHONS), words),
    glibc=words,
    libc=words,
    macos=words,
    driver_version=st.one_of(st.sampled_from(DRIVERS), words),
    gpus=st.lists(
        st.builds(
            Gpu,
            name=words,
            vendor=st.one_of(st.sampled_from(("nvidia", "amd", "intel", "")), words),
            compute_capability=st.one_of(st.sampled_from(tuple(NVIDIA)), words),
            gfx=st.one_of(st.sampled_from(AMD), words),
            seen_by=words,
            excluded=st.booleans(),
            memory_gib=st.floats(),
        ),
        max_size=4,
    ).map(tuple),
    torch=st.one_of(st.sampled_from(RANGES), words),
    env=st.dictionaries(names, words, max_size=4),
    installer=st.dictionaries(names, words, max_size=2),
    rocm_tools=st.sampled_from((None, True, False)),
)
