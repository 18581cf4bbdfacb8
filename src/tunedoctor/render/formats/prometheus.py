"""Metrics as a text file for the collector of node-exporter: no times of samples, and series that stay few."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from tunedoctor.render.formats import ReportView

Sample = tuple[dict[str, str], float]
_MOST, _LONGEST = 64, 120
"""Series of a name; characters of a label."""


def render(view: ReportView) -> str:
    """Return all metrics, each with its help."""
    return text_of((name, text, samples[:_MOST]) for name, text, samples in _metrics(view))


def text_of(metrics: Iterable[tuple[str, str, list[Sample]]]) -> str:
    """Return metrics of a name, a help and samples; those without samples are left out."""
    return "".join(
        f"# HELP {name} {text}\n# TYPE {name} gauge\n{''.join(dict.fromkeys(_series(name, samples)))}"
        for name, text, samples in metrics
        if samples
    )


def _series(name: str, samples: list[Sample]) -> Iterator[str]:
    for labels, value in samples:
        label_text = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
        number = str(int(value)) if float(value).is_integer() else repr(float(value))
        yield f"{name}{{{label_text}}} {number}\n" if label_text else f"{name} {number}\n"


def _label(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in text)[:_LONGEST]
    return plain.replace("\\", r"\\").replace('"', r"\"")


def _metrics(view: ReportView) -> Iterator[tuple[str, str, list[Sample]]]:
    report = view.report
    ready = report.verdict == "ready"
    info = {"version": report.doctor, "profile": report.profile}
    yield "doctor_info", "Version and profile of doctor.", [(info, 1)]
    yield "doctor_ready", "1 if the verdict is ready.", _single_sample(ready)
    yield (
        "doctor_exit_code",
        "Exit code: 0 ready, 1 findings, 2 undecided.",
        _single_sample(view.code),
    )
    tally: list[Sample] = [
        ({"severity": severity}, number) for severity, number in view.tally.items()
    ]
    yield "doctor_findings", "Causes that count for the verdict, by severity.", tally
    causes: list[Sample] = [({"id": f.id, "severity": f.severity}, 1) for f in view.counting]
    yield "doctor_finding_info", "A cause that counts for the verdict.", causes
    outcomes = {"passed": report.passed, "skipped": report.skipped, "unknown": report.unknown}
    checks: list[Sample] = [({"outcome": name}, len(some)) for name, some in outcomes.items()]
    yield "doctor_checks", "Checks without a finding, by outcome.", checks
    silent: list[Sample] = [({"id": id_}, 1) for id_ in report.unknown]
    yield "doctor_check_unknown_info", "A check without a result.", silent
    timestamp = _single_sample(_time(report.taken))
    yield "doctor_run_timestamp_seconds", "Time when the facts were collected.", timestamp
    yield (
        "doctor_run_duration_seconds",
        "Seconds from start to verdict.",
        _single_sample(report.seconds),
    )
    machine = report.machine
    yield "doctor_memory_bytes", "RAM that a process can use.", _single_sample(machine.ram)
    gpus = [({"gpu": str(i), "name": g.name}, g) for i, g in enumerate(machine.gpus)]
    yield (
        "doctor_gpus",
        "Number of GPUs.",
        _single_sample(len(gpus) if machine.gpus_known else None),
    )
    yield (
        "doctor_gpu_memory_bytes",
        "Memory of a GPU.",
        _known_samples((n, g.memory) for n, g in gpus),
    )
    free = _known_samples((names, gpu.free) for names, gpu in gpus)
    yield "doctor_gpu_memory_free_bytes", "Memory of a GPU that no program uses.", free
    if smoke := report.smoke:
        yield (
            "doctor_smoke_ready",
            "1 if the tiny training succeeded.",
            _single_sample(smoke.verdict == "ready"),
        )
        speed = _single_sample(smoke.tokens_per_second)
        yield "doctor_smoke_tokens_per_second", "Speed of the tiny training.", speed
        yield (
            "doctor_smoke_peak_memory_bytes",
            "Peak memory of the tiny training.",
            _single_sample(smoke.peak),
        )


def _single_sample(value: float | None) -> list[Sample]:
    return _known_samples([({}, value)])


def _known_samples(samples: Iterable[tuple[dict[str, str], float | None]]) -> list[Sample]:
    return [(labels, value) for labels, value in samples if value is not None]


def _time(time: str) -> float | None:
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return None
