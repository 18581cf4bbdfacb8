"""What is read from the output of uv."""

from tunedoctor.installers.uv import NoSolution, clean_output, pins_of
from tunedoctor.model.plan import Pin


def test_the_packages_that_exclude_each_other_are_named():
    result = NoSolution(
        "error: No solution found when resolving dependencies\n"
        "  cause: Because transformers==4.57.6 depends on huggingface-hub>=0.34.0,<1.0 and huggingface-hub==1.5.0, we can conclude that transformers==4.57.6 cannot be used.\n"
        "         And because you require transformers==4.57.6, we can conclude that your requirements are unsatisfiable.\n"
        "\n"
        "hint: something else\n"
    ).names(("hub", "huggingface-hub", "transformers", "torch"))
    assert result == ["huggingface-hub", "transformers"]


def test_pins_are_read_with_what_requires_them():
    result = pins_of(
        "A_x==1   # via b, c\n"
        "b==2 ; python_version > '3'  # via -r in.txt, a\n"
        "c==3+cpu \\\n"
        "    --hash=sha256:0\n"
        "# d==4\n"
    )
    assert result == (
        Pin(name="a-x", version="1", via=("b", "c")),
        Pin(name="b", version="2"),
        Pin(name="c", version="3+cpu"),
    )


def test_the_error_is_kept_without_warnings_and_colours():
    result = clean_output(
        "warning: no Python 3.12\n  cause: x\nerror: \x1b[31mNo solution\x1b[0m\n  cause: y\n"
    )
    assert result == "error: No solution\n  cause: y"
