"""What the metadata of wheels and the variants file of a release say; damaged tables are refused."""

import pytest

from tunedoctor.refresh.fetch import Client, FetchError
from tunedoctor.refresh.merge import VariantFacts, admits, needs, release_of, variant_facts
from tunedoctor.tables.updated import UpdatedError, decoded

VARIANTS = b'{"$schema": "https://variants-schema.wheelnext.dev/peps/825/v0.1.0.json", "default-priorities": {"namespace": ["nvidia", "amd"]}, "providers": {"nvidia": {"requires": ["nvidia-variant-provider>=0.0.1"]}}, "variants": {"null": {}, '
NEW_TORCH = (
    b"Metadata-Version: 2.4\n"
    b"Name: torch\n"
    b"Version: 2.16.0\n"
    b"Requires-Dist: filelock\n"
    b'Requires-Dist: cuda-toolkit[cublas,cudart]==13.2.2 ; platform_system == "Linux"\n'
    b'Requires-Dist: nvidia-cudnn-cu13==9.26.0.51 ; platform_system == "Linux"\n'
    b'Requires-Dist: nvidia-nccl-cu13==2.30.7; platform_system == "Linux" and platform_machine == "x86_64"\n'
    b'Requires-Dist: triton~=3.9.0 ; platform_system == "Linux"\n'
    b"Requires-Dist: opt-einsum>=3.3 ; extra == 'opt-einsum'\n"
    b"Requires-Dist: this is !! no requirement\n"
    b"\n"
    b"Requires-Dist: of-the-description\n"
)
OLDER_TORCH = (
    b"Name: torch\n"
    b'Requires-Dist: nvidia-cuda-runtime-cu12==12.8.90; platform_system == "Linux" and platform_machine == "x86_64"\n'
)


@pytest.mark.parametrize(
    ("family", "requirements"),
    [
        # markers decide
        (
            "linux_x86_64",
            [
                "filelock",
                'cuda-toolkit[cublas,cudart]==13.2.2; platform_system == "Linux"',
                'nvidia-cudnn-cu13==9.26.0.51; platform_system == "Linux"',
                'nvidia-nccl-cu13==2.30.7; platform_system == "Linux" and platform_machine == "x86_64"',
                'triton~=3.9.0; platform_system == "Linux"',
            ],
        ),
        (
            "linux_aarch64",
            [
                "filelock",
                'cuda-toolkit[cublas,cudart]==13.2.2; platform_system == "Linux"',
                'nvidia-cudnn-cu13==9.26.0.51; platform_system == "Linux"',
                'triton~=3.9.0; platform_system == "Linux"',
            ],
        ),
    ],
)
def test_markers_decide_which_packages_a_wheel_needs(family, requirements):
    result = needs(NEW_TORCH, family, "3.12")
    assert [str(item) for item in result.requirements] == requirements


@pytest.mark.parametrize(
    ("metadata", "family", "expected"),
    [
        (NEW_TORCH, "linux_x86_64", "cu132"),
        (NEW_TORCH, "win_amd64", "cpu"),
        (OLDER_TORCH, "linux_x86_64", "cu128"),
        # its packages are those of x86_64
        (OLDER_TORCH, "linux_aarch64", "cpu"),
        # no variant that we know
        (b"Requires-Dist: cuda-toolkit==13.10.1\n", "linux_x86_64", "cpu"),
    ],
)
def test_the_cuda_packages_that_a_wheel_needs_name_its_variant(metadata, family, expected):
    assert needs(metadata, family, "3.12").variant == expected


def test_the_rocm_packages_that_a_wheel_needs_name_its_gpus():
    result = needs(
        b"Requires-Dist: rocm[libraries,device-gfx942,device-gfx1100,device-all]==7.14\n",
        "linux_x86_64",
        "3.12",
    ).gfx
    assert result == ("gfx1100", "gfx942")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (b"Requires-Dist: torch==2.16.0\n", "pinned"),
        (b"Requires-Dist: torch==2.16.0+cu132\n", "pinned"),
        (b"Requires-Dist: torch (==2.16.0)\n", "pinned"),
        (b"Requires-Dist: torch>=2.14.0\n", "open"),
        (b"Requires-Dist: torch==2.15.0\n", ""),
        (b"Requires-Dist: torch>=2.17\n", ""),
        (b"Requires-Dist: numpy\n", "open"),
    ],
)
def test_a_companion_is_pinned_to_a_torch_or_open_or_excludes_it(metadata, expected):
    assert admits(needs(metadata, "linux_x86_64", "3.12"), "2.16.0") == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            (
                VARIANTS
                + b'"cu129": {"nvidia": {"cuda_version_lower_bound": ["12.9"], "sm_arch": ["70_real", "75_real", "120_real", "120_virtual", "90a_real"]}}}}'
            ),
            {"cu129": VariantFacts(code="70 75 120 compute_120", cuda="12.9")},
        ),
        (
            (
                VARIANTS
                + b'"cuda12.6": {"nvidia": {"cuda_version_lower_bound": ["12.6"], "sm_arch": ["50", "90_real"]}}}}'
            ),
            {"cu126": VariantFacts(code="50 compute_50 90", cuda="12.6")},
        ),
        (
            (
                VARIANTS
                + b'"a1b2c3d4": {"nvidia": {"cuda_version_lower_bound": ["13.0"], "sm_arch": ["75_real"]}}}}'
            ),
            {"cu130": VariantFacts(code="75", cuda="13.0")},
        ),
        (
            (
                VARIANTS
                + b'"rocm10.0": {"amd": {"gfx_arch": ["gfx942", "gfx1201"], "rocm_version": ["10.0"]}}}}'
            ),
            {"rocm10.0": VariantFacts(code="gfx942 gfx1201")},
        ),
    ],
)
def test_the_variants_file_gives_targets_and_toolkit(data, expected):
    assert variant_facts(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        # two labels tell one build differently
        (
            VARIANTS
            + b'"cu128": {"nvidia": {"cuda_version_lower_bound": ["12.8"], "sm_arch": ["75_real"]}}, "cuda12.8": {"nvidia": {"cuda_version_lower_bound": ["12.8"], "sm_arch": ["90_real"]}}}}'
        ),
        # without targets
        (VARIANTS + b'"cu128": {"nvidia": {"cuda_version_lower_bound": ["12.8"]}}}}'),
        # targets of single kernels alone
        (
            VARIANTS
            + b'"cu128": {"nvidia": {"cuda_version_lower_bound": ["12.8"], "sm_arch": ["90a_real", "$(id)", ""]}}}}'
        ),
        (VARIANTS + b'"x86_64_v3": {"x86_64": {"level": ["v3"]}}}}'),
    ],
)
def test_a_variant_without_clear_targets_is_left_out(data):
    assert len(variant_facts(data)) == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("torch-2.16.0-variants.json", "2.16.0"),
        ("torchvision-0.31.0-variants.json", ""),
        ("torch-2.16.0.whl", ""),
    ],
)
def test_the_name_of_a_variants_file_says_its_release(name, expected):
    assert release_of(name) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 3000,
        b'{"variants": {"a": []}}',
    ],
)
def test_what_is_no_variants_file_is_refused(data):
    with pytest.raises(ValueError, match="not a variants"):
        variant_facts(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[" * 3000,
        b"\xff\xfe",
        b"null",
    ],
)
def test_a_damaged_update_is_refused(data):
    with pytest.raises(UpdatedError, match="it is damaged"):
        decoded(data)


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "file:///etc/passwd",
        "http://[::1",
        "",
    ],
)
def test_only_allowed_hosts_are_asked(url):
    with pytest.raises(FetchError, match="not on an allowed host"):
        Client(hosts=("mirror.example",)).get(url)
