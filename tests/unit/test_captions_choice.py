"""Which captions are taken, of what yt-dlp tells in its several shapes."""

from typing import Any

import pytest

from yt_text.intake.captions_choice import Info, Track, choose_tracks, tag_of

YOUTUBE_FORMS = ("json3", "srv1", "srv2", "srv3", "ttml", "srt", "vtt")


def youtube(language: str, translated_to: str = "") -> list[dict[str, Any]]:
    """A track as YouTube's extractor gives it: the same link in every form."""
    end = f"&tlang={translated_to}" if translated_to else ""
    link = f"https://www.youtube.com/api/timedtext?v=x&lang={language}"
    return [{"ext": form, "url": f"{link}&fmt={form}{end}", "name": language} for form in YOUTUBE_FORMS]


def automatic(original: str, *translations: str) -> dict[str, Any]:
    """Automatic captions as YouTube has them: the original twice, and a machine's translations of it."""
    tracks = {f"{original}-orig": youtube(original), original: youtube(original)}
    return tracks | {language: youtube(original, language) for language in translations}


def taken(info: Info, language: str = "auto") -> list[tuple[str, bool]]:
    return [(track.language_code, track.automatic) for track in choose_tracks(info, language)]


def one(ext: str | None = "vtt", **values: object) -> list[dict[str, Any]]:
    return [{"ext": ext, "url": f"https://x.example/captions.{ext}", **values}]


LIVE_CHAT = {"live_chat": [{"ext": "json", "url": "https://x.example/chat", "protocol": "youtube_live_chat_replay"}]}


def test_manual_captions_come_before_automatic_ones() -> None:
    info = {"subtitles": {"de": youtube("de"), "en": youtube("en")}, "automatic_captions": automatic("en", "de")}
    assert taken(info, "en") == [("en", False), ("en", True)]
    assert taken(info) == [("en", False), ("en", True)], "the original automatic track tells what is spoken"


def test_a_machines_translation_is_never_taken() -> None:
    info = {"subtitles": {}, "automatic_captions": automatic("en", "de", "fr")}
    assert taken(info, "de") == []
    assert taken(info, "en") == [("en", True)]
    assert taken(info) == [("en", True)]
    unmarked = {"automatic_captions": {"de": youtube("en", "de"), "fr": youtube("en", "fr")}}
    assert taken(unmarked, "de") == taken(unmarked) == []


def test_the_language_of_the_sound_is_the_recordings_own() -> None:
    dubbed = [
        {"acodec": "opus", "language": "fr", "language_preference": -1},
        {"acodec": "opus", "language": "ja", "language_preference": 10},
        {"acodec": "none", "language": "xx", "language_preference": 10},
    ]
    info = {"formats": dubbed, "language": "fr", "subtitles": {"en": one(), "ja": one(), "fr": one()}}
    assert taken(info) == [("ja", False)]
    info["subtitles"] = {"en": one()}
    assert taken(info) == [], "a translation is not what was said"
    assert taken(info, "en") == [("en", False)], "but it can be asked for"


def test_several_languages_of_sound_tell_nothing() -> None:
    formats = [{"acodec": "aac", "language": "en"}, {"acodec": "aac", "language": "de"}]
    assert taken({"formats": formats, "subtitles": {"en": one(), "de": one()}}) == []


def test_where_nothing_is_told_the_only_track_is_taken() -> None:
    assert taken({"subtitles": {"de": one()}}) == [("de", False)]
    assert taken({"subtitles": {None: one()}}) == [("", False)]
    assert taken({"subtitles": {"de": one(), "en": one()}}) == []
    assert taken({"automatic_captions": {"en-x-autogen": one()}}) == [("en", True)]
    assert taken({"automatic_captions": {"en": one(), "de": one()}}) == []


def test_an_unnamed_track_is_in_the_recordings_language() -> None:
    assert taken({"language": "en-US", "subtitles": {"und": one()}}) == [("en-US", False)]
    assert taken({"language": "en", "subtitles": {"und": one(), "fr": one()}}) == []
    assert taken({"subtitles": {"und": one()}}, "en") == []


@pytest.mark.parametrize(
    ("wanted", "names", "expected"),
    [
        ("en-GB", ["en-US", "en", "en-GB"], ["en-GB", "en", "en-US"]),
        ("en", ["en-US", "de"], ["en-US"]),
        ("en", ["en-nP7-2PuUl7o"], ["en"]),
        ("pt-BR", ["pt_BR", "pt-PT"], ["pt-BR", "pt-PT"]),
        ("zh-Hant", ["zh-Hans", "zh-TW"], ["zh-TW"]),
        ("zh", ["zh-Hans"], ["zh-Hans"]),
        ("de", ["ger"], ["de"]),
        ("nb", ["no"], ["no"]),
        ("yue", ["zh"], []),
        ("en", ["enm", "English", "e"], []),
    ],
)
def test_a_language_goes_by_several_names(wanted: str, names: list[str], expected: list[str]) -> None:
    assert [code for code, _ in taken({"subtitles": {name: one() for name in names}}, wanted)] == expected


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("en", "en"), ("EN-us", "en-US"), ("en-orig", "en"), ("eng", "en"), ("fre", "fr"), ("zh-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"), ("yue", "yue"), ("und", ""), (None, ""), ("", ""), ("English", ""), ("\u82f1\u8bed", ""),
        ("live_chat", ""),
    ],
)  # fmt: skip
def test_a_tag_is_found_in_a_tracks_name(name: object, tag: str) -> None:
    assert tag_of(name) == tag


def test_the_form_that_tells_most_comes_first() -> None:
    (track,) = choose_tracks({"subtitles": {"en": youtube("en")}}, "en")
    assert [source["ext"] for source in track.sources] == ["json3", "vtt", "srt", "ttml"]
    twice = [{"ext": "vtt", "url": "https://x.example/low"}, {"ext": "vtt", "url": "https://x.example/high"}]
    (track,) = choose_tracks({"subtitles": {"en": [*twice, *one("php")]}}, "en")
    assert [source["url"].rpartition("/")[2] for source in track.sources] == ["high", "low", "captions.php"]


@pytest.mark.parametrize(
    "sources",
    [
        one("json"), one("srv3"), one("ass"), one("vtt", protocol="rtmp"), one("mp4"), one("vtt", url=""),
        one("vtt", fragments=[{"url": "https://x.example/1"}]), [], None,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_track(sources: Any) -> None:
    assert choose_tracks({"subtitles": {"en": sources}}, "en") == []


def test_the_chat_of_a_broadcast_is_no_track() -> None:
    assert taken({"subtitles": {**LIVE_CHAT, "en": one()}}) == [("en", False)]
    assert taken({"subtitles": LIVE_CHAT}) == []


def test_captions_may_be_in_what_was_found_already() -> None:
    (track,) = choose_tracks({"subtitles": {"en": [{"ext": "srt", "data": "1"}]}}, "auto")
    assert track == Track("en", False, ({"ext": "srt", "data": "1"},))


@pytest.mark.parametrize("info", [{}, {"subtitles": None, "automatic_captions": None}, {"subtitles": []}])
def test_a_site_may_have_none(info: Info) -> None:
    assert choose_tracks(info, "auto") == choose_tracks(info, "en") == []
