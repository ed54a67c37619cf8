"""Errors of a CVAT server, by what can be done about them.

Every message is shown on a page: what happened, and what to do.
"""


class CvatError(RuntimeError):
    """CVAT did not do what was asked."""


class CvatUnavailableError(CvatError):
    """Temporary: CVAT is down, restarting, slow or throttling.

    Attributes:
        retry_after: Seconds that CVAT asked us to wait; None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CvatBrokenError(CvatUnavailableError):
    """CVAT failed internally (500): possibly temporary, not if it is repeated."""


class CvatDeniedError(CvatError):
    """CVAT rejects our account or its permissions: somebody must correct the account.

    Attributes:
        is_unknown: The credentials are invalid or expired.
    """

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown


class CvatGoneError(CvatError):
    """The requested object does not exist, or was deleted."""


class CvatRefusedError(CvatError):
    """CVAT rejects the request as invalid.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class CvatTooLongError(CvatError):
    """What CVAT sends is longer than what is read of it."""
