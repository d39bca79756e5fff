"""Finds model files: by short name, by file name, by path."""

from pathlib import Path

from yt_text.engines import ggml_file
from yt_text.errors import EngineError, Reason

_PREFIX, _SUFFIX = "ggml-", ".bin"


def model_name(path: Path) -> str:
    """A model's name: `base-q5_1` for `ggml-base-q5_1.bin`, else the file's name without its ending."""
    return path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def find_model(model: str, model_dir: Path) -> Path:
    """The file of a model.

    Args:
        model: a short name (`tiny`, `base-q5_1`), the name of a file in `model_dir`, or a path.
        model_dir: where models are kept; need not exist.

    Raises:
        EngineError: `MODEL_NOT_FOUND`.
    """
    for path in _places(model, model_dir):
        if path.is_file():
            return path.resolve()
    present = list_models(model_dir)
    raise EngineError(
        Reason.MODEL_NOT_FOUND,
        "The model that was asked for is not here. "
        + (f"Choose one of: {', '.join(present)}." if present else "Put one into the model directory first."),
    )


def _places(model: str, model_dir: Path) -> list[Path]:
    if not model or "\0" in model:
        return []
    path = Path(model)
    if path.name != model:  # has a directory in it: a path as it stands, never one out of the model directory
        return [path.expanduser()]
    return [model_dir / f"{_PREFIX}{model}{_SUFFIX}", model_dir / model, model_dir / f"{model}{_SUFFIX}", path]


def list_models(model_dir: Path) -> tuple[str, ...]:
    """Names of the Whisper models in a directory, small files first; empty if there is no such directory."""
    try:
        files = [path for path in model_dir.iterdir() if path.suffix == _SUFFIX and _is_model(path)]
        files.sort(key=lambda path: (path.stat().st_size, path.name))
    except OSError:
        return ()
    return tuple(model_name(path) for path in files)


def _is_model(path: Path) -> bool:
    """Whether the file's header says so: models for other tasks have the same ending."""
    try:
        ggml_file.read_header(path)
    except EngineError:
        return False
    return True
