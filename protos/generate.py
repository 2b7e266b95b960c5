"""Generates services/streamlabel/v1 from protos/streamlabel/v1; `--check` fails when the committed files are stale."""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
TARGET = PROTOS.parent / "services"
PACKAGE = Path("streamlabel/v1")
HEADER = '"""Generated from protos/streamlabel/v1 by protos/generate.py: everything here is wire. Never edit."""\n'


def generate(target: Path) -> None:
    """Writes messages, type stubs and gRPC stubs below `target`; exits with protoc's code when a proto is wrong."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / PACKAGE).glob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    outputs = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    code = protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", *outputs, *sources])
    if code:
        sys.exit(code)
    # Files without a service still get an empty gRPC module: it would only be noise.
    for stub in (target / PACKAGE).glob("*_pb2_grpc.py"):
        if not stub.name.endswith("_service_pb2_grpc.py"):
            stub.unlink()
    (target / PACKAGE / "__init__.py").write_text(HEADER)


def stale(fresh: Path) -> list[str]:
    """Names of generated files that differ from, or exist on only one side of, the committed ones."""
    comparison = filecmp.dircmp(fresh / PACKAGE, TARGET / PACKAGE, ignore=["__pycache__"])
    _, mismatch, errors = filecmp.cmpfiles(fresh / PACKAGE, TARGET / PACKAGE, comparison.common_files, shallow=False)
    return sorted([*comparison.left_only, *comparison.right_only, *mismatch, *errors])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the committed files are stale")
    if not parser.parse_args().check:
        generate(TARGET)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        differing = stale(Path(folder))
    if differing:
        print("stale, run `make proto` and commit:", *differing, sep="\n  ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
