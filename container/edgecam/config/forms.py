"""Texts of a form: what was expected is said in words, not as the pattern that the text is held against."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator


def form(pattern: str, expected: str) -> AfterValidator:
    """Check a text against `pattern`, whole; the message has `expected` and not the pattern."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


Variable = Annotated[str, form(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")]

ProjectId = Annotated[
    str,
    # Older ones have the domain of their owner before a colon.
    form(
        r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "the id of a project at Google, such as our-project"
    ),
]

Audience = Annotated[
    str,
    form(
        r"//iam\.googleapis\.com/projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+"
        r"/providers/[a-z0-9-]+",
        "the full name of a workload identity provider, "
        "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
    ),
]

ServiceAccount = Annotated[
    str, form(r"[^@\s/]+@[^@\s/]+", "the address of a service account, NAME@PROJECT.iam.gserviceaccount.com")
]
