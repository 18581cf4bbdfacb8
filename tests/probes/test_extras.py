"""Requirements of extras that an installed distribution asks for."""

from pathlib import Path

import pytest

from tunedoctor.probes.packages import assemble
from tunedoctor.probes.site_folder import AskedExtra, asked_extras, extra_requirements, read_folder

FSSPEC = b"""Name: fsspec
Version: 2026.2.0
Requires-Dist: aiohttp!=4.0.0a0; extra == 'http'
Requires-Dist: pyarrow>=1; extra == "arrow"
Requires-Dist: pywin32; (sys_platform == 'win32') and extra == 'http'
Requires-Dist: tqdm; extra == 'full' or extra == 'http'

aiohttp; extra == 'http'
"""


def test_extras_are_read_off_requirements():
    lines = ("fsspec[http]<=2026.2.0", "x [A, b_c]>1; os_name == 'nt'", "plain>=1", "y[]", "z[a")
    assert list(asked_extras(lines)) == [
        AskedExtra("fsspec", "http", ""),
        AskedExtra("x", "a", "os_name == 'nt'"),
        AskedExtra("x", "b-c", "os_name == 'nt'"),
    ]


def test_an_extra_adds_its_own_requirements_alone():
    assert extra_requirements(FSSPEC, "http") == (
        "aiohttp!=4.0.0a0",
        "pywin32; ((sys_platform == 'win32') and os_name != '')",
        "tqdm; (os_name != '' or os_name != '')",
    )
    assert extra_requirements(FSSPEC, "arrow", "python_version < '3'") == (
        "pyarrow>=1; (python_version < '3')",
    )
    assert extra_requirements(FSSPEC, "none") == ()


def write(site: Path, name: str, version: str, *requires: str) -> None:
    """Write the metadata of a distribution."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    (folder / "METADATA").write_text("\n".join(lines) + "\n\n")


def requires_of(site: Path) -> dict[str, tuple[str, ...]]:
    """Return what each distribution of a folder requires."""
    folder = read_folder(str(site))
    assert folder
    return {d.name: d.requires for d in assemble([folder], [str(site)], {}, "").distributions}


def test_an_installed_distribution_decides_which_extras_count(tmp_path):
    write(tmp_path, "datasets", "3.6.0", "fsspec[http]<=2026.2.0")
    write(tmp_path, "fsspec", "2026.2.0", "aiohttp; extra == 'http'", "s3fs; extra == 's3'")
    assert requires_of(tmp_path)["fsspec"] == ("aiohttp",)


def test_extras_lead_to_further_extras_and_circles_end(tmp_path):
    write(tmp_path, "a", "1", "b[x]")
    write(tmp_path, "b", "1", "c[y]; extra == 'x'", "b[x]; extra == 'x'")
    write(tmp_path, "c", "1", "d; extra == 'y'")
    found = requires_of(tmp_path)
    assert found["b"] == ("c[y]", "b[x]")
    assert found["c"] == ("d",)


@pytest.mark.parametrize("text", [b"", b"\0" * 100, b"Requires-Dist: a; extra ==\n" * 2000])
def test_damaged_metadata_adds_nothing(text):
    assert extra_requirements(text, "http") == ()
