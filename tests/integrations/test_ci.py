"""What CI runs, from a checkout: GitHub's action by act, GitLab's job by gitlab-ci-local, the hook by pre-commit."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from checkout import IS_ONE, WHY_NOT, committed, copied, git
from integrations.engines import FILES, POLICIES, Ended, engine, ran
from planting import plant

pytestmark = pytest.mark.skipif(not IS_ONE, reason=WHY_NOT)
ACCEPTED = (
    "zizmor --offline ../.github",
    "zizmor --offline ../action.yml",
    "zizmor --offline github/workflow.yml",
    "actionlint github/workflow.yml",
    "check-jsonschema --builtin-schema vendor.github-actions ../action.yml",
    "check-jsonschema --builtin-schema vendor.github-workflows ../.github/workflows/ci.yml",
    "check-jsonschema --builtin-schema vendor.github-workflows ../.github/workflows/release.yml",
    "check-jsonschema --builtin-schema vendor.github-workflows ../.github/workflows/refresh.yml",
    "check-jsonschema --builtin-schema vendor.dependabot ../.github/dependabot.yml",
    "check-jsonschema --builtin-schema vendor.github-issue-forms ../.github/ISSUE_TEMPLATE/1-wrong-diagnosis.yml",
    "check-jsonschema --builtin-schema vendor.github-issue-forms ../.github/ISSUE_TEMPLATE/2-bug.yml",
    "check-jsonschema --builtin-schema vendor.github-issue-forms ../.github/ISSUE_TEMPLATE/3-idea.yml",
    "check-jsonschema --builtin-schema vendor.citation-file-format ../CITATION.cff",
    "check-jsonschema --builtin-schema vendor.github-workflows github/workflow.yml",
    "check-jsonschema --builtin-schema vendor.gitlab-ci gitlab/doctor.gitlab-ci.yml",
    "kubernetes-validate --strict container/pod.yaml",
    "pre-commit validate-manifest ../.pre-commit-hooks.yaml",
    "icinga2 daemon --validate --config icinga/doctor.conf",
    "shellcheck github/install.sh github/check.sh slurm/health.sh slurm/prolog.sh node-problem-detector/check_doctor.sh",
    "shellcheck --enable=all --exclude=SC2250,SC2310,SC2312,SC2248 bootstrap.sh",
)


@pytest.mark.parametrize("line", ACCEPTED)
def test_files_are_what_their_readers_accept(line):
    name, *words = line.split()
    ended = ran(engine(name), *words, cwd=FILES)
    assert ended.code == 0, ended.said


@pytest.fixture
def project(tmp_path):
    """A repository with a checkout of the doctor in it."""
    copied(tmp_path / "project" / "tunedoctor")
    return tmp_path / "project"


UPLOAD = Path(__file__).with_name("upload.yml").read_text("utf-8")
CACHE = """name: stands for the cache, which needs GitHub
description: keeps nothing
inputs: {path: {description: a folder}, key: {description: its name}}
runs:
  using: composite
  steps: [{shell: bash, run: "true"}]
"""
WORKFLOW = Path(__file__).with_name("workflow.yml").read_text("utf-8")


def act(project: Path) -> Ended:
    """Run the workflow of a project on this machine itself."""
    used = (FILES.parent / "action.yml").read_text(encoding="utf-8")
    instead: list[str] = []
    for action, text in (("github/codeql-action/upload-sarif", UPLOAD), ("actions/cache", CACHE)):
        owner, name, *folder = action.split("/")
        (commit,) = re.findall(rf"uses: {action}@(\S+)", used)
        stand_in = plant(project.parent / name, {"/".join((*folder, "action.yml")): text})
        instead += ["--local-repository", f"{owner}/{name}@{commit}={stand_in}"]
    return ran(engine("act"), "push", "-P", "ubuntu-latest=-self-hosted", *instead,
               "--action-cache-path", project.parent / "act", cwd=committed(project))  # fmt: skip


@pytest.mark.parametrize(("policy", "verdict"), [("met", "ready 0"), ("broken", "findings 1")])
def test_the_action_gates_a_job(project, policy, verdict):
    files = {".github/workflows/gate.yml": WORKFLOW, "doctor.toml": POLICIES[policy]}
    ended = act(plant(project, files))
    assert (ended.code == 0) == (policy == "met"), ended.said
    assert f"told {verdict}" in ended.said
    assert "uploads doctor.sarif" in ended.said, "a failing check is uploaded as well"
    errors = [line for line in ended.said.splitlines() if "::error" in line or "❗" in line]
    assert bool(errors) == (policy == "broken"), ended.said
    assert "## doctor: " in ended.said, "act shows the summary"
    assert ("**policy-ram**" in ended.said) == (policy == "broken"), ended.said


LOCK = """version = 1
requires-python = ">=3.12"
[[package]]
name = "tune"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "torch" }]
[[package]]
name = "torch"
version = "2.6.0"
source = { registry = "https://example.org/simple" }
"""


@pytest.mark.parametrize(("gpu", "verdict"), [("RTX 5090", "findings 1"), ("H100", "ready 0")])
def test_the_action_judges_a_lock_for_cards_that_the_runner_lacks(project, gpu, verdict):
    flow = WORKFLOW.replace("profile: node, config: doctor.toml", f'project: sub, gpu: "{gpu}"')
    pyproject = '[project]\nname = "tune"\nversion = "0.1"\ndependencies = ["torch"]\n'
    files = {
        "sub/uv.lock": LOCK,
        "sub/pyproject.toml": pyproject,
        ".github/workflows/gate.yml": flow,
    }
    ended = act(plant(project, files))
    assert f"told {verdict}" in ended.said, ended.said
    assert ("gpu-too-new-for-torch" in ended.said) == (gpu == "RTX 5090"), ended.said


def test_an_input_of_the_action_is_never_shell_text(project, tmp_path):
    planted = tmp_path / "planted"
    odd = f"a'; touch {planted}; $(touch {planted}) `touch {planted}`"
    inputs = f"target: {json.dumps(odd)}, sarif: {json.dumps(odd)}"
    flow = WORKFLOW.replace("config: doctor.toml", inputs)
    ended = act(plant(project, {".github/workflows/gate.yml": flow}))
    assert ended.code != 0, ended.said
    assert "told unknown 2" in ended.said
    assert not planted.exists()


@pytest.mark.parametrize("policy", ["met", "broken"])
def test_the_job_of_gitlab_gates_a_pipeline(project, policy):
    program = engine("gitlab-ci-local")
    pipeline = (
        "include: tunedoctor/integrations/gitlab/doctor.gitlab-ci.yml\ndoctor:\n  variables:\n"
    )
    pipeline += "    DOCTOR_OPTIONS: --profile=node --config=doctor.toml\n"
    plant(project, {".gitlab-ci.yml": pipeline, "doctor.toml": POLICIES[policy]})
    git(committed(project), "remote", "add", "origin", "git@gitlab.com:example/project.git")
    ended = ran(program, "doctor", cwd=project)
    assert (ended.code == 0) == (policy == "met"), ended.said
    kept = project / ".gitlab-ci-local/artifacts/doctor"
    issues = json.loads((kept / "gl-code-quality-report.json").read_bytes())
    names = {one["check_name"] for one in issues}
    assert ("policy-ram" in names) == (policy == "broken")
    assert len({one["fingerprint"] for one in issues}) == len(issues)
    cases = ET.fromstring((kept / "doctor.junit.xml").read_bytes())  # noqa: S314  ours
    assert bool(cases.findall(".//failure")) == (policy == "broken")


@pytest.mark.parametrize("policy", ["met", "broken"])
def test_the_component_of_gitlab_gates_a_pipeline(project, policy):
    program = engine("gitlab-ci-local")
    inputs = "{source: ./tunedoctor, options: --profile=node --config=doctor.toml, job-name: gpu}"
    pipeline = "include:\n  - local: tunedoctor/integrations/gitlab/component.yml\n"
    plant(
        project,
        {".gitlab-ci.yml": f"{pipeline}    inputs: {inputs}\n", "doctor.toml": POLICIES[policy]},
    )
    git(committed(project), "remote", "add", "origin", "git@gitlab.com:example/project.git")
    ended = ran(program, "gpu", cwd=project)
    assert (ended.code == 0) == (policy == "met"), ended.said
    kept = project / ".gitlab-ci-local/artifacts/gpu"
    issues = json.loads((kept / "gl-code-quality-report.json").read_bytes())
    assert ("policy-ram" in {one["check_name"] for one in issues}) == (policy == "broken")


def test_the_hook_of_pre_commit_judges_a_lock(project):
    program = engine("pre-commit")
    doctor = committed(project / "tunedoctor").rename(project.parent / "tunedoctor")
    commit = git(doctor, "rev-parse", "HEAD").strip()
    pyproject = '[project]\nname = "tune"\nversion = "0.1"\ndependencies = ["torch"]\n'
    git(project, "init", "-q")
    for gpu, code in (("RTX 5090", 1), ("H100", 0)):
        config = f"repos:\n  - repo: {doctor}\n    rev: {commit}\n    hooks:\n      - id: doctor-check-project\n"
        config += f"        args: [--gpu={gpu}]\n"
        plant(
            project,
            {".pre-commit-config.yaml": config, "uv.lock": LOCK, "pyproject.toml": pyproject},
        )
        git(project, "add", "-A")
        ended = ran(
            program, "run", cwd=project, env={"PRE_COMMIT_HOME": str(project.parent / "hooks")}
        )
        assert ended.code == code, ended.said
        assert ("gpu-too-new-for-torch" in ended.said) == (code == 1), ended.said


def test_the_hook_of_pre_commit_looks_at_the_environment_of_the_project(project):
    program = engine("pre-commit")
    doctor = committed(project / "tunedoctor").rename(project.parent / "tunedoctor")
    commit = git(doctor, "rev-parse", "HEAD").strip()
    head = f"repos:\n  - repo: {doctor}\n    rev: {commit}\n    hooks:\n      - id: doctor-check\n"

    def hook(arguments, policy):
        config = f"{head}        args: [{arguments}]\n"
        plant(project, {".pre-commit-config.yaml": config, "doctor.toml": POLICIES[policy]})
        git(project, "add", "-A")
        cache = {"PRE_COMMIT_HOME": str(project.parent / "hooks")}
        return ran(program, "run", cwd=project, env=cache)

    git(project, "init", "-q")
    plant(project, {".gitignore": ".venv\n"})
    ran(sys.executable, "-m", "venv", "--without-pip", project / ".venv")
    code, said = hook("", "met")
    assert code == 1, said
    assert "torch-missing" in said
    assert ".venv" in said
    code, said = hook("--profile=node", "broken")
    assert (code, "policy-ram" in said) == (1, True), said
    assert hook("--profile=node", "met").code == 0


def test_the_page_works_as_pasted(project):
    here = project / "tunedoctor"
    page = (here / "docs" / "ci.md").read_text(encoding="utf-8")
    lines = page.partition("```sh\n")[2].partition("```")[0]
    code, said = ran("sh", "-c", lines, cwd=here)
    if "No matching distribution found" in said:
        pytest.skip("pip has no index here")
    assert code in (0, 1), said  # a machine that cannot train is one as well
    assert json.loads((here / "doctor.sarif").read_bytes())["version"] == "2.1.0"
    cases = ET.fromstring((here / "doctor.junit.xml").read_bytes())  # noqa: S314  ours
    assert bool(cases.findall(".//failure")) == bool(code)


def test_the_pages_name_files_that_are_there_and_all_of_them():
    pages = [FILES.parent / "docs/ci.md", FILES.parent / "docs/start.md"]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    named = {one.rstrip(".") for one in re.findall(r"integrations/[\w./-]+", text)}
    assert all((FILES.parent / one).exists() for one in named)
    folders = {Path(one).parts[1] for one in named}
    assert folders == {one.name for one in FILES.iterdir()}
