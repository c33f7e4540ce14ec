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
    # Of the actions, finer.
    DRAFT_STAYS = "FailedOperation.DraftConfigCanNotDelete"
    VERSION_IN_USE = "FailedOperation.JobConfigOnPublish"
    BAD_SCRIPT = "FailedOperation.GrammarCheckFailure"
    BAD_PATH = "InvalidParameter.JobDetailUriNotValidCode"
    BAD_PROPERTIES = "InvalidParameter.UnsupportedFlinkConf"
    BAD_WORKSPACE_NAME = "InvalidParameter.InvalidItemSpaceName"
    TAKEN_FOLDER_NAME = "InvalidParameter.DuplicatedFolderName"
    TAKEN_WORKSPACE_NAME = "InvalidParameter.DuplicatedSpaceName"
    TAKEN_VARIABLE_NAME = "InvalidParameter.CreateVariableExists"
    INVALID_ENTRYPOINT = "InvalidParameterValue.JobTypeCombineWithEntrypointClass"
    INVALID_JOB_NAME = "InvalidParameterValue.JobName"
    INVALID_LIMIT = "InvalidParameterValue.InvalidLimit"
    INVALID_ORDER_TYPE = "InvalidParameterValue.OrderType"
    INVALID_RUN_TYPE = "InvalidParameterValue.RunType"
    INVALID_STOP_TYPE = "InvalidParameterValue.UnknownStopType"
    INVALID_TIMES = "InvalidParameterValue.Timestamp"
    INVALID_VARIABLE_NAME = "InvalidParameterValue.VariableName"
    TAKEN_JOB_NAME = "InvalidParameterValue.JobNameExisted"
    TOO_MANY_JOBS = "InvalidParameterValue.RunJobDescriptionsCount"
    UNSUPPORTED_COMPOSITE = "InvalidParameterValue.UnSupportedComposite"
    JOB_IS_BUSY = "ResourceInUse.InstanceInProcess"
    NOT_ENOUGH_CU = "ResourceInsufficient.CU"
    NO_CLUSTER = "ResourceNotFound.ClusterId"
    NO_JOB = "ResourceNotFound.JobId"
    NO_VERSION = "ResourceNotFound.JobConfig"
    CLUSTER_AWAY = "ResourceUnavailable.Cluster"
    NO_PUBLISHED_VERSION = "ResourceUnavailable.GetJobPublishedJobConfig"
    NOT_RUNNING = "ResourceUnavailable.NoRunningJobInstancesFoundForJobId"
    NOT_DELETABLE = "ResourceUnavailable.NotAllowedToBeDeleted"
    NOT_STOPPABLE = "ResourceUnavailable.NotAllowedToBeStopOrPause"


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
