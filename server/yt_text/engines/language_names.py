"""Languages by their English names, as services that run Whisper say them."""

from yt_text.engines.languages import WHISPER_LANGUAGES, standard_tag, whisper_code

# In the order of `WHISPER_LANGUAGES`.
_NAMES = (
    "english chinese german spanish russian korean french japanese portuguese turkish polish catalan dutch arabic "
    "swedish italian indonesian hindi finnish vietnamese hebrew ukrainian greek malay czech romanian danish "
    "hungarian tamil norwegian thai urdu croatian bulgarian lithuanian latin maori malayalam welsh slovak telugu "
    "persian latvian bengali serbian azerbaijani slovenian kannada estonian macedonian breton basque icelandic "
    "armenian nepali mongolian bosnian kazakh albanian swahili galician marathi punjabi sinhala khmer shona yoruba "
    "somali afrikaans occitan georgian belarusian tajik sindhi gujarati amharic yiddish lao uzbek faroese "
    "haitian-creole pashto turkmen nynorsk maltese sanskrit luxembourgish myanmar tibetan tagalog malagasy assamese "
    "tatar hawaiian lingala hausa bashkir javanese sundanese cantonese"
)
_OTHER_NAMES = {
    "burmese": "my",
    "castilian": "es",
    "filipino": "tl",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
}
_CODES = dict(zip(_NAMES.split(), WHISPER_LANGUAGES, strict=True)) | _OTHER_NAMES


def named_language(name: str) -> str:
    """The BCP-47 tag of a language named as `english`, `en` or `en-GB`; empty if it is none that we know."""
    name = name.strip().casefold()
    code = _CODES.get(name.replace(" ", "-")) or whisper_code(name)
    return standard_tag(code) if code else ""
