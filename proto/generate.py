"""Generates every file that comes from the contract. The only way to generated code.

    python proto/generate.py                        writes the generated files
    python proto/generate.py --root DIR             the same, below DIR (the freshness test)
    python proto/generate.py lint                   buf format and buf lint
    python proto/generate.py breaking --against REV buf breaking, against the contract at a git revision

Foreign files are taken from installed packages and never copied in: `google/*` from
googleapis-common-protos and grpcio-tools, `buf/validate` as the descriptor that protovalidate carries.
buf reads one image made from all of them, so it needs no module registry.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import status_pb2
from protovalidate._gen.buf.validate import validate_pb

PROTO = Path(__file__).resolve().parent
ROOT = PROTO.parent
VALIDATE = "buf/validate/validate.proto"
ERROR_DETAILS = "google/rpc/error_details.proto"  # in no message of ours: it travels in google.protobuf.Any
SERVER = "server"
CLIENT = "clients/python/yt_text_client/_generated"
GATEWAY = "server/yt_text/v1/descriptors.binpb"

GOOGLE_DIRS = [
    Path(status_pb2.__file__).parents[2],
    Path(str(resources.files("grpc_tools"))) / "_proto",
]
# What our files import, and what the rules of buf/validate import.
GOOGLE_FILES = [
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    "google/api/httpbody.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/timestamp.proto",
    ERROR_DETAILS,
    "google/rpc/status.proto",
]


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Runs a command; ends this program with its exit code if it fails."""
    # betterproto2's plugin looks for ruff on the path.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run([str(part) for part in command], env={**os.environ, "PATH": path}, cwd=cwd, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def tool(name: str) -> str:
    """Returns the path of a program installed beside this interpreter."""
    return str(Path(sys.executable).parent / name)


def protoc(*arguments: str | Path) -> None:
    """Runs the protoc of grpcio-tools with the plugins installed beside this interpreter."""
    plugins = [
        f"--plugin={name}={tool(name)}"
        for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc", "protoc-gen-python_betterproto2")
    ]
    # Away from this project's settings for ruff, by which betterproto2's plugin would shape its code.
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "grpc_tools.protoc", *plugins, *arguments, cwd=Path(folder))


def own_files(proto_dir: Path, package: str = "yt_text") -> list[str]:
    """Returns our files in a stable order, relative to the proto folder."""
    return sorted(path.relative_to(proto_dir).as_posix() for path in (proto_dir / package).rglob("*.proto"))


def build_image(proto_dir: Path, work: Path) -> Path:
    """Compiles our files with all that they import into one image, with comments."""
    google = [argument for folder in GOOGLE_DIRS for argument in ("-I", folder)]
    foreign, image = work / "foreign.binpb", work / "image.binpb"
    protoc(
        *google,
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={foreign}",
        *GOOGLE_FILES,
    )
    files = FileDescriptorSet.FromString(foreign.read_bytes())
    files.file.add().ParseFromString(validate_pb.desc().proto.to_binary())
    foreign.write_bytes(files.SerializeToString(deterministic=True))
    protoc(
        f"--descriptor_set_in={foreign}", "-I", proto_dir, "--include_imports", "--include_source_info",
        f"--descriptor_set_out={image}", *own_files(proto_dir), ERROR_DETAILS,
    )  # fmt: skip
    return image


def without_rules(image: Path) -> Path:
    """Returns the image without `buf/validate`: clients leave validation to the server."""
    files = FileDescriptorSet.FromString(image.read_bytes())
    kept = FileDescriptorSet(file=[file for file in files.file if file.name != VALIDATE])
    for file in kept.file:
        if VALIDATE in file.dependency:
            file.dependency.remove(VALIDATE)
    path = image.with_name("client.binpb")
    path.write_bytes(kept.SerializeToString(deterministic=True))
    return path


def gateway_descriptors(image: Path) -> bytes:
    """Returns what the gateway needs to write and read JSON, with the types of error details."""
    wanted = image.with_name("gateway.binpb")
    protoc(
        f"--descriptor_set_in={without_rules(image)}", "--include_imports", f"--descriptor_set_out={wanted}",
        *own_files(PROTO, "yt_text/v1"), ERROR_DETAILS,
    )  # fmt: skip
    return wanted.read_bytes()


def generate(root: Path) -> None:
    """Writes the server's stubs, the gateway's descriptors and the Python client's code below `root`."""
    with tempfile.TemporaryDirectory() as folder:
        image = build_image(PROTO, Path(folder))
        server, client = root / SERVER, root / CLIENT
        server.mkdir(parents=True, exist_ok=True)
        files = own_files(PROTO)
        protoc(
            f"--descriptor_set_in={image}",
            f"--python_out={server}",
            f"--mypy_out=quiet:{server}",
            *files,
            VALIDATE,
        )
        services = [file for file in files if file.endswith("_service.proto")]
        protoc(
            f"--descriptor_set_in={image}",
            f"--grpc_python_out={server}",
            f"--mypy_grpc_out=quiet:{server}",
            *services,
        )
        for package in ("v1", "engine", "engine/v1"):
            (server / "yt_text" / package / "__init__.py").write_text('"""Generated from the contract."""\n')
        (root / GATEWAY).write_bytes(gateway_descriptors(image))
        shutil.rmtree(client, ignore_errors=True)
        client.mkdir(parents=True)
        protoc(
            f"--descriptor_set_in={without_rules(image)}",
            f"--python_betterproto2_out={client}",
            "--python_betterproto2_opt=client_generation=async",
            *[file for file in own_files(PROTO, "yt_text/v1") if not file.endswith("web_service.proto")],
        )


def lint() -> None:
    """Checks form and style of the contract."""
    run(tool("buf"), "format", "--diff", "--exit-code", PROTO)
    with tempfile.TemporaryDirectory() as folder:
        image = build_image(PROTO, Path(folder))
        run(tool("buf"), "lint", image, "--path", "yt_text", "--config", PROTO / "buf.yaml")


def breaking(against: str) -> None:
    """Refuses a change that breaks clients of the contract at a git revision."""
    with tempfile.TemporaryDirectory() as folder:
        now, then = Path(folder, "now"), Path(folder, "then")
        now.mkdir()
        then.mkdir()
        archive = Path(folder, "then.tar")
        run("git", "-C", ROOT, "archive", "--output", archive, against, "proto/yt_text")
        shutil.unpack_archive(archive, then, filter="data")
        run(
            tool("buf"), "breaking", build_image(PROTO, now), "--against", build_image(then / "proto", then),
            "--config", PROTO / "buf.yaml", "--exclude-imports",
        )  # fmt: skip


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=["generate", "lint", "breaking"], default="generate")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--against", default="HEAD")
    options = parser.parse_args()
    match options.command:
        case "lint":
            lint()
        case "breaking":
            breaking(options.against)
        case _:
            generate(options.root.resolve())


if __name__ == "__main__":
    main()
