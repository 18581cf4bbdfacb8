"""What CI runs, from a checkout: GitHub's action by act, GitLab's job by gitlab-ci-local, the hook by pre-commit."""

import json
import shutil
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from checkout import IS_ONE, WHY_NOT, committed, copied, git
from integrations.engines import FILES, Ended, engine, ran

pytestmark = pytest.mark.skipif(not IS_ONE, reason=WHY_NOT)
MET, BROKEN = '[policy]\nram = "1 MiB"\n', '[policy]\nram = "900 TiB"\n'
ACCEPTED = (
    "zizmor --offline github",
    "zizmor --offline github/workflow.yml",
    "actionlint github/workflow.yml",
    "check-jsonschema --builtin-schema vendor.github-actions github/action.yml",
    "check-jsonschema --builtin-schema vendor.github-workflows github/workflow.yml",
    "check-jsonschema --builtin-schema vendor.gitlab-ci gitlab/doctor.gitlab-ci.yml",
    "kubernetes-validate --strict container/pod.yaml",
    "pre-commit validate-manifest ../.pre-commit-hooks.yaml",
    "icinga2 daemon --validate --config icinga/doctor.conf",
    "shellcheck github/check.sh slurm/health.sh slurm/prolog.sh node-problem-detector/check_doctor.sh",
)


@pytest.mark.parametrize("line", ACCEPTED)
def test_files_are_what_their_readers_accept(line: str) -> None:
    name, *words = line.split()
    ended = ran(engine(name), *words, cwd=FILES)
    assert ended.code == 0, ended.said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a checkout of the doctor in it."""
    copied(tmp_path / "project" / "tunedoctor")
    return tmp_path / "project"


UPLOAD = """\
name: stands for the upload, which needs GitHub
description: says what it is given
inputs: {sarif_file: {description: a file}, category: {description: its kind}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {FILE: "${{ inputs.sarif_file }}"}
      run: test -s "$FILE" && echo "uploads $FILE"
"""
WORKFLOW = """\
on: push
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@df4cb1c069e1874edd31b4311f1884172cec0e10
      - id: gate
        uses: ./tunedoctor/integrations/github
        with: {profile: node, config: doctor.toml, upload: "true"}
      - if: always()
        env: {VERDICT: "${{ steps.gate.outputs.verdict }}", CODE: "${{ steps.gate.outputs.exit-code }}"}
        run: |
          echo "told $VERDICT $CODE"
          cat "$GITHUB_STEP_SUMMARY"
"""


def act(project: Path) -> Ended:
    """Run the workflow of a project on this machine itself."""
    used = (FILES / "github/action.yml").read_text(encoding="utf-8")
    remote = next(line.split()[1] for line in used.splitlines() if "codeql-action" in line)
    stand_in = project.parent / "codeql-action" / "upload-sarif"
    stand_in.mkdir(parents=True)
    (stand_in / "action.yml").write_text(UPLOAD, encoding="utf-8")
    instead = f"{remote.replace('/upload-sarif', '')}={stand_in.parent}"
    return ran(engine("act"), "push", "-P", "ubuntu-latest=-self-hosted", "--local-repository", instead,
               "--action-cache-path", project.parent / "act", cwd=committed(project))  # fmt: skip


@pytest.mark.parametrize(("policy", "verdict"), [(MET, "ready 0"), (BROKEN, "findings 1")])
def test_the_action_gates_a_job(project: Path, policy: str, verdict: str) -> None:
    (project / ".github/workflows").mkdir(parents=True)
    (project / ".github/workflows/gate.yml").write_text(WORKFLOW, encoding="utf-8")
    (project / "doctor.toml").write_text(policy, encoding="utf-8")
    ended = act(project)
    assert (ended.code == 0) == (policy == MET), ended.said
    assert f"told {verdict}" in ended.said
    assert "uploads doctor.sarif" in ended.said, "a failing check is uploaded as well"
    errors = [line for line in ended.said.splitlines() if "::error" in line or "❗" in line]
    assert bool(errors) == (policy == BROKEN), ended.said
    summary = ended.said.partition("told ")[2]
    assert ("policy-ram" in summary) == (policy == BROKEN), ended.said


def test_an_input_of_the_action_is_never_shell_text(project: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    odd = f"a'; touch {planted}; $(touch {planted}) `touch {planted}`"
    (project / ".github/workflows").mkdir(parents=True)
    flow = WORKFLOW.replace(
        "config: doctor.toml", f"target: {json.dumps(odd)}, sarif: {json.dumps(odd)}"
    )
    (project / ".github/workflows/gate.yml").write_text(flow, encoding="utf-8")
    ended = act(project)
    assert ended.code != 0, ended.said
    assert "told unknown 2" in ended.said
    assert not planted.exists()


@pytest.mark.parametrize("policy", [MET, BROKEN])
def test_the_job_of_gitlab_gates_a_pipeline(project: Path, policy: str) -> None:
    program = engine("gitlab-ci-local")
    include = "include: tunedoctor/integrations/gitlab/doctor.gitlab-ci.yml\n"
    told = "doctor:\n  variables: {DOCTOR_PROFILE: node, DOCTOR_CONFIG: doctor.toml}\n"
    (project / ".gitlab-ci.yml").write_text(include + told, encoding="utf-8")
    (project / "doctor.toml").write_text(policy, encoding="utf-8")
    git(committed(project), "remote", "add", "origin", "git@gitlab.com:example/project.git")
    ended = ran(program, "doctor", cwd=project)
    assert (ended.code == 0) == (policy == MET), ended.said
    kept = project / ".gitlab-ci-local/artifacts/doctor"
    issues = json.loads((kept / "gl-code-quality-report.json").read_bytes())
    names = {one["check_name"] for one in issues}
    assert ("policy-ram" in names) == (policy == BROKEN)
    assert len({one["fingerprint"] for one in issues}) == len(issues)
    cases = ET.fromstring((kept / "doctor.junit.xml").read_bytes())  # noqa: S314  ours
    assert bool(cases.findall(".//failure")) == (policy == BROKEN)


def test_the_hook_of_pre_commit_looks_at_the_environment_of_the_project(project: Path) -> None:
    program = engine("pre-commit")
    doctor = committed(project / "tunedoctor").rename(project.parent / "tunedoctor")
    hook = f"  - repo: {doctor}\n    rev: {git(doctor, 'rev-parse', 'HEAD').strip()}    hooks:\n".replace(
        "    hooks", "\n    hooks"
    )

    def commit(*arguments: str) -> Ended:
        told = f"      - id: doctor-check\n        args: {json.dumps(arguments)}\n"
        (project / ".pre-commit-config.yaml").write_text(f"repos:\n{hook}{told}", encoding="utf-8")
        git(project, "add", "-A")
        return ran(
            program, "run", cwd=project, env={"PRE_COMMIT_HOME": str(project.parent / "hooks")}
        )

    git(project, "init", "-q")
    (project / ".gitignore").write_text(".venv\n", encoding="utf-8")
    ran(sys.executable, "-m", "venv", "--without-pip", project / ".venv")
    ended = commit()
    assert ended.code == 1, ended.said
    assert "torch-missing" in ended.said
    assert ".venv" in ended.said
    (project / "doctor.toml").write_text(BROKEN, encoding="utf-8")
    ended = commit("--profile=node")
    assert (ended.code, "policy-ram" in ended.said) == (1, True), ended.said
    (project / "doctor.toml").write_text(MET, encoding="utf-8")
    shutil.rmtree(project / ".venv")
    ended = commit("--profile=node")
    assert ended.code == 0, ended.said
