"""The package of a bundle: the folder that the build tool of an ecosystem builds as it is.

The sources of the bundle lie in `src/`, in a folder that is named after the namespace of the model,
so several packages fit in one firmware. Around them are the build files, a header with all of it,
and an example: from a microphone, or with a function to be written, to a light that blinks. They
come from `ecosystems/`, where each ecosystem has files for every model (`common`), for those with a
front-end (`sound`) and for features of one's own (`frames`). In their text and names `model_name`
stands for the namespace, `@sources@` for the sources to be compiled, and the name of a file in
`ecosystems/parts`, such as `@log@`, for its text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from keras_sal.checks import require
from keras_sal.export.firmware import sources
from keras_sal.export.firmware.idf_components import IDF_COMPONENTS

EXAMPLE = "main.cc"  # of the bundle; a package has one of its own
START = "start.md"  # of the README, which is not written itself
COMMON, SOUND, FRAMES = "common", "sound", "frames"
PARTS = "parts"  # of examples


@dataclasses.dataclass(frozen=True)
class Ecosystem:
    """A build tool and those who use it.

    Attributes:
        folder: Its folder in `ecosystems/`.
        suffix: Suffix of C++ sources there.
        include: What its header includes first.
        print: The start of a call that prints a message in an example: a function like `printf`,
            whose name with a `v` before it takes a `va_list`.
        yours: The files of the example that its user edits.
        taken: Names of folders that mean something else to the build tool, in small letters.
    """

    folder: str
    suffix: str = ".cc"
    include: str = ""
    print: str = "printf("
    yours: tuple[str, ...] = ()
    taken: frozenset[str] = frozenset()

    def check_name(self, name: str) -> None:
        """Refuse the name of a folder that means something else to the build tool.

        Args:
            name: Name of the folder of the package.

        Raises:
            ValueError: If it is taken.
        """
        require(
            name.lower() not in self.taken,
            "`folder` must have a name that no component of the build tool has; it would take the "
            f"place of that one. Received: a folder named {name!r}. Give it the name of the word "
            f"that it detects, or {name + '_detector'!r}.",
        )

    def files(self, texts: Mapping[str, str], model: str, *, hears_audio: bool) -> dict[str, str]:
        """Lay the sources of a bundle out as a package.

        Args:
            texts: The sources of the bundle by file name.
            model: Namespace of the model.
            hears_audio: Whether the bundle has a front-end.

        Returns:
            The sources and the files around them, by their paths in the package.
        """
        inside = {
            f"src/{model}/{name.replace('.cc', self.suffix)}": text
            for name, text in texts.items()
            if name != EXAMPLE
        }
        inside[f"src/{model}.h"] = self._header(model, hears_audio)
        compiled = [path for path in sorted(inside) if path.endswith(self.suffix)]
        return inside | self._build_files(model, compiled, hears_audio)

    def start(self, model: str, *, hears_audio: bool) -> str:
        """Return the text of the README that says how to build the package.

        Args:
            model: Namespace of the model.
            hears_audio: Whether the bundle has a front-end.
        """
        parts = (SOUND if hears_audio else FRAMES, COMMON)
        texts = [(self._root() / part / START).read_text("utf-8").strip() for part in parts]
        return _for_model("\n" + "\n\n".join(texts) + "\n", model)

    def _root(self) -> Traversable:
        return _folder(self.folder)

    def _with_parts(self, text: str) -> str:
        """Fill in the functions that examples of several ecosystems have."""
        for part in _folder(PARTS).iterdir():
            place = f"@{part.name.removesuffix('.cc')}@\n"
            text = text.replace(place, part.read_text("utf-8").replace("@print@", self.print))
        return text

    def _header(self, model: str, hears_audio: bool) -> str:
        own = ["detector.h", "set_up.h", *(["listener.h"] if hears_audio else [])]
        includes = [f'#include "{model}/{name}"' for name in sorted(own)]
        first = [f"#include {self.include}", ""] if self.include else []
        guard = f"KERAS_SAL_PACKAGE_{model.upper()}_H_"
        opening = ["// The detector and what it needs. Written by keras_sal.", ""]
        guarded = [f"#ifndef {guard}", f"#define {guard}", "", *first, *includes]
        return "\n".join([*opening, *guarded, "", f"#endif  // {guard}", ""])

    def _build_files(self, model: str, compiled: list[str], hears_audio: bool) -> dict[str, str]:
        found: dict[str, str] = {}
        for part in (COMMON, SOUND if hears_audio else FRAMES):
            for path, text in _texts(self._root() / part):
                text = self._with_parts(text)
                found[_for_model(path, model)] = _for_model(text, model, compiled)
        del found[START]
        return found


ECOSYSTEMS = {
    "esp-idf": Ecosystem(
        "esp_idf",
        yours=("examples/detect/main/main.cc", "examples/detect/sdkconfig.defaults"),
        taken=IDF_COMPONENTS,
    ),
    "arduino": Ecosystem(
        "arduino",
        suffix=".cpp",
        include="<TensorFlowLite.h>",
        yours=("examples/detect/detect.ino", "examples/detect/platformio.ini"),
    ),
    "zephyr": Ecosystem(
        "zephyr",
        print="printk(",
        yours=("samples/detect/src/main.cc", "samples/detect/prj.conf"),
    ),
    "cmake": Ecosystem("cmake", print="fprintf(stderr, ", yours=("program/main.cc",)),
}


def _folder(name: str) -> Traversable:
    return resources.files("keras_sal.export.firmware") / "ecosystems" / name


def _for_model(text: str, model: str, compiled: list[str] | None = None) -> str:
    text = text.replace(sources.NAMESPACE, model).replace(sources.NAMESPACE.upper(), model.upper())
    return text.replace("@sources@", "\n".join(f"  {path}" for path in compiled or []))


def _texts(folder: Traversable, path: str = "") -> Iterator[tuple[str, str]]:
    """The files below a folder, by their paths in it."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _texts(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry.read_text("utf-8")
