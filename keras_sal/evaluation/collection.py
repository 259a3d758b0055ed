"""Collection of predictions: systems are run over streams, each stream from a fresh state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_sal.audio import FRAME_OFFSET_S, FRAME_STEP_S, output_times
from keras_sal.checks import require
from keras_sal.evaluation.annotations import StreamAnnotation, StreamSet
from keras_sal.evaluation.predictions import Predictions
from keras_sal.runtime import runner_steps, runners
from keras_sal.typing import Array, PathLike

if TYPE_CHECKING:
    from keras_sal.data import Stream


def collect_predictions(
    systems: Mapping[str, Any],
    word: str,
    material: Mapping[tuple[str, str], Sequence[Stream]],
    *,
    class_index: int = 0,
    frame_step_s: float = FRAME_STEP_S,
    frame_offset_s: float = FRAME_OFFSET_S,
    root: PathLike = "",
    progress: Callable[[str, int, int], object] | None = None,
) -> Predictions:
    """Run every system over every stream, each stream from a fresh state.

    Args:
        systems: dict, by name a runner as `keras_sal.runtime.open_runner` returns it, with
            `stream(features)` and `reset()`; or a function from a list of streams to a list of
            posteriors `(frames,)` or `(frames, classes)`.
        word: str, the wake word that they detect.
        material: dict, by `(split, condition)` a list of `keras_sal.data.Stream` with features.
        class_index: int, index of the word among the classes. Defaults to 0.
        frame_step_s: float, seconds from one frame of the features to the next. Defaults to 0.01.
        frame_offset_s: float, time in seconds at which the first frame is complete. Defaults to
            0.03.
        root: Folder of the recordings; file names become relative to it. Defaults to `""`, which
            keeps them.
        progress: Function called as `progress(system, done, total)`, in streams; or `None`
            (default).

    Returns:
        `Predictions`.

    Raises:
        ValueError: If a system has no output for some frames, or lacks the class.

    Example:

    >>> from pathlib import Path
    >>> from keras_sal.data import PlacedRecording, Recording, Stream
    >>> recording = Recording(Path("a.flac"), "test", "computer", 2.0, 0.5, 1.0)
    >>> clips = (PlacedRecording(recording, start_s=1.0, class_index=0),)
    >>> stream = Stream("one word", clips, 4.0, features=np.zeros((398, 40), "float32"))
    >>> deaf = lambda streams: [np.zeros(len(stream.features)) for stream in streams]
    >>> predictions = collect_predictions(
    ...     {"deaf": deaf}, "computer", {("test", "clean"): [stream]}
    ... )
    >>> predictions.systems, predictions.streams("test")[0].anchors_s
    (['deaf'], (2.0,))
    """
    times = {"frame_step_s": frame_step_s, "frame_offset_s": frame_offset_s}
    outputs = _run(systems, material, [class_index], times, progress)
    return _predictions_of(class_index, outputs, word, material, root)


def collect_word_predictions(
    systems: Mapping[str, Any],
    words: Sequence[str],
    material: Mapping[tuple[str, str], Sequence[Stream]],
    *,
    class_index: int = 0,
    root: PathLike = "",
    progress: Callable[[str, int, int], object] | None = None,
) -> list[Predictions]:
    """Run every system over every stream, once for all the words that it tells apart.

    Each word is scored like the only one of a detector: the events of the others are negatives.

    Args:
        systems: dict, as for `collect_predictions`.
        words: list of str, the words in the order of their classes.
        material: dict, as for `collect_predictions`. Class `i` of the events is that of `words[i]`.
        class_index: int, index of the first word among the classes of the systems. Defaults to 0.
        root: as for `collect_predictions`.
        progress: as for `collect_predictions`.

    Returns:
        List of `Predictions`, one for each word.

    Raises:
        ValueError: If a system has no output for some frames, or lacks a class.

    Example:

    >>> from pathlib import Path
    >>> from keras_sal.data import PlacedRecording, Recording, Stream
    >>> said = [Recording(Path(word), "test", word, 2.0, 0.5, 1.0) for word in "ab"]
    >>> clips = [PlacedRecording(each, 3.0 * i, class_index=i) for i, each in enumerate(said)]
    >>> stream = Stream("two words", tuple(clips), 7.0, features=np.zeros((698, 40), "float32"))
    >>> deaf = lambda streams: [np.zeros((len(stream.features), 2)) for stream in streams]
    >>> found = collect_word_predictions({"deaf": deaf}, "ab", {("test", "clean"): [stream]})
    >>> [(each.word, each.streams("test")[0].anchors_s) for each in found]
    [('a', (1.0,)), ('b', (4.0,))]
    """
    columns = range(class_index, class_index + len(words))
    times = {"frame_step_s": FRAME_STEP_S, "frame_offset_s": FRAME_OFFSET_S}
    outputs = _run(systems, material, columns, times, progress)
    found = []
    for index, (word, column) in enumerate(zip(words, columns, strict=True)):
        own = {key: [s.only_class(index) for s in streams] for key, streams in material.items()}
        found.append(_predictions_of(column, outputs, word, own, root))
    return found


class _Outputs(NamedTuple):
    """The posteriors of a system for all streams, by column, and their frame times."""

    posteriors: dict[int, list[list[Array]]]
    times: dict[str, float]


def _run(
    systems: Mapping[str, Any],
    material: Mapping[tuple[str, str], Sequence[Stream]],
    columns: Sequence[int],
    frame_times: Mapping[str, float],
    progress: Callable[[str, int, int], object] | None,
) -> dict[str, _Outputs]:
    """Run every system over every stream, and keep some columns of its outputs."""
    total = sum(len(streams) for streams in material.values())
    outputs = {}
    for name, system in systems.items():
        stride, late = runner_steps.frames_per_output(system), getattr(system, "delay_frames", 0)
        posteriors: dict[int, list[list[Array]]] = {column: [] for column in columns}
        done = 0
        for streams in material.values():
            for sets in posteriors.values():
                sets.append([])
            for batch in _batches(system, streams):
                if progress:
                    progress(name, done, total)
                for output, stream in zip(_outputs(system, batch), batch, strict=True):
                    for column, sets in posteriors.items():
                        sets[-1].append(_column(output, stream, stride, name, column)[late:])
                done += len(batch)
        if progress:
            progress(name, total, total)
        times = output_times(stride, delay_frames=late, **frame_times)
        outputs[name] = _Outputs(posteriors, times)
    return outputs


def _predictions_of(
    column: int,
    outputs: Mapping[str, _Outputs],
    word: str,
    material: Mapping[tuple[str, str], Sequence[Stream]],
    root: PathLike,
) -> Predictions:
    """The predictions of one column."""
    stream_sets = tuple(
        StreamSet(split, condition, tuple(StreamAnnotation.from_stream(s, root) for s in streams))
        for (split, condition), streams in material.items()
    )
    return Predictions(
        word,
        stream_sets,
        {name: each.posteriors[column] for name, each in outputs.items()},
        {name: each.times for name, each in outputs.items()},
    )


def _batches(system: Any, streams: Sequence[Stream]) -> list[list[Stream]]:
    """The streams that the system processes in one call."""
    one_by_one = hasattr(system, "stream") and not hasattr(system, "predict")
    return [[stream] for stream in streams] if one_by_one else [list(streams)]


def _outputs(system: Any, streams: list[Stream]) -> Sequence[Array]:
    if hasattr(system, "stream"):
        return runners.predict(system, [stream.features for stream in streams])
    return system(streams)


def _column(output: Array, stream: Stream, stride: int, name: str, class_index: int) -> Array:
    """The posterior of one class, `(frames,)`."""
    output = np.asarray(output, "float32")
    output = output[:, None] if output.ndim == 1 else output
    frames = len(stream.features)
    require(
        output.ndim == 2 and len(output) == frames // stride,
        "`systems` must have an output for every frame, (frames, classes); "
        f"{name!r} does not. Received: outputs of shape {output.shape} for {frames} frames of "
        f"{stream.name}.",
    )
    require(
        0 <= class_index < output.shape[1],
        f"`class_index` must be one of the {output.shape[1]} classes of {name!r}. "
        f"Received: class_index={class_index}.",
    )
    return output[:, class_index]
