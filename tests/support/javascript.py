"""The scripts of the page, run by Node."""

import json
import shutil
import subprocess
from importlib.resources import files

import pytest

NODE = shutil.which("node") or shutil.which("nodejs")
needs_node = pytest.mark.skipif(NODE is None, reason="no Node to run the scripts of the page with")
READ = 'import fs from "node:fs"; const given = JSON.parse(fs.readFileSync(0, "utf8"));'


def copy_scripts(folder):
    """Copies the scripts to a folder in which Node takes them for modules."""
    shutil.copytree(files("keras_sal") / "export" / "web" / "page", folder, dirs_exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


def run_javascript(folder, script, given=None):
    """Runs a module beside the scripts; `given` is in `given`, what `tell` gets is returned."""
    program = f"{READ} const tell = (value) => console.log(JSON.stringify(value));\n{script}"
    (folder / "test.js").write_text(program)
    run = subprocess.run(
        [NODE, "test.js"], cwd=folder, input=json.dumps(given), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
