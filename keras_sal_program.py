"""The program `keras-sal`: it shows help without importing Keras.

Whatever is imported from `keras_sal` runs its `__init__` first, and that imports Keras and all
that is to be registered with it, so that saved models load. Help would have to wait for it. So this
module is outside the package: the package is made but not run, the arguments are parsed, and only a
command that is to run has the package run before it.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec


def main() -> int:
    """Run the command line of the process.

    Returns:
        The exit status.
    """
    spec = importlib.util.find_spec("keras_sal")
    if not isinstance(spec, ModuleSpec) or spec.loader is None:
        raise ModuleNotFoundError("`keras_sal` must be installed. Received: no such package.")
    loader, package = spec.loader, importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    from keras_sal.cli import program

    return program.main(prepare=lambda: loader.exec_module(package))


if __name__ == "__main__":
    sys.exit(main())
