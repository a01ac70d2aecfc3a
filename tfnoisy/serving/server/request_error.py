"""Why a request is refused, in the words of both protocols."""

# The longest message: gRPC sends it as a header.
_MAX_MESSAGE = 500
_HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}


class RequestError(Exception):
    """A request that is not answered; the message says why.

    Attributes:
        code: the name of the status in gRPC.
    """

    def __init__(self, message, code="INVALID_ARGUMENT"):
        """Takes the message, of which too long a part is left out."""
        super().__init__(shortened(message))
        self.code = code

    @property
    def http_status(self):
        """The status in HTTP."""
        return _HTTP_STATUS[self.code]


def shortened(message):
    """Returns a message of at most some hundred characters."""
    message = str(message)
    if len(message) <= _MAX_MESSAGE:
        return message
    return f"{message[: _MAX_MESSAGE - 20]} ... ({len(message):,} characters)"
