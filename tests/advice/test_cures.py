"""Commands and words that cures share."""

from tunedoctor.advice.cures import brief, merged, pinned, together
from tunedoctor.tables.small import distribution_of, good_set


def test_fixes_of_one_package_are_joined() -> None:
    fixes = [
        {"accelerate": ">=1.1.0"},
        {"accelerate": ">=1.3.0", "requests": "*"},
        {"accelerate": ">=1.1.0"},
    ]
    assert merged(fixes) == {"accelerate": ">=1.3.0", "requests": "*"}
    assert pinned(merged(fixes)) == ("accelerate>=1.3.0", "requests")


def test_pairs_in_words() -> None:
    assert (
        together({"peft": "0.17.1", "transformers": "5.24.0"})
        == "peft 0.17.1 with transformers 5.24.0"
    )
    assert together({"a": "1", "b": "2", "c": "3"}) == "a 1 with b 2 and c 3"
    assert together({"datasets": "4.0"}) == "datasets 4.0"
    assert together({}) == ""


def test_the_set_fits_what_is_there() -> None:
    assert good_set("2.9.1+cu126")["transformers"] == "5.13.1"
    assert good_set("2.13.0", "4.57.6")["peft"] == "0.18.1"
    assert good_set("2.5.1", "5.24.0")["transformers"] == "4.51.3"
    assert good_set("1.13.1") == {}
    assert good_set("", "", "3.9.2")["transformers"] == "4.51.3"
    assert good_set("", "", "3.8.20") == {}
    assert good_set("2.9.1", "4.30.2") == {}


def test_modules_and_their_distributions() -> None:
    assert distribution_of("PIL") == "pillow"
    assert distribution_of("yaml.nodes") == "pyyaml"
    assert distribution_of("google.protobuf") == "protobuf"
    assert distribution_of("google.cloud") == ""
    assert distribution_of("peft.tuners") == "peft"
    assert distribution_of("my_loader") == ""


def test_a_cause_in_brief() -> None:
    assert brief("checked at import") == "checked at import"
    assert brief("built for NumPy 1; seen in 14.0. And more.") == "built for NumPy 1"
    assert len(brief("x" * 500)) <= 160
