"""Headers are read as importlib.metadata reads them, and no text breaks the reader."""

from email.parser import Parser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.site_folder import (
    Headers,
    parse,
    parse_requires_txt,
    read_headers,
)

TEXT = """\
Metadata-Version: 2.4
Name: Some_Thing.X
Version: 1.2.3+cu130
Requires-Python: >=3.10
Requires-Dist: numpy<2,>=1.21
Requires-Dist: triton==3.5.0; platform_system == "Linux"
Requires-Dist: pytest>=8; extra == "dev"
Requires-Dist: ruff; python_version > "3.9" and extra=='dev'
Requires-Dist: fire; extra in "a b"
Provides-Extra: dev

Name: not a header
Requires-Dist: nor-this
"""


def test_headers() -> None:
    assert parse(TEXT.encode()) == Headers(
        name="Some_Thing.X",
        version="1.2.3+cu130",
        requires=("numpy<2,>=1.21", 'triton==3.5.0; platform_system == "Linux"'),
        requires_python=">=3.10",
    )


def test_line_ends_of_windows() -> None:
    assert parse(TEXT.replace("\n", "\r\n").encode()) == parse(TEXT.encode())


def test_nothing_stated() -> None:
    assert parse(b"") == Headers()
    assert parse(b"\nName: x\n") == Headers(name="x")
    assert parse(b"Summary: x\n\nName: x\n") == Headers()


def test_headers_behind_a_long_licence(tmp_path: Path) -> None:
    licence = "License: x\n" + "        text\n" * 10_000
    path = tmp_path / "METADATA"
    path.write_text(f"Name: a\n{licence}Version: 1\n\nbody\n")
    assert parse(read_headers(str(path)) or b"").version == "1"


def test_body_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "METADATA"
    path.write_text("Name: a\nVersion: 1\n\n" + "body\n" * 100_000)
    assert len(read_headers(str(path)) or b"") == 32 * 1024


def test_requires_txt() -> None:
    text = 'numpy>=1\n# why\n\n[:python_version < "3.8"]\ntyping\n\n[dev]\npytest\n[dev:os_name == "nt"]\nx\n'
    assert parse_requires_txt(text) == ("numpy>=1", 'typing; python_version < "3.8"')


@given(
    st.lists(
        st.sampled_from(["Name: a", "Version: 2", "Requires-Python: >=3", "Author: b", "  more"])
    )
)
def test_agrees_with_the_email_parser(lines: list[str]) -> None:
    text = "\n".join(["Metadata-Version: 2.1", *lines, "", "body"])
    told, found = Parser().parsestr(text, headersonly=True), parse(text.encode())
    if "  more" not in lines:
        assert found.version == (told["Version"] or "")
        assert found.requires_python == (told["Requires-Python"] or "")
    assert found.name == ("a" if "Name: a" in lines else "")
