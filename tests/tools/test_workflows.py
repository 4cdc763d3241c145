"""What GitHub runs: judged by two linters, and by what the project says elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from container.image.inputs import (
    ARCHITECTURES,
    DEFAULT_BASE_IMAGE,
    PROJECT,
    VARIANTS,
)
from fleet.settings.pipeline import Pipeline
from tools.audit import locks
from tools.source_tree import files

GITHUB = PROJECT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROGRAMS = Path(sys.executable).parent
BOTS = (GITHUB / "dependabot.yml", GITHUB / "renovate.json")
SCHEMAS = {"dependabot.yml": "dependabot", "renovate.json": "renovate"}


def zizmor(folder: Path) -> list[str]:
    """What it finds, by the names of its rules; without a network, so the same everywhere."""
    command = [str(PROGRAMS / "zizmor"), "--offline", "--no-progress", "--quiet", "--strict-collection"]
    options = ["--persona=pedantic", "--no-exit-codes", "--format=json", str(folder)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [finding["ident"] for finding in json.loads(done.stdout)]


def schema_says(file: Path) -> str:
    """What is wrong by the schema that GitHub's own editor goes by; the linter brings it along."""
    schema = f"vendor.{SCHEMAS.get(file.name, 'github-workflows')}"
    command = [str(PROGRAMS / "check-jsonschema"), "--builtin-schema", schema, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout


def jobs(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GITHUB / "workflows" / name).read_text())["jobs"]
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name).values() for step in job["steps"]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GITHUB, tmp_path / ".github"))


def test_the_linter_has_nothing_to_say() -> None:
    assert zizmor(GITHUB) == []


def test_the_linter_would_see_an_action_that_can_change(copy: Path) -> None:
    workflow = copy / "workflows/ci.yml"
    workflow.write_text(re.sub(r"checkout@\w+ # \S+", "checkout@v6", workflow.read_text()))
    assert set(zizmor(copy)) == {"unpinned-uses"}


@pytest.mark.parametrize("file", [*WORKFLOWS, *BOTS], ids=lambda file: file.name)
def test_the_schema_is_kept(file: Path) -> None:
    assert schema_says(file) == ""


def test_the_schema_would_see_a_misspelt_key(copy: Path) -> None:
    workflow = copy / "workflows/ci.yml"
    workflow.write_text(workflow.read_text().replace("fail-fast:", "failfast:"))
    assert "failfast" in schema_says(workflow)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_named_by_commit_with_the_version_beside_it(workflow: Path) -> None:
    used = re.findall(r"uses: *(.*)", workflow.read_text())
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_no_secret_is_asked_for(workflow: Path) -> None:
    text = workflow.read_text()
    assert not re.search(r"secrets\.|aws-access-key-id|aws-secret-access-key|AWS_(ACCESS|SECRET)", text)


def test_commands_of_the_workflows_are_the_projects_own() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    lines = [step["run"] for workflow in WORKFLOWS for step in steps(workflow.name) if "run" in step]
    targets = {target for line in lines for target in re.findall(r"^make (\w+)\b", line, re.MULTILINE)}
    assert targets == {"lint", "test", "audit", "release"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    scripts = {word for line in lines for word in re.findall(r"^(\w+/\w+) ", line, re.MULTILINE)}
    assert scripts == {"tools/install", "container/build"}
    modules = {name for line in lines for name in re.findall(r"python3 -m ([\w.]+)", line)}
    assert modules == {"tools.push_release", "tools.release_text"}
    for name in modules:
        assert (PROJECT / f"{name.replace('.', '/')}.py").is_file()


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_every_image_is_built_for_every_architecture(name: str) -> None:
    assert jobs(name)["image"]["strategy"]["matrix"] == {
        "variant": list(VARIANTS),
        "architecture": list(ARCHITECTURES),
    }


def test_a_release_is_made_of_a_tag_and_of_one_base_with_its_digest() -> None:
    workflow = yaml.safe_load((GITHUB / "workflows/release.yml").read_text())
    # YAML 1.1 reads the key `on` as true.
    assert workflow[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert workflow["env"]["BASE"] == DEFAULT_BASE_IMAGE
    (build,) = [step for step in steps("release.yml") if "container/build" in step.get("run", "")]
    assert "--release " in build["run"]
    assert build["env"]["PINNED"] == "${{ needs.package.outputs.base }}"


def test_every_image_is_pushed_with_provenance_and_each_architecture_with_its_bill_of_materials() -> None:
    push = jobs("release.yml")["push"]
    assert push["strategy"]["matrix"]["variant"] == list(VARIANTS)
    attested = [step["with"] for step in push["steps"] if "actions/attest@" in step.get("uses", "")]
    assert [each["subject-digest"] for each in attested] == [
        f"${{{{ steps.push.outputs.{name} }}}}" for name in ("digest", *ARCHITECTURES)
    ]
    assert [each.get("sbom-path") for each in attested] == [
        None,
        *(f"made/edgecam-${{{{ matrix.variant }}}}-{each}.cdx.json" for each in ARCHITECTURES),
    ]
    assert all(each["push-to-registry"] is True for each in attested)
    (build,) = [step["run"] for step in steps("release.yml") if "container/build" in step.get("run", "")]
    assert '--output "build/edgecam-$VARIANT-$ARCHITECTURE.tar.gz"' in build


def test_what_may_write_a_release_builds_and_installs_nothing() -> None:
    writing = {
        name: job for name, job in jobs("release.yml").items() if "write" in job["permissions"].values()
    }
    assert set(writing) == {"push", "release"}
    for job in writing.values():
        text = "\n".join(step.get("run", step.get("uses", "")) for step in job["steps"])
        assert not re.search(r"make |container/build|tools/install|npx|npm|pip|setup-", text)
    assert writing["push"]["permissions"].get("contents") == "read"
    assert "packages" not in writing["release"]["permissions"]


def test_no_workflow_names_a_registry() -> None:
    for workflow in WORKFLOWS:
        assert re.findall(r"\b[\w-]+\.(?:io|com|net|org|dev)\b", workflow.read_text()) == []


def test_the_deploying_job_is_the_one_that_the_role_trusts() -> None:
    settings = Pipeline(repository="acme/cameras")
    text = (GITHUB / "workflows/deploy.yml").read_text()
    deploying = jobs("deploy.yml")["deploy"]
    assert deploying["environment"] == settings.environment
    assert re.search(rf"^  push:\n    branches: \[{settings.branch}\]$", text, re.MULTILINE)
    assert "github.event_name == 'push'" in deploying["if"]


def test_only_jobs_that_take_a_role_or_sign_may_ask_for_a_token_and_one_makes_releases() -> None:
    for workflow in WORKFLOWS:
        for name, job in jobs(workflow.name).items():
            asks = job.get("permissions", {}).get("id-token") == "write"
            takes = any(
                re.search(r"configure-aws-credentials|actions/attest@", step.get("uses", ""))
                for step in job["steps"]
            )
            assert asks == takes
            assert set(job.get("permissions", {}).values()) <= {"read", "write"}
            writes = job.get("permissions", {}).get("contents") == "write"
            assert writes == ((workflow.name, name) == ("release.yml", "release"))


def test_a_diff_takes_no_role_that_may_write() -> None:
    (command,) = [step["run"] for step in steps("deploy.yml") if "cdk diff" in step.get("run", "")]
    assert "--method template" in command


def test_code_of_a_pull_request_runs_before_there_are_credentials() -> None:
    order = [step.get("run", step.get("uses", "")) for step in jobs("deploy.yml")["diff"]["steps"]]
    (role,) = [index for index, what in enumerate(order) if "configure-aws-credentials" in what]
    after = "\n".join(order[role + 1 :])
    assert any("cdk synth" in what for what in order[:role])
    assert "--app cdk.out" in after


def test_everything_that_is_locked_is_kept_fresh() -> None:
    updates = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]
    folders = {
        update["package-ecosystem"]: update.get("directories", [update.get("directory")])
        for update in updates
    }
    assert set(folders) == {"uv", "npm", "github-actions"}
    places = [PROJECT / folder.strip("/") for folder in folders["uv"]]
    assert sorted(places) == sorted(lock.parent for lock in locks())
    of_npm = [PROJECT / folder.strip("/") / "package-lock.json" for folder in folders["npm"]]
    assert sorted(of_npm) == sorted(PROJECT / path for path in files() if path.name == "package-lock.json")


@pytest.mark.parametrize("quote", ["", '"'])
def test_the_base_image_is_kept_fresh_where_it_is_named(quote: str) -> None:
    settings = json.loads((GITHUB / "renovate.json").read_text())
    (manager,) = settings["customManagers"]
    (pattern,) = manager["matchStrings"]
    digest = f"sha256:{'a1' * 32}"
    found = re.search(
        pattern.replace("(?<", "(?P<"), f"image:\n  base: {quote}{DEFAULT_BASE_IMAGE}@{digest}{quote}\n"
    )
    assert found
    assert found.groupdict() == {"depName": "debian", "currentValue": "trixie-slim", "currentDigest": digest}
    dockerfile = (PROJECT / "container/Dockerfile").read_text()
    assert f"\nARG BASE_IMAGE={DEFAULT_BASE_IMAGE}\n" in dockerfile
    assert "dockerfile" in settings["enabledManagers"]


def test_whatever_is_installed_by_pip_is_held_to_hashes() -> None:
    tracked = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "sandbox",
            "container",
            "stacks",
            "examples",
            "tools",
            ".github",
            ".ci",
            "Makefile",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    installing = [
        f"{name}: {line.strip()}"
        for name in filter(None, tracked)
        for line in (PROJECT / name).read_text(errors="replace").splitlines()
        if re.search(r"\bpip install -", line) and not line.lstrip().startswith("#")
    ]
    assert installing
    # Nothing is downloaded for the project itself.
    free = [line for line in installing if "--require-hashes" not in line and "--no-deps" not in line]
    assert free == []


def test_uv_is_one_version_with_hashes() -> None:
    first, *others = (PROJECT / "tools" / "uv.txt").read_text().splitlines()
    assert re.fullmatch(r"uv==\d+\.\d+\.\d+ \\", first)
    assert others
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in others)
