"""What can go wrong with a CVAT server, by what can be done about it.

Every message is a message for the page: what happened, and what to do.
"""


class CvatError(RuntimeError):
    """CVAT did not do what was asked."""


class CvatUnavailableError(CvatError):
    """It will pass: CVAT is down, restarting, slow or wants to be left alone for a while.

    Attributes:
        retry_after: Seconds that CVAT asked us to wait; None if it did not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CvatBrokenError(CvatUnavailableError):
    """CVAT failed inside (500): it may pass, but not if it goes on like this."""


class CvatDeniedError(CvatError):
    """CVAT does not know us, or does not let us: somebody must see to our account there.

    Attributes:
        is_unknown: It does not know us (any more).
    """

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown


class CvatGoneError(CvatError):
    """What was asked for is not there, or not any more."""


class CvatRefusedError(CvatError):
    """CVAT does not take what it was given.

    Attributes:
        status: Of HTTP.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
