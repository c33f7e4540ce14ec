"""How the API says no: the official codes, each with a sentence of ours."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """The official error codes that this console uses. A test compares them with those of the official clients."""

    # At the gate.
    INVALID_AUTHORIZATION = "AuthFailure.InvalidAuthorization"
    SECRET_ID_NOT_FOUND = "AuthFailure.SecretIdNotFound"
    SIGNATURE_EXPIRE = "AuthFailure.SignatureExpire"
    SIGNATURE_FAILURE = "AuthFailure.SignatureFailure"
    TOKEN_FAILURE = "AuthFailure.TokenFailure"
    INTERNAL_ERROR = "InternalError"
    INVALID_ACTION = "InvalidAction"
    NO_SUCH_VERSION = "NoSuchVersion"
    REQUEST_LIMIT_EXCEEDED = "RequestLimitExceeded"
    REQUEST_SIZE_LIMIT_EXCEEDED = "RequestSizeLimitExceeded"
    UNSUPPORTED_PROTOCOL = "UnsupportedProtocol"
    # What is asked for can't be understood, or not be done here at all.
    INVALID_PARAMETER = "InvalidParameter"
    INVALID_PARAMETER_VALUE = "InvalidParameterValue"
    MISSING_PARAMETER = "MissingParameter"
    UNKNOWN_PARAMETER = "UnknownParameter"
    UNSUPPORTED_OPERATION = "UnsupportedOperation"
    # Of the actions.
    FAILED_OPERATION = "FailedOperation"
    UNAUTHORIZED_OPERATION = "AuthFailure.UnauthorizedOperation"
    RESOURCE_NOT_FOUND = "ResourceNotFound"


class ApiError(Exception):
    """End a call with an official code and a sentence, as Refusal does for pages: in the language of whoever reads it."""

    def __init__(self, code: Code, sentence: object, **values: object) -> None:
        super().__init__(code, sentence)
        self.code = code
        self._sentence, self._values = sentence, values

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def message(self) -> str:
        return str(self._sentence) % self._values if self._values else str(self._sentence)
