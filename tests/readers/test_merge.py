"""Facts of several readers complete each other and never mix two builds or two interpreters."""

from tunedoctor.facts import Errors, ErrorText, IndexAnswer, Interpreter, Refusal, TorchBuild
from tunedoctor.readers.merge import merged


def test_parts_of_one_build_are_not_told_of_another() -> None:
    conda = TorchBuild(version="1.3.0", conda=True)
    pip = TorchBuild(version="2.6.0+cu124", cuda="12.4", variant="cu124", accelerator="cuda")
    assert merged(conda, pip) == conda


def test_one_build_told_twice_is_completed() -> None:
    plain = TorchBuild(version="2.6.0")
    full = TorchBuild(version="2.6.0+cu124", cuda="12.4", variant="cu124", accelerator="cuda")
    both = merged(plain, full)
    assert (both.cuda, both.variant) == ("12.4", "cu124")


def test_two_interpreters_do_not_mix() -> None:
    one = Interpreter(executable="", version="3.10.12")
    assert merged(one, Interpreter(executable="/usr/bin/python3", version="3.12.1")) == one
    same = merged(one, Interpreter(executable="/usr/bin/python3", version="3.10"))
    assert same.executable == "/usr/bin/python3"


def test_what_two_readers_tell_stands_once() -> None:
    one, other = ErrorText(text="a"), ErrorText(text="b")
    assert merged(Errors(errors=(one,)), Errors(errors=(one, other))).errors == (one, other)
    refusal = Refusal(name="torch")
    answer = IndexAnswer(refusals=(refusal,))
    assert merged(answer, answer) == answer
