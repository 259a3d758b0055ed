"""The ablations of the study: the default loss, or cross entropy, with one thing changed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from loss_study.losses import BASE, DEFAULT
from loss_study.tasks import EventStream, Task

OTHER_ANCHOR = {"onset": "offset", "offset": "onset"}


@dataclass(frozen=True)
class Change:
    """A change of a training, whose test stays as it is.

    Args:
        parameters: Hyper-parameters of the loss that are others.
        other_anchor: Whether the anchor in training is the offset where the task has the onset, and
            the other way round. Labels are the same.
        jitter_s: The onset and the offset of each event are moved together by up to so much.
        share: Share of the streams that is trained on.
        steps: Share of the steps.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    other_anchor: bool = False
    jitter_s: float = 0.0
    share: float = 1.0
    steps: float = 1.0

    def task(self, task: Task) -> Task:
        """Return the task that is trained."""
        return replace(task, anchor=OTHER_ANCHOR[task.anchor]) if self.other_anchor else task

    def streams(self, streams: list[EventStream], seed: int) -> list[EventStream]:
        """Return the streams that are trained on."""
        kept = streams[: round(self.share * len(streams))]
        if not self.jitter_s:
            return kept
        rng = np.random.default_rng(seed)
        return [_moved(stream, self.jitter_s, rng) for stream in kept]

    def describe(self) -> dict[str, Any]:
        """Return the change, ready for JSON."""
        return asdict(self)


NONE = Change()


def _moved(stream: EventStream, most_s: float, rng: np.random.Generator) -> EventStream:
    events = np.array(stream.events)
    events[:, :2] += rng.uniform(-most_s, most_s, (len(events), 1))
    events[:, :2] = np.clip(events[:, :2], 0.0, stream.duration_s)
    return replace(stream, events=events)


def _of_loss(name: str, *values: Any) -> dict[str, Change]:
    return {f"{name} {_text(value)}": Change({name: value}) for value in values}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "{:g} before, {:g} after".format(*value)
    return value if isinstance(value, str) else f"{value:g}"


NOTHING = "nothing"
OF_THE_LOSS = {
    **_of_loss("strength", 1.0, 2.0, 10.0, 20.0),
    **_of_loss("reach", 5.0, 30.0, 60.0, (5.0, 15.0), (15.0, 5.0)),
    **_of_loss("kernel", "gaussian", "triangular", "rectangular", "raised_cosine"),
    **_of_loss("gamma", 0.0, 1.0, 4.0),
    "normalize": Change({"normalize": True}),
    "the other end as anchor": Change(other_anchor=True),
}
OF_THE_TRAINING = {
    **{f"events moved by up to {ms} ms": Change(jitter_s=ms / 1000) for ms in (50, 100, 200)},
    "half of the streams": Change(share=0.5),
    "a quarter of the streams": Change(share=0.25),
    "half of the steps": Change(steps=0.5),
    "a quarter of the steps": Change(steps=0.25),
}
ABLATIONS = {
    DEFAULT: {NOTHING: NONE} | OF_THE_LOSS | OF_THE_TRAINING,
    BASE: {NOTHING: NONE} | OF_THE_TRAINING,
}


def ablations() -> Iterator[tuple[str, str, Change]]:
    """Yield the loss, the name and the change of each ablation, `NOTHING` first."""
    for loss, changes in ABLATIONS.items():
        for name, change in changes.items():
            yield loss, name, change
