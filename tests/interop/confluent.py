"""Runs a script with confluent-kafka, in an environment of its own under target/ that the first call makes."""

import os
import pathlib
import subprocess
import sys

NEEDED = "confluent-kafka[avro,schemaregistry]==2.16.1"
HOME = pathlib.Path(__file__).resolve().parents[2] / "target" / "interop-venv"


def enter():
    """Starts the running script again in the environment, unless it is there."""
    if pathlib.Path(sys.prefix).resolve() == HOME.resolve():
        return
    ready = HOME / "ready"
    if not ready.exists() or ready.read_text() != NEEDED:
        subprocess.run([sys.executable, "-m", "venv", "--clear", HOME], check=True, stdout=sys.stderr)
        subprocess.run([HOME / "bin" / "pip", "install", "--quiet", NEEDED], check=True, stdout=sys.stderr)
        ready.write_text(NEEDED)
    python = str(HOME / "bin" / "python")
    os.execv(python, [python, *sys.argv])
