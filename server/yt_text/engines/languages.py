"""Languages as Whisper models number them, and how BCP-47 tags map to them."""

AUTO = "auto"
"""Asks the engine to find out which language it hears."""

ENGLISH = "en"

_IN_ORDER = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt "
    "la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc "
    "ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue"
)
WHISPER_LANGUAGES = tuple(_IN_ORDER.split())
"""In the order of the models' language tokens; older models lack the last one."""

# Tags that mean one of the above, under another name.
_ALIASES = {"cmn": "zh", "fil": "tl", "in": "id", "iw": "he", "ji": "yi", "jv": "jw", "nb": "no"}
_STANDARD_NAMES = {"jw": "jv"}

WHISPER_TAGS = tuple(_STANDARD_NAMES.get(code, code) for code in WHISPER_LANGUAGES)
"""The same as BCP-47 tags."""


def primary_language(tag: str) -> str:
    """The language of a BCP-47 tag, in small letters: `en` for `en-GB`."""
    return tag.replace("_", "-").split("-", 1)[0].lower()


def whisper_code(tag: str) -> str | None:
    """Whisper's code for a BCP-47 tag, or None if no Whisper model knows the language."""
    language = primary_language(tag)
    code = _ALIASES.get(language, language)
    return code if code in WHISPER_LANGUAGES else None


def standard_tag(code: str) -> str:
    """The BCP-47 tag of a Whisper code."""
    return _STANDARD_NAMES.get(code, code)
