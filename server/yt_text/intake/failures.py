"""Every way in which bringing a recording fails: its reason, what to tell people, whether to try again.

Nothing of another program's text is in a message: it may hold links, paths and addresses. `site_errors`
says which of these a site's answer is.
"""

from dataclasses import dataclass

from yt_text.errors import IntakeError, Reason


@dataclass(frozen=True)
class Failure:
    """One way to fail. `message` may name facts in braces, which are then given to `error`."""

    reason: Reason
    message: str
    retryable: bool = False

    def error(self, **metadata: str) -> IntakeError:
        """The error to raise, with its facts filled in."""
        message = self.message.format(**metadata)
        return IntakeError(self.reason, message, retryable=self.retryable, **metadata)


class Stop(BaseException):
    """Ends what a fetch child does, whatever that is.

    Not an `Exception`: yt-dlp catches those, tries again, or goes on without what it wanted.
    """

    def __init__(self, failure: Failure, **metadata: str) -> None:
        self.error = failure.error(**metadata)
        super().__init__(self.error.message)


_UPLOAD = "Download it yourself and upload the file."

# The link
ADDRESS_NOT_ALLOWED = Failure(
    Reason.ADDRESS_NOT_ALLOWED,
    "The link leads to an address that this service may not reach. Give a link to a public site.",
)
NO_MEDIA = Failure(
    Reason.NO_MEDIA_FOUND,
    "No recording was found at the link. Give the link of a page with a player, or of a media file.",
)
NOT_MEDIA = Failure(
    Reason.NO_MEDIA_FOUND,
    "What the site gave is text, not a recording. Check the link; it may have expired or need a login.",
)
UNUSABLE_LINK = Failure(
    Reason.NO_MEDIA_FOUND, "The link, or one that the site gave, cannot be followed. Check the link."
)
PAGE_TOO_LARGE = Failure(
    Reason.NO_MEDIA_FOUND,
    "The page at the link is too large to be one with a recording. Give the link of a media file.",
)
PLAYLIST = Failure(
    Reason.PLAYLIST_NOT_SUPPORTED,
    "There is more than one recording at the link. Give the link of each; several can be submitted as a batch.",
)
LIVE = Failure(
    Reason.LIVE_NOT_SUPPORTED,
    "The broadcast has not begun or is still running. Give the link again when its recording is there.",
)

# The site's rules
LOGIN = Failure(Reason.LOGIN_REQUIRED, f"The recording needs an account at its site. {_UPLOAD}")
BOT_CHECK = Failure(
    Reason.BOT_CHECK,
    f"The site wants proof that a person is asking, which this service cannot give. {_UPLOAD}",
)
GEO_BLOCKED = Failure(
    Reason.GEO_BLOCKED, f"The site does not give the recording to the region of this service. {_UPLOAD}"
)
DRM = Failure(
    Reason.DRM_PROTECTED,
    "The recording is protected against copying (DRM). Use one that is not, or upload a file.",
)
ACCESS_DENIED = Failure(Reason.ACCESS_DENIED, f"The site refuses to give the recording to this service. {_UPLOAD}")
GONE = Failure(Reason.RECORDING_GONE, "The recording is not there any more. Check the link.")
NOT_FOUND = Failure(Reason.RECORDING_GONE, "There is nothing at the link. Check the link.")

# The site's state
RATE_LIMITED = Failure(
    Reason.SITE_RATE_LIMITED, "The site gets too many requests from this service. Try again later.", retryable=True
)
SITE_ERROR = Failure(Reason.SITE_ERROR, "The site failed to answer. Try again later.", retryable=True)
ODD_ANSWER = Failure(Reason.SITE_ERROR, "The site did not accept the request. Check the link.")
UNREACHABLE = Failure(Reason.SITE_UNREACHABLE, "The connection to the site failed. Try again later.", retryable=True)
NAME_UNKNOWN = Failure(Reason.SITE_UNREACHABLE, "There is no site of that name. Check the link.")
NAME_NOT_RESOLVED = Failure(
    Reason.SITE_UNREACHABLE, "The site's name could not be looked up. Try again later.", retryable=True
)
CONNECT_FAILED = Failure(
    Reason.SITE_UNREACHABLE,
    "The site takes no connections. Check the link, or try again later.",
    retryable=True,
)
CONNECT_TIMEOUT = Failure(Reason.SITE_UNREACHABLE, "The site did not answer in time. Try again later.", retryable=True)
BAD_CERTIFICATE = Failure(Reason.SITE_UNREACHABLE, "The site's certificate is not valid. Check the link.")
EXTRACTOR = Failure(
    Reason.EXTRACTOR_FAILED,
    f"The site's pages could not be understood; it may have changed. Update yt-dlp. {_UPLOAD}",
)

# The recording
EMPTY = Failure(Reason.RECORDING_EMPTY, "The recording is empty. Check the link.")
NO_AUDIO = Failure(Reason.NO_AUDIO_TRACK, "The recording has no sound. Give one in which somebody speaks.")
TOO_LARGE = Failure(
    Reason.RECORDING_TOO_LARGE,
    "The recording is larger than the limit of {max_bytes} bytes. Give a smaller one.",
)
TOO_LONG = Failure(
    Reason.RECORDING_TOO_LONG,
    "The recording lasts {duration_s} s; the limit is {max_duration_s} s. Give a shorter one.",
)

# The captions
NO_CAPTIONS = Failure(
    Reason.NO_CAPTIONS,
    "The site has no captions of what is said. Ask for the text of the speech instead.",
)
CAPTIONS_UNREADABLE = Failure(
    Reason.CAPTIONS_UNREADABLE,
    "The site's captions are not in a form that can be read. Ask for the text of the speech instead.",
)
CAPTIONS_TOO_LARGE = Failure(
    Reason.RECORDING_TOO_LARGE,
    "The site's captions are larger than the limit of {max_captions_bytes} bytes. "
    "Ask for the text of the speech instead.",
)
CAPTIONS_TOO_MANY = Failure(
    Reason.RECORDING_TOO_LARGE,
    "The site has more than {max_captions_segments} captions for the recording. "
    "Ask for the text of the speech instead.",
)

# The download
CHANGED = Failure(
    Reason.FETCH_FAILED, "The recording changed at the site while it was fetched. Try again.", retryable=True
)
EXPIRED = Failure(Reason.FETCH_FAILED, "The site stopped giving the recording on the way. Try again.", retryable=True)
STALLED = Failure(
    Reason.FETCH_FAILED, "The site sent nothing for {stall_timeout_s} s. Try again later.", retryable=True
)
TOO_SLOW = Failure(Reason.FETCH_FAILED, f"The download took longer than the limit of {{total_timeout_s}} s. {_UPLOAD}")
NO_METADATA = Failure(
    Reason.SITE_UNREACHABLE,
    "The site did not name a recording within {metadata_timeout_s} s. Try again later.",
    retryable=True,
)
DISK_FULL = Failure(Reason.DISK_FULL, "The disk of the service is full. Try again later.", retryable=True)
MEMORY = Failure(Reason.FETCH_FAILED, f"The page took more memory than a fetch may use. {_UPLOAD}")
CPU = Failure(Reason.FETCH_FAILED, f"The page took more computing than a fetch may use. {_UPLOAD}")
KILLED = Failure(Reason.FETCH_FAILED, "The download was interrupted. Try again.", retryable=True)
FAILED = Failure(Reason.FETCH_FAILED, "The recording could not be fetched. Try again later.", retryable=True)
