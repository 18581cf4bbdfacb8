"""Lines of an installer that belong together are read as one."""

from tunedoctor.readers.installer_output import InstallerMessage, joined


def test_a_requirement_over_three_lines_is_read():
    result = list(
        joined(("x", "ERROR: trl 0.14.0 requires", "rich, which is not", "installed.")).matches(
            "there"
        )
    )
    assert result == [
        InstallerMessage(
            line=1,
            last=3,
            text="trl 0.14.0 requires rich, which is not installed",
            fields={"name": "trl", "version": "0.14.0", "wants": "rich"},
        )
    ]
