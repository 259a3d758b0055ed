"""The targets of `keras-sal export`."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import tempfile
from pathlib import Path

from keras_sal.cli.component_export import (
    ComponentExport,
    check_component,
    check_component_model,
)
from keras_sal.cli.export_converters import to_component, to_litert, to_micro, to_onnx
from keras_sal.cli.export_target import Export, Target
from keras_sal.cli.model_export import ModelExport
from keras_sal.cli.model_path import model_path


def verify_command(options: argparse.Namespace) -> list[str]:
    """Return the arguments of `keras-sal verify` on the data that an export was given.

    Args:
        options: Parsed arguments, before recordings and word are filled in.
    """
    command = ["keras-sal", "verify", options.model, options.output]
    if options.recordings:
        command += ["--recordings", options.recordings]
    if isinstance(options.word, str):  # of several, the exported files name them
        command += ["--word", options.word]
    for path in options.splits:
        command += ["--splits", path]
    return list(map(str, command))


def _write_file(export: Export) -> str:
    return export.write_file(Path(export.options.output))


def _write_firmware(export: Export) -> str:
    return export.write_firmware()


def _write_page(export: Export) -> str:
    """Write the file into the folder of a page, with the runtime of the page."""
    from keras_sal.cli import web_runtime
    from keras_sal.export import web

    runtime = export.options.runtime_url
    if runtime is None:
        with export.console.stage("Fetch the runtime of the page") as stage:
            runtime = web_runtime.download(
                progress=lambda done, total: stage.progress(done, total or done)
            )
    with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
        path = Path(folder) / "detector.tflite"
        summary = export.write_file(path)
        web.write(path, export.options.output, runtime=runtime)
    return summary


def _write_app(export: Export) -> str:
    """Write the file into the project of an app that is named after its folder."""
    from keras_sal.export import android

    output = Path(export.options.output)
    with tempfile.TemporaryDirectory(prefix="keras_sal_export_") as folder:
        path = Path(folder) / "detector.tflite"
        summary = export.write_file(path, output.absolute().name)
        android.write(path, output)
    return summary


def _check_file(options: argparse.Namespace) -> None:
    from keras_sal.export import detector_file
    from keras_sal.files import check_path

    detector_file.check_free(check_path(options.output))


def _check_bundle(options: argparse.Namespace) -> None:
    from keras_sal.export import bundle

    bundle.check_folder(options.output, TARGETS[options.to].package)


def _check_page(options: argparse.Namespace) -> None:
    from keras_sal.export.web.folder import check_address, check_folder

    _check_hears_sound(options, "page")
    if options.runtime_url is not None:
        check_address(options.runtime_url)
    check_folder(options.output)


def _check_app(options: argparse.Namespace) -> None:
    from keras_sal.export.android.project import check_folder

    _check_hears_sound(options, "app")
    check_folder(options.output)


def _check_hears_sound(options: argparse.Namespace, thing: str) -> None:
    if options.frontend == "none":
        raise ValueError(
            f"`--frontend` must be micro for `--to {options.to}`; the {thing} hands samples to the "
            "model. Received: --frontend none. Leave it out."
        )


def _advise_to_verify(options: argparse.Namespace) -> str:
    if model_path(options.model).is_dir():  # a bundle, without the model that it came from
        return ""
    return f"Check it with: {shlex.join(verify_command(options))}"


def _advise_to_serve(options: argparse.Namespace) -> str:
    return f"Open it with: {shlex.join(['keras-sal', 'serve', str(options.output)])}"


def _advise_to_open(options: argparse.Namespace) -> str:
    return "Open it in Android Studio; its README.md says how to get it on a phone"


MICRO = Target(
    name="micro",
    runtime="TensorFlow Lite Micro",
    quantizations=("int8", "int16x8", "float32"),
    convert=to_micro,
    of_model=ModelExport,
    write=_write_firmware,
    own_options=("state",),
    check=_check_bundle,
    advise=_advise_to_verify,
)
PACKAGES = [
    dataclasses.replace(MICRO, name=name, package=name)
    for name in ("esp-idf", "arduino", "zephyr", "cmake")
]
ESPHOME = Target(
    name="esphome",
    runtime="TensorFlow Lite Micro",
    quantizations=("int8",),
    convert=to_component,
    of_model=ComponentExport,
    write=_write_firmware,
    of_bundle=False,
    one_word=True,
    own_options=("author", "website", "language"),
    check=check_component,
    check_model=check_component_model,
)
LITERT = Target(
    name="litert",
    runtime="LiteRT",
    quantizations=("float32", "float16", "int8"),
    convert=to_litert,
    of_model=ModelExport,
    write=_write_file,
    suffix=".tflite",
    needs_threshold=False,
    check=_check_file,
    advise=_advise_to_verify,
)
ONNX = dataclasses.replace(
    LITERT,
    name="onnx",
    runtime="ONNX Runtime",
    quantizations=("float32",),
    convert=to_onnx,
    of_bundle=False,
    suffix=".onnx",
)
WEB = dataclasses.replace(
    LITERT,
    name="web",
    write=_write_page,
    suffix="",
    needs_threshold=True,
    hears_sound=True,
    may_be_published=True,
    own_options=("runtime_url",),
    check=_check_page,
    advise=_advise_to_serve,
)
ANDROID = dataclasses.replace(
    WEB, name="android", write=_write_app, own_options=(), check=_check_app, advise=_advise_to_open
)
TARGETS = {
    target.name: target for target in (MICRO, *PACKAGES, ESPHOME, LITERT, ONNX, WEB, ANDROID)
}
