"""The generated code is what the contract says now."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["server/buf", "server/yt_text/v1", "server/yt_text/engine", "clients/python/yt_text_client/_generated"]


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_checked_in_code_is_what_the_generator_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "proto/generate.py", "--root", tmp_path], check=True, capture_output=True)
    fresh, checked_in = files(tmp_path), files(ROOT)
    assert sorted(fresh) == sorted(checked_in)
    assert [name for name in fresh if fresh[name] != checked_in[name]] == [], "run `make generate`"


def test_a_removed_field_is_seen_as_breaking(tmp_path: Path) -> None:
    """`buf breaking` on our image finds what it should: the check itself works."""
    spec: Any = spec_from_file_location("generate", ROOT / "proto/generate.py")
    generate: Any = module_from_spec(spec)
    spec.loader.exec_module(generate)
    proto = tmp_path / "proto"
    for file in generate.own_files(ROOT / "proto"):
        (proto / file).parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / "proto" / file).read_text()
        if file.endswith("/job.proto"):
            assert "  int32 priority = 19" in text
            text = "\n".join(line for line in text.splitlines() if "int32 priority = 19" not in line)
        (proto / file).write_text(text)
    now, then = tmp_path / "now", tmp_path / "then"
    now.mkdir()
    then.mkdir()
    command = [generate.tool("buf"), "breaking", generate.build_image(proto, now)]
    command += ["--against", generate.build_image(ROOT / "proto", then), "--config", ROOT / "proto/buf.yaml"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "priority" in done.stdout + done.stderr
