"""Settings of the pipeline: which repository at GitHub may deploy, and from where."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from edgecam.config.forms import form
from edgecam.config.validation import Model


def _repository(text: str) -> str:
    # An asterisk, which GitHub's names cannot have, would let in each owner of a fitting name.
    if not re.fullmatch(r"[A-Za-z0-9-]+(@\d+)?/[\w.-]+(@\d+)?", text) or text.count("@") == 1:
        raise ValueError(
            "expected OWNER/NAME, or OWNER@ID/NAME@ID where the repository has immutable subject claims "
            "(gh api repos/OWNER/NAME/actions/oidc/customization/sub says which)"
        )
    return text


def _plain(text: str) -> str:
    if not re.fullmatch(r"[\w./-]{1,200}", text):
        raise ValueError("expected letters, digits, and . / _ - between them, no pattern")
    return text


Repository = Annotated[str, AfterValidator(_repository)]
PlainName = Annotated[str, AfterValidator(_plain)]


Qualifier = Annotated[str, form(r"[A-Za-z0-9_-]{1,10}", "1 to 10 letters, digits, hyphens and underscores")]


class Pipeline(Model):
    """Who may deploy without a stored key: jobs of one repository, in one environment, on one branch."""

    repository: Repository = Field(
        description="The repository at GitHub: `OWNER/NAME`; one made after July 2026 `OWNER@ID/NAME@ID`."
    )
    branch: PlainName = Field(default="main", description="The branch that is deployed.")
    environment: PlainName = Field(
        default="production",
        description="The environment of the job that deploys, whose protection rules GitHub looks after.",
    )
    create_provider: bool = Field(
        default=True,
        description="false: GitHub is an identity provider of the account already; an account has it once.",
    )
    bootstrap_qualifier: Qualifier = Field(
        default="hnb659fds",
        description="The qualifier that `cdk bootstrap` was run with.",
    )
