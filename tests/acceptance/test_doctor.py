"""`yt-text doctor` says what is there, what is missing, and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models import MICRO


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "YT_TEXT_DATA_DIR": str(tmp_path / "data"),
        "YT_TEXT_MODEL_DIR": str(tmp_path / "models"),
        "YT_TEXT_MODEL_DOWNLOAD": "off",
        "COLUMNS": "200",
    }


def doctor(environment: dict[str, str]) -> tuple[int, dict[str, tuple[str, str]]]:
    """Runs it; returns the exit code, and state and words by what was looked at."""
    done = subprocess.run(
        [sys.executable, "-m", "yt_text.cli.main", "doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    rows = [line.split("  ", 2) for line in done.stdout.splitlines()]
    found: dict[str, tuple[str, str]] = {}
    for row in rows:
        state, what, how = (part.strip() for part in (row[0], *"  ".join(row[1:]).strip().split("  ", 1)))
        found[what] = (state, how)
    return done.returncode, found


def test_a_machine_without_a_model_works_and_says_what_is_missing(environment: dict[str, str]) -> None:
    code, found = doctor(environment)
    assert code == 0
    assert found["engine whisper.cpp"][0] == "note"
    assert "model" in found["engine whisper.cpp"][1]
    assert found["engine pocketsphinx"][0] == "ok"
    assert {found[what][0] for what in ("system", "data directory", "database", "gateway", "yt-dlp")} == {"ok"}


def test_a_model_that_will_be_fetched_is_said(environment: dict[str, str]) -> None:
    _, found = doctor({**environment, "YT_TEXT_MODEL_DOWNLOAD": "on"})
    assert found["engine whisper.cpp"] == ("ok", "its model is fetched at the first use")


def test_a_model_is_found(environment: dict[str, str]) -> None:
    _, found = doctor({**environment, "YT_TEXT_MODEL": str(MICRO)})
    assert found["engine whisper.cpp"] == ("ok", "models: micro-en-q8_0")


def test_a_data_directory_that_cannot_be_used_is_bad(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    code, found = doctor(environment)
    assert (code, found["data directory"][0]) == (1, "bad")
    assert "YT_TEXT_DATA_DIR" in found["data directory"][1]


def test_a_full_disk_is_bad(environment: dict[str, str]) -> None:
    code, found = doctor({**environment, "YT_TEXT_MIN_FREE_DISK_BYTES": str(1 << 50)})
    assert (code, found["data directory"][0]) == (1, "bad")


def test_a_damaged_database_is_bad(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "yt-text.db").write_bytes(b"not a database" * 1_000)
    code, found = doctor(environment)
    assert (code, found["database"][0]) == (1, "bad")


def test_a_gateway_that_is_left_out_is_noted(environment: dict[str, str]) -> None:
    code, found = doctor({**environment, "YT_TEXT_GATEWAY": "off"})
    assert (code, found["gateway"][0]) == (0, "note")
