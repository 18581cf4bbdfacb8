"""Processors."""

from tunedoctor.probes.limits import cpu, model_in


def test_the_model_of_the_first_processor() -> None:
    text = "processor\t: 0\nmodel name\t: AMD Ryzen 9   7950X 16-Core\nmodel name\t: other\n"
    assert model_in(text) == "AMD Ryzen 9 7950X 16-Core"
    assert model_in("processor\t: 0\nCPU implementer\t: 0x41\n") == ""


def test_this_machine_has_processors() -> None:
    found = cpu()
    assert 1 <= found.usable <= found.count
