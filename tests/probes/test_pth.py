"""Path lines of .pth files count; their code is never run."""

from pathlib import Path

from tunedoctor.probes.interpreter import added_by_pth


def test_lines_in_order_of_the_file_names(tmp_path: Path) -> None:
    for name in ("site", "one", "two", "hidden"):
        (tmp_path / name).mkdir()
    site = tmp_path / "site"
    (site / "b.pth").write_text(f"{tmp_path}/two\n")
    (site / "a.pth").write_text(f"\ufeff# made by a tool\n../one\n{tmp_path}/gone\n", "utf-8")
    (site / ".c.pth").write_text(f"{tmp_path}/hidden\n")
    assert added_by_pth(site) == (str(tmp_path / "one"), str(tmp_path / "two"))


def test_code_is_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    (tmp_path / "x.pth").write_text(f"import pathlib; pathlib.Path({str(proof)!r}).touch()\n")
    assert added_by_pth(tmp_path) == ()
    assert not proof.exists()


def test_no_folder_adds_nothing(tmp_path: Path) -> None:
    assert added_by_pth(tmp_path / "gone") == ()
