"""Chooses which of a site's captions to take. Runs in the fetch child only.

Those that people made come before automatic ones, in the language that was asked for or that is spoken.
A translation by a machine is never taken: it is not what was said.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from yt_dlp.utils import ISO639Utils

from yt_text.engines.languages import AUTO, primary_language, whisper_code

Info = dict[str, Any]
Source = dict[str, Any]
"""One file of a track, as yt-dlp describes it: `url` or `data`, and `ext`."""

_ORIGINAL = "-orig"
# In order of preference; a form that is not known is tried last.
_FORMS = ("json3", "vtt", "srt", "ttml", "dfxp", "xml")
# What cannot be read, or is no speech: other people's comments, above all.
_NOT_READ = frozenset({"json", "srv1", "srv2", "srv3", "ass", "ssa", "scc", "sami", "smi", "lrc", "mp4", "m4s"})
_PROTOCOLS = frozenset({"", "http", "https", "m3u8", "m3u8_native"})
# Scripts by name: `-orig`, `-auto` and the like are as long.
_SCRIPT = "hans|hant|latn|cyrl|arab|deva|guru|beng|hebr|mong|tfng"
_TAG = re.compile(rf"([a-z]{{2,3}})(?:-({_SCRIPT}))?(?:-([a-z]{{2}}|\d{{3}}))?(?![^-])", re.IGNORECASE)
_NO_LANGUAGE = frozenset({"und", "mul", "zxx", "mis", "unk"})
# The other codes of ISO 639-2 for the same languages, which yt-dlp does not know.
_BIBLIOGRAPHIC = {
    "alb": "sq",
    "arm": "hy",
    "baq": "eu",
    "bur": "my",
    "chi": "zh",
    "cze": "cs",
    "dut": "nl",
    "fre": "fr",
    "geo": "ka",
    "ger": "de",
    "gre": "el",
    "ice": "is",
    "mac": "mk",
    "mao": "mi",
    "may": "ms",
    "per": "fa",
    "rum": "ro",
    "slo": "sk",
    "tib": "bo",
    "wel": "cy",
}
_SCRIPTS = {"CN": "Hans", "SG": "Hans", "TW": "Hant", "HK": "Hant", "MO": "Hant"}


@dataclass(frozen=True)
class Track:
    """Captions in one language; `sources` hold the same in several forms, the best first.

    `language_code` is a BCP-47 tag, empty if the site does not tell.
    """

    language_code: str
    automatic: bool
    sources: tuple[Source, ...]


def choose_tracks(info: Info, language_code: str) -> list[Track]:
    """Returns the tracks that may be taken, the best first; none if there is no fitting one.

    Args:
        info: what yt-dlp found.
        language_code: BCP-47 tag, or `auto` for the language of the recording.
    """
    manual = list(_tracks(info.get("subtitles"), automatic=False))
    automatic = list(_originals(info.get("automatic_captions")))
    if language_code != AUTO:
        return [*_in_language(manual, language_code), *_in_language(automatic, language_code)]
    spoken = _spoken_language(info)
    if not spoken and len(automatic) == 1:
        spoken = automatic[0].language_code
    if spoken:
        fitting = [*_in_language(manual, spoken), *_in_language(automatic, spoken)]
        # One that does not say its language is in that of the recording rather than a translation.
        unnamed = [Track(spoken, False, track.sources) for track in manual if not track.language_code]
        return fitting or (unnamed if len(manual) == 1 else [])
    return manual if len(manual) == 1 else automatic if len(automatic) == 1 else []


def tag_of(name: object) -> str:
    """The BCP-47 tag in a track's name, such as `en` in `en-orig` or `eng`; empty if there is none."""
    found = _TAG.match(str(name or "").replace("_", "-"))
    if found is None:
        return ""
    language = found[1].lower()
    if len(language) == 3:
        language = _BIBLIOGRAPHIC.get(language) or ISO639Utils.long2short(language) or language
    if language in _NO_LANGUAGE:
        return ""
    return "-".join(part for part in (language, (found[2] or "").title(), (found[3] or "").upper()) if part)


def _tracks(captions: object, *, automatic: bool) -> Iterator[Track]:
    if not isinstance(captions, dict):
        return
    for name, sources in captions.items():
        # Of the same form the last is the best, as yt-dlp orders them.
        readable = [source for source in reversed(sources or ()) if _is_readable(source)]
        readable.sort(key=_form)
        if readable:
            yield Track(tag_of(name), automatic, tuple(readable))


def _originals(captions: object) -> Iterator[Track]:
    """Yields automatic tracks of what was said; where some are marked as original, the others are translations."""
    if not isinstance(captions, dict):
        return
    marked = {name: sources for name, sources in captions.items() if str(name).endswith(_ORIGINAL)}
    for track in _tracks(marked or captions, automatic=True):
        own = tuple(source for source in track.sources if not _is_translation(source))
        if own:
            yield Track(track.language_code, True, own)


def _is_readable(source: Source) -> bool:
    """Tells whether it is a file that can be fetched and read."""
    ext, protocol = str(source.get("ext") or ""), str(source.get("protocol") or "")
    return bool(
        ext not in _NOT_READ
        and protocol in _PROTOCOLS
        and not source.get("fragments")
        and (source.get("data") is not None or source.get("url"))
    )


def _is_translation(source: Source) -> bool:
    """Tells a translation that YouTube would make."""
    try:
        return "tlang" in parse_qs(urlsplit(str(source.get("url") or "")).query)
    except ValueError:
        return False


def _form(source: Source) -> int:
    ext = source.get("ext")
    return _FORMS.index(ext) if ext in _FORMS else len(_FORMS)


def _in_language(tracks: Iterable[Track], wanted: str) -> list[Track]:
    """Returns the tracks in a language: the very tag first, then the plain language, then other regions."""
    fitting = [track for track in tracks if _is_same(track.language_code, wanted)]
    return sorted(fitting, key=lambda track: (track.language_code != tag_of(wanted), "-" in track.language_code))


def _is_same(tag: str, wanted: str) -> bool:
    if not tag or _language(tag) != _language(wanted):
        return False
    return _language(tag) != "zh" or not _script(tag) or not _script(wanted) or _script(tag) == _script(wanted)


def _language(tag: str) -> str:
    """One name for a language that has several: `no` for `nb`."""
    tag = tag_of(tag) or tag
    return whisper_code(tag) or primary_language(tag)


def _script(tag: str) -> str:
    """How Chinese is written, empty if the tag does not say."""
    found = _TAG.match(tag.replace("_", "-"))
    if found is None:
        return ""
    return (found[2] or "").title() or _SCRIPTS.get((found[3] or "").upper(), "")


def _spoken_language(info: Info) -> str:
    """The language of the recording, empty if the site does not tell, or tells several."""
    formats: list[Info] = [found for found in info.get("formats") or [] if found.get("acodec") != "none"]
    rank = max((_preference(found) for found in formats), default=-1)
    spoken = {tag_of(found.get("language")) for found in formats if _preference(found) == rank} - {""}
    if len(spoken) == 1:
        return spoken.pop()
    return "" if spoken else tag_of(info.get("language"))


def _preference(found: Info) -> int:
    preference = found.get("language_preference")
    return -1 if preference is None else int(preference)
