"""Builder of a step: calls each layer of a model on the frames of one step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import keras

from keras_sal.streaming.rules.custom import custom_rule, is_custom
from keras_sal.streaming.rules.delay import DelayLine
from keras_sal.streaming.rules.frames import Frames, LayerStep
from keras_sal.streaming.rules.registry import reject_if, reject_overrides, rule
from keras_sal.typing import Tensor


def as_functional(model: keras.Model) -> keras.Model:
    """Return the layers of a model as a functional model with flat inputs and outputs.

    Args:
        model: Built functional or `Sequential` model.

    Raises:
        ValueError: If it is another kind of model, or not built.
    """
    inputs = getattr(model, "inputs", None)
    if not isinstance(model, keras.Model) or not inputs or is_custom(model):
        raise ValueError(
            "`model` must be a built functional or Sequential model; the layers of a subclassed "
            f"or unbuilt model cannot be followed. Received: model={model!r}. Build it with "
            "keras.Model(inputs, outputs), or start a Sequential with keras.Input."
        )
    return keras.Model(inputs, model.outputs)


class StepBuilder:
    """A builder of the step of a model, which applies the rule of each layer.

    The layers are called on symbolic clips as well. Keras walks through the graph in that way, and
    the clip tensors tell which frames go where.

    Args:
        batch_size: Number of streams run side by side, or `None` to leave it free.

    Attributes:
        batch_size: As above.
        states: Input tensors by name: `state_0`, `state_1`, ...
        next_states: Output tensors by name: `state_0_next`, `state_1_next`, ...
    """

    def __init__(self, batch_size: int | None) -> None:
        self.batch_size = batch_size
        self.states: dict[str, Tensor] = {}
        self.next_states: dict[str, Tensor] = {}
        # id of a clip tensor -> (that tensor, to keep it alive; its frames)
        self._frames: dict[int, tuple[Tensor, Any]] = {}
        # (id of a layer, place in time of its inputs) -> (model of its step, outputs)
        self._steps: dict[tuple[Any, ...], tuple[keras.Model, Sequence[Frames]]] = {}
        # (kind, key) -> (the delay line, to keep it alive; the frames it returned)
        self._delay_lines: dict[tuple[str, Hashable], tuple[DelayLine, Frames]] = {}

    def build(self, graph: keras.Model, inputs: Sequence[Frames]) -> list[Frames]:
        """Call every layer of a functional model on frames.

        Args:
            graph: Functional model with flat inputs and outputs.
            inputs: The frames of its inputs.

        Returns:
            The frames of its outputs.
        """
        clips = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in graph.inputs]
        self._pair(clips, inputs)
        traced = keras.models.clone_model(
            graph,
            input_tensors=clips,
            clone_function=lambda layer: layer,
            call_function=self._call_layer,
        )
        return [self._frames_of(clip) for clip in traced.outputs]

    def new_state(self, shape: Iterable[int], dtype: Any) -> Tensor:
        """Return the input tensor `(batch, *shape)` of a new state, for `make_step`."""
        dtype = keras.backend.standardize_dtype(dtype)
        return keras.Input(shape, batch_size=self.batch_size, dtype=dtype)

    def call(
        self,
        layer: keras.Operation | DelayLine,
        make_step: Callable[..., LayerStep],
        *inputs: Frames,
    ) -> list[Frames]:
        """Call the step of a layer, with new states.

        The step becomes a model with the layer's name, once, however often the layer is called
        at that place in time. So names are unique, and weights are shared in the saved step model
        as they are in the clip model.

        Args:
            layer: The layer.
            make_step: Called as `make_step(*inputs)` the first time; see `LayerStep`.
            *inputs: The frames that the layer is called on.

        Returns:
            The frames that it returns.
        """
        key = id(layer), *((x.frames_per_step, x.ahead, x.extra_frames) for x in inputs)
        if key not in self._steps:
            places = sum(1 for layer_id, *_ in self._steps if layer_id == id(layer))
            name = f"{layer.name}_{places}" if places else layer.name
            self._steps[key] = _model_of_step(name, make_step, inputs)
        step_of_layer, outputs = self._steps[key]
        states = [self._add_state(like) for like in step_of_layer.inputs[len(inputs) :]]
        results = keras.tree.flatten(step_of_layer([*(x.tensor for x in inputs), *states]))
        for state, next_state in zip(states, results[len(outputs) :], strict=True):
            self.next_states[f"{state.name}_next"] = next_state
        return [x.with_tensor(tensor) for x, tensor in zip(outputs, results, strict=False)]

    def call_once(
        self, kind: str, key: Hashable, make_step: Callable[..., LayerStep], frames: Frames
    ) -> Frames:
        """Call the step of a delay line the first time that it is asked for.

        Args:
            kind: The first part of its name.
            key: What tells it from others of its kind.
            make_step: As in `call`.
            frames: The frames that go into it.

        Returns:
            The frames that come out of it.
        """
        if (kind, key) not in self._delay_lines:
            line = DelayLine(f"{kind}_{len(self._delay_lines)}")
            [delayed] = self.call(line, make_step, frames)
            self._delay_lines[kind, key] = line, delayed
        return self._delay_lines[kind, key][1]

    def _add_state(self, like: Tensor) -> Tensor:
        name = f"state_{len(self.states)}"
        self.states[name] = keras.Input(batch_shape=like.shape, dtype=like.dtype, name=name)
        return self.states[name]

    def _pair(self, clips: Any, frames: Any) -> None:
        for clip, x in zip(keras.tree.flatten(clips), keras.tree.flatten(frames), strict=True):
            self._frames[id(clip)] = clip, x

    def _frames_of(self, clip: Any) -> Any:
        return self._frames[id(clip)][1] if isinstance(clip, keras.KerasTensor) else clip

    def _call_layer(self, layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        reject_if(
            layer,
            (
                kwargs.get("training"),
                "it is called with training=True and never gives the same twice",
                "Leave training out.",
            ),
        )
        clips = layer(*args, **kwargs)
        args, kwargs = keras.tree.map_structure(self._frames_of, (args, kwargs))
        frames = keras.tree.flatten(_apply_rule(layer, self, *args, **kwargs))
        inputs = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, Frames)]
        sources = frozenset().union(*(x.sources for x in inputs))
        self._pair(clips, [dataclasses.replace(x, sources=sources) for x in frames])
        return clips


def _apply_rule(layer: keras.Operation, builder: StepBuilder, *args: Any, **kwargs: Any) -> Any:
    apply = custom_rule if is_custom(layer) else rule
    return apply(layer, builder, *args, **kwargs)


def _model_of_step(
    name: str, make_step: Callable[..., LayerStep], inputs: Sequence[Frames]
) -> tuple[keras.Model, Sequence[Frames]]:
    inputs = [
        x.with_tensor(keras.Input(batch_shape=x.tensor.shape, dtype=x.tensor.dtype)) for x in inputs
    ]
    outputs, states, next_states = make_step(*inputs)
    step_of_layer = keras.Model(
        [*(x.tensor for x in inputs), *states],
        [*(x.tensor for x in outputs), *next_states],
        name=name,
    )
    return step_of_layer, outputs


@rule.register(keras.Model)
def _(layer: keras.Model, builder: StepBuilder, inputs: Any, **kwargs: Any) -> list[Frames]:
    def make_step(*inputs: Frames) -> LayerStep:
        inner = StepBuilder(builder.batch_size)
        outputs = inner.build(as_functional(layer), inputs)
        return LayerStep(outputs, list(inner.states.values()), list(inner.next_states.values()))

    return builder.call(layer, make_step, *keras.tree.flatten(inputs))


@rule.register(keras.layers.SpectralNormalization)
def _(layer: Any, builder: StepBuilder, frames: Frames, **kwargs: Any) -> list[Frames]:
    """Apply the layer that it wraps: it changes the weights of that layer, in training only."""
    reject_overrides(layer)
    outputs = keras.tree.flatten(_apply_rule(layer.layer, builder, frames))
    return [x.with_tensor(_cast(x.tensor, layer.compute_dtype)) for x in outputs]


def _cast(tensor: Tensor, dtype: str) -> Tensor:
    return tensor if tensor.dtype == dtype else keras.ops.cast(tensor, dtype)
