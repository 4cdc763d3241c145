"""The errors that the added services answer with."""

from __future__ import annotations

from sandbox.aws.ministack import host


class ServiceError(Exception):
    """An error of an AWS service: `status` and `error_type` go over the wire."""

    status = 400
    error_type = "ValidationException"

    def __init__(self, message: str, **extra: str) -> None:
        super().__init__(message)
        self.extra = extra

    def answer(self) -> host.Answer:
        """The HTTP answer that the SDKs turn into their modelled exception."""
        return host.answer_error(self.error_type, str(self), self.status, **self.extra)


class InvalidError(ServiceError):
    """The request does not satisfy the service's model."""


class NotFoundError(ServiceError):
    """The named resource does not exist."""

    status = 404
    error_type = "ResourceNotFoundException"


class ConflictError(ServiceError):
    """The request conflicts with what exists: component versions are immutable."""

    status = 409
    error_type = "ConflictException"


class ForbiddenError(ServiceError):
    """The caller may not have what it asks for."""

    status = 403
    error_type = "AccessDeniedException"


class AlreadyExistsError(ServiceError):
    """AWS IoT's word for a conflict of names."""

    status = 409
    error_type = "ResourceAlreadyExistsException"
