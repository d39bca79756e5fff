"""Choosing an engine, finding a model, listing what there is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import MICRO, wired_model
from yt_text.engines import catalog
from yt_text.engines.models import find_model, list_models, model_name
from yt_text.errors import EngineError, Reason
from yt_text.job import Config


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, one of them English only, one that was cut, and files that are something else."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(MICRO, folder / "ggml-tiny.en.bin")
    wired_model(folder / "ggml-wired.bin")
    (folder / "ggml-silero-v6.bin").write_bytes(b"lmgg" + bytes(2_000))
    (folder / "page.bin").write_text("<html>")
    (folder / "notes.txt").write_text("x")
    (folder / "dir.bin").mkdir()
    return folder


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    return tmp_path / "no-such-directory"


def refusal(config: Config, model_dir: Path, default: str = "wired") -> Reason:
    with pytest.raises(EngineError) as caught:
        catalog.choose(config, model_dir, default)
    assert str(model_dir) not in caught.value.message
    return caught.value.reason


def test_auto_takes_whisper_with_the_default_model(model_dir: Path):
    choice = catalog.choose(Config(), model_dir, "wired")
    assert choice == catalog.Choice("whisper.cpp", str(model_dir / "ggml-wired.bin"), "wired")


def test_auto_takes_another_model_that_is_there_when_the_default_is_not(model_dir: Path):
    choice = catalog.choose(Config(), model_dir, "base")
    assert (choice.engine, choice.model_name, choice.warnings) == ("whisper.cpp", "wired", ())


def test_auto_without_any_model_falls_back_and_says_so(nothing: Path):
    choice = catalog.choose(Config(), nothing, "base")
    assert (choice.engine, choice.model_path, choice.model_name) == ("pocketsphinx", "", "en-us")
    assert [warning.reason for warning in choice.warnings] == [Reason.LOWER_QUALITY_ENGINE]


def test_auto_without_any_model_fetches_the_default_one_if_it_may(nothing: Path):
    choice = catalog.choose(Config(), nothing, "", downloads=True)
    assert (choice.engine, choice.model_path, choice.fetch) == ("whisper.cpp", "", "base-q8_0")
    assert catalog.choose(Config(engine="whisper.cpp"), nothing, "tiny.en", downloads=True).fetch == "tiny.en"
    assert catalog.choose(Config(), nothing, "mine", downloads=True).engine == "pocketsphinx", "no published one"
    assert catalog.list_engines(nothing, downloads=True)[0].available


def test_a_model_to_fetch_that_knows_english_only_is_refused_for_the_rest(nothing: Path):
    for config, reason in (
        (Config(language_code="de"), Reason.LANGUAGE_NOT_SUPPORTED),
        (Config(translate=True), Reason.OPTION_NOT_SUPPORTED),
    ):
        with pytest.raises(EngineError) as caught:
            catalog.choose(config, nothing, "tiny.en", downloads=True)
        assert caught.value.reason is reason


def test_auto_takes_openai_where_it_is_set_up_and_there_is_no_model(nothing: Path, model_dir: Path):
    choice = catalog.choose(Config(), nothing, "", openai_model="whisper-1")
    assert (choice.engine, choice.model_path, choice.warnings) == ("openai", "whisper-1", ())
    assert catalog.choose(Config(), model_dir, "", openai_model="whisper-1").engine == "whisper.cpp"
    assert catalog.choose(Config(engine="openai", model="x"), model_dir, "", openai_model="y").model_name == "x"


def test_auto_without_any_model_refuses_what_the_fallback_cannot_do(nothing: Path):
    assert refusal(Config(language_code="de"), nothing) is Reason.LANGUAGE_NOT_SUPPORTED
    assert refusal(Config(translate=True), nothing) is Reason.OPTION_NOT_SUPPORTED


def test_named_engine_never_falls_back(nothing: Path):
    assert refusal(Config(engine="whisper.cpp"), nothing) is Reason.MODEL_NOT_FOUND


def test_named_model_never_falls_back(nothing: Path, model_dir: Path):
    assert refusal(Config(model="large-v3"), nothing) is Reason.MODEL_NOT_FOUND
    assert refusal(Config(model="large-v3"), model_dir) is Reason.MODEL_NOT_FOUND


def test_named_pocketsphinx_comes_without_warning(model_dir: Path):
    choice = catalog.choose(Config(engine="pocketsphinx", language_code="en-GB"), model_dir, "wired")
    assert choice == catalog.Choice("pocketsphinx", "", "en-us")


def test_pocketsphinx_has_no_other_model(model_dir: Path):
    assert refusal(Config(engine="pocketsphinx", model="wired"), model_dir) is Reason.MODEL_NOT_FOUND


def test_unknown_engine_is_refused_with_the_known_ones(model_dir: Path):
    assert refusal(Config(engine="siri"), model_dir) is Reason.ENGINE_UNKNOWN
    with pytest.raises(EngineError) as caught:
        catalog.check(Config(engine="siri"))
    assert caught.value.reason is Reason.ENGINE_UNKNOWN
    assert all(name in caught.value.message for name in ("auto", "whisper.cpp", "pocketsphinx"))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (Config(model="tiny.en", translate=True), Reason.OPTION_NOT_SUPPORTED),
        (Config(model="tiny.en", language_code="de"), Reason.LANGUAGE_NOT_SUPPORTED),
        (Config(model="wired", language_code="yue"), Reason.LANGUAGE_NOT_SUPPORTED),
        (Config(model="wired", language_code="tlh"), Reason.LANGUAGE_NOT_SUPPORTED),
        (Config(model="page.bin"), Reason.MODEL_INVALID),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_any_work(model_dir: Path, config: Config, reason: Reason):
    assert refusal(config, model_dir) is reason


@pytest.mark.parametrize("tag", ["auto", "de", "de-AT", "zh-Hant", "fil", "nb", "jv", "iw"])
def test_languages_of_a_multilingual_model_are_accepted_under_their_tags(model_dir: Path, tag: str):
    config = Config(language_code=tag, translate=True)
    catalog.check(config)
    assert catalog.choose(config, model_dir, "wired").model_name == "wired"


@pytest.mark.parametrize("name", ["wired", "ggml-wired.bin", "ggml-wired"])
def test_model_is_found_by_short_name_and_file_name(model_dir: Path, name: str):
    assert find_model(name, model_dir) == model_dir / "ggml-wired.bin"


def test_model_is_found_by_path(model_dir: Path, nothing: Path):
    assert find_model(str(MICRO), nothing) == MICRO
    assert find_model(str(model_dir / "ggml-wired.bin"), nothing) == model_dir / "ggml-wired.bin"


@pytest.mark.parametrize("name", ["", "base", "../wired", "wired\0", "dir.bin", "/", "ggml-wired.bin/"])
def test_model_that_is_not_there_is_not_found(model_dir: Path, name: str):
    with pytest.raises(EngineError) as caught:
        find_model(name, model_dir)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    assert "wired" in caught.value.message


def test_only_whisper_models_are_listed(model_dir: Path):
    assert list_models(model_dir) == ("wired", "tiny.en")


def test_name_of_a_model_is_its_file_without_prefix_and_ending():
    assert model_name(Path("/x/ggml-base-q5_1.bin")) == "base-q5_1"
    assert model_name(Path("/x/mine.bin")) == "mine"


def test_engines_are_listed_in_the_order_of_auto(model_dir: Path):
    whisper, openai, sphinx = catalog.list_engines(model_dir)
    assert (openai.name, openai.available, openai.models) == ("openai", False, ())
    assert "YT_TEXT_OPENAI_API_KEY" in openai.unavailable_reason
    assert catalog.list_engines(model_dir, openai_model="whisper-1")[1].models == ("whisper-1",)
    assert (whisper.name, whisper.available, whisper.models) == ("whisper.cpp", True, ("wired", "tiny.en"))
    assert whisper.translation
    assert {"en", "de", "jv", "yue"} <= set(whisper.language_codes)
    assert (sphinx.name, sphinx.available, sphinx.translation) == ("pocketsphinx", True, False)
    assert sphinx.language_codes == ("en",)


def test_a_default_model_that_stands_elsewhere_goes_by_its_name(model_dir: Path, nothing: Path):
    whisper = catalog.list_engines(nothing, str(MICRO))[0]
    assert (whisper.available, whisper.models) == (True, (model_name(MICRO),))
    assert catalog.choose(Config(model=model_name(MICRO)), nothing, str(MICRO)).model_path == str(MICRO)
    assert catalog.list_engines(model_dir, "wired")[0].models == ("wired", "tiny.en"), "not twice"


def test_engine_without_model_is_listed_with_what_is_missing(nothing: Path):
    whisper, _, sphinx = catalog.list_engines(nothing)
    assert not whisper.available
    assert "model" in whisper.unavailable_reason
    assert sphinx.available


def test_choosing_and_listing_load_no_engines_library(model_dir: Path):
    program = (
        "import sys; from pathlib import Path; from yt_text.engines import catalog; from yt_text.job import Config;"
        "from yt_text.pool import pool;"
        "catalog.choose(Config(), Path(sys.argv[1]), 'wired'); catalog.list_engines(Path(sys.argv[1]));"
        "print([m for m in ('_pywhispercpp', 'pywhispercpp', 'numpy', 'pocketsphinx') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program, str(model_dir)], capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[]", run.stderr
