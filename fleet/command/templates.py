"""Where the templates of a comparison come from: a fleet file, a git revision, or what is deployed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecam.errors import EdgecamError
from fleet.command.site_states import (
    States,
    Template,
    states_of,
    templates_in,
)
from fleet.physical_names import PhysicalNames

PROJECT = Path(__file__).resolve().parents[2]

_WITHOUT_AWS = "--git REVISION and --file FLEET compare without AWS"


@dataclass(frozen=True)
class Tree:
    """A fleet file, and the program that makes templates of it."""

    fleet: Path
    project: Path = PROJECT


def synthesized(*trees: Tree) -> list[States]:
    """The sites of each tree's templates.

    Raises:
        EdgecamError: the fleet has mistakes; with the program's messages.
    """
    return [states_of(templates.items()) for templates in templates_of(*trees)]


def templates_of(*trees: Tree) -> list[dict[str, Template]]:
    """Each tree's templates, by stack; trees are worked on side by side.

    Raises:
        EdgecamError: the fleet has mistakes; with the program's messages.
    """
    with tempfile.TemporaryDirectory() as folder:
        running = [
            (tree, Path(folder) / str(index), _synth(tree, Path(folder) / str(index)))
            for index, tree in enumerate(trees)
        ]
        errors_of = [process.communicate()[1] for _, _, process in running]
        for (tree, _, process), errors in zip(running, errors_of, strict=True):
            if process.returncode != 0:
                raise EdgecamError(errors.strip() or f"{tree.project}/app.py ended with {process.returncode}")
        return [templates_in(out) for _, out, _ in running]


def _synth(tree: Tree, out: Path) -> subprocess.Popen[str]:
    context = json.loads((tree.project / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    return subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=tree.project,
        env={
            **os.environ,
            # A revision's own modules, not those that are installed here.
            "PYTHONPATH": os.pathsep.join([str(tree.project / "container"), str(tree.project)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({**context, "fleet": str(tree.fleet.absolute())}),
            "CDK_VALIDATION": "false",  # it is about the templates' form, and takes longer than all the rest
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def revision(fleet: Path, name: str) -> Iterator[Tree]:
    """The fleet file of a git revision, with the program of that revision where one repository has both.

    Raises:
        EdgecamError: no repository, no such revision, or no such file there.
    """
    fleet = fleet.resolve()
    top = Path(_git(fleet.parent, "rev-parse", "--show-toplevel").decode().strip())
    try:
        commit = _git(top, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except EdgecamError:
        raise EdgecamError(f"revision {name}: expected a commit of {top}, found none") from None
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(io.BytesIO(_git(top, "archive", "--format=zip", commit))) as archive:
            archive.extractall(folder)
        then = Path(folder) / fleet.relative_to(top)
        if not then.is_file():
            raise EdgecamError(f"revision {name}: expected {fleet.relative_to(top)}, found no such file")
        project = Path(folder) / PROJECT.relative_to(top) if PROJECT.is_relative_to(top) else PROJECT
        yield Tree(then, project if (project / "app.py").is_file() else PROJECT)


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise EdgecamError("git: expected the program git, found none on this machine") from None
    if done.returncode != 0:
        raise EdgecamError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def deployed(names: PhysicalNames, account: str | None, region: str | None) -> dict[str, Template]:
    """The templates of a fleet's deployed stacks, by stack, read with the credentials of this shell.

    Args:
        names: Of the fleet.
        account: The account that the fleet file names, if it does.
        region: Its Region.

    Raises:
        EdgecamError: no credentials, another account's, or AWS refuses.
    """
    # Imported here: the other commands do without.
    import botocore.exceptions
    import botocore.session

    session = botocore.session.get_session()
    try:
        if account is not None:
            _expect_account(session.create_client("sts", region_name=region), account)
        cloudformation = session.create_client("cloudformation", region_name=region)
        found = [name for name in _stack_names(cloudformation) if names.owns_stack(name)]
        return {name: _template(cloudformation, name) for name in found}
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise EdgecamError(
            "the deployed stacks: expected credentials that may read them and a Region (AWS_PROFILE, "
            f"AWS_DEFAULT_REGION), found: {error} ({_WITHOUT_AWS})"
        ) from None


def _expect_account(sts: Any, account: str) -> None:
    found = sts.get_caller_identity()["Account"]
    if found != account:
        raise EdgecamError(
            f"the deployed stacks: expected credentials of account {account}, found those of {found}"
        )


def _stack_names(cloudformation: Any) -> list[str]:
    pages = cloudformation.get_paginator("list_stacks").paginate()
    return sorted(
        stack["StackName"]
        for page in pages
        for stack in page["StackSummaries"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
    )


def _template(cloudformation: Any, stack: str) -> Template:
    body = cloudformation.get_template(StackName=stack)["TemplateBody"]
    template: Template = json.loads(body) if isinstance(body, str) else body
    return template
