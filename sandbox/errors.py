"""The errors of the sandbox. Each message says what failed, what was found, and what to do.

SandboxError
├── PreflightError        this machine lacks something
├── StartError            a part of the sandbox did not come up
├── CloudError            the embedded AWS refused or did not answer
├── DeployError           bootstrap or deploy failed
├── CheckFailedError      the sandbox runs, but does not do what it should
└── CoreError             the core cannot do what its deployment asks
    ├── RecipeError       the recipe has no form that a nucleus would run
    ├── InterpolationError  a variable of the recipe has no value
    ├── ArtifactError     an artifact cannot be had, or is not what the recipe promised
    └── ScriptError       a lifecycle script failed
"""

from __future__ import annotations


class SandboxError(Exception):
    """Anything that the sandbox reports in plain words instead of a traceback."""


class PreflightError(SandboxError):
    """This machine lacks something; found out before anything was started."""


class StartError(SandboxError):
    """A part of the sandbox did not come up."""


class CloudError(SandboxError):
    """The embedded AWS refused a request or did not answer."""


class DeployError(SandboxError):
    """`cdk bootstrap` or `cdk deploy` failed."""


class CheckFailedError(SandboxError):
    """The sandbox runs, but does not do what it should."""


class CoreError(SandboxError):
    """The core cannot do what its deployment asks."""


class RecipeError(CoreError):
    """The recipe has no form that a nucleus would run."""


class InterpolationError(CoreError):
    """A variable of the recipe has no value."""


class ArtifactError(CoreError):
    """An artifact cannot be had, or is not what the recipe promised."""


class ScriptError(CoreError):
    """A lifecycle script failed or took too long."""
