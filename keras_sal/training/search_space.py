"""The space of hyper-parameters that a tuning searches: of the loss, the labels and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from keras_sal.checks import require
from keras_sal.training import recipe
from keras_sal.training.wake_word_job import WakeWordJob

if TYPE_CHECKING:
    from optuna.trial import Trial

DIGITS = 3
SEARCHED = ("network", "size", "loss", "label_span", "learning_rate")  # of `WakeWordJob.describe`


@dataclass(frozen=True)
class SearchSpace:
    """The values that a tuning tries.

    A parameter that a loss doesn't have, such as the strength of a focal loss, isn't drawn for it.
    Numbers are drawn on a logarithmic scale and rounded to three digits; label spans are whole.

    Args:
        losses: Losses to choose from, see `keras_sal.training.recipe.make_loss`. Defaults to the
            three anchor losses.
        networks: Networks to choose from. Defaults to `("gru",)`.
        sizes: Sizes to choose from. Defaults to `("micro",)`.
        strength: Least and greatest strength of an anchor loss. Defaults to (0.5, 20).
        reach: Least and greatest reach of an anchor loss before the anchor, and after it, in
            outputs of 30 ms. Defaults to (2, 60).
        gamma: Least and greatest exponent of a focal loss. Defaults to (0.5, 4).
        learning_rate: Least and greatest initial learning rate. Defaults to (0.001, 0.012).
        label_before: Least and greatest number of outputs before the anchor whose label is 1.
            Defaults to (0, 6).
        label_after: Least and greatest number of outputs after it. Defaults to (3, 16).

    Raises:
        ValueError: If there is nothing to choose from, or a range is none.

    Example:

    >>> SearchSpace(losses=["focal"]).start(WakeWordJob("computer"))["gamma"]
    2.0
    """

    losses: Sequence[str] = ("sal", "sa+fl", "safl")
    networks: Sequence[str] = ("gru",)
    sizes: Sequence[str] = ("micro",)
    strength: tuple[float, float] = (0.5, 20.0)
    reach: tuple[float, float] = (2.0, 60.0)
    gamma: tuple[float, float] = (0.5, 4.0)
    learning_rate: tuple[float, float] = (1e-3, 1.2e-2)
    label_before: tuple[int, int] = (0, 6)
    label_after: tuple[int, int] = (3, 16)

    def __post_init__(self) -> None:
        for name in ("losses", "networks", "sizes"):
            require(
                len(getattr(self, name)) > 0 and not isinstance(getattr(self, name), str),
                f"`{name}` must be a list of at least one; a tuning chooses from it. Received: "
                f"{name}={getattr(self, name)!r}. Name one.",
            )
        for name in ("strength", "reach", "gamma", "learning_rate", "label_before", "label_after"):
            low, high = getattr(self, name)
            least = 0 if name.startswith("label") else 1e-9  # a logarithm is taken
            require(
                least <= low <= high < float("inf"),
                f"`{name}` must be a least and a greatest value, both greater than 0, or at least "
                f"0 for labels. Received: {name}={(low, high)}. Use the default.",
            )

    def describe(self) -> dict[str, Any]:
        """Return the values as a dict, ready for JSON."""
        return {
            name: list(value) if isinstance(value, list | tuple) else value
            for name, value in asdict(self).items()
        }

    def start(self, job: WakeWordJob) -> dict[str, Any]:
        """Return the parameters of the first trial: the recipe's, of the first loss it may choose.

        Args:
            job: The job, of which the learning rate is taken.
        """
        loss = recipe.LOSS if recipe.LOSS in self.losses else self.losses[0]
        default: Any = recipe.make_loss(loss)
        before, after = recipe.default_label_span()
        found = {
            "loss": loss,
            "network": "gru" if "gru" in self.networks else self.networks[0],
            "size": "micro" if "micro" in self.sizes else self.sizes[0],
            "learning_rate": job.training.learning_rate,
            "label_before": before,
            "label_after": after,
        }
        if loss not in recipe.BASELINES:
            reach_before, reach_after = default.reach
            found |= {"strength": default.strength}
            found |= {"reach_before": reach_before, "reach_after": reach_after}
        if loss not in recipe.UNFOCUSED:
            found["gamma"] = default.gamma
        return found

    def draw(self, trial: Trial, job: WakeWordJob) -> WakeWordJob:
        """Return the job with the parameters of a trial.

        Args:
            trial: The trial of Optuna, which draws them.
            job: The job.
        """

        def number(name: str, bounds: tuple[float, float]) -> float:
            return float(f"{trial.suggest_float(name, *bounds, log=True):.{DIGITS}g}")

        loss = trial.suggest_categorical("loss", list(self.losses))
        network = trial.suggest_categorical("network", list(self.networks))
        size = trial.suggest_categorical("size", list(self.sizes))
        rate = number("learning_rate", self.learning_rate)
        options: dict[str, Any] = dict.fromkeys(("strength", "reach", "gamma"))
        if loss not in recipe.BASELINES:
            options["strength"] = number("strength", self.strength)
            options["reach"] = (
                number("reach_before", self.reach),
                number("reach_after", self.reach),
            )
        if loss not in recipe.UNFOCUSED:
            options["gamma"] = number("gamma", self.gamma)
        span = (
            trial.suggest_int("label_before", *self.label_before),
            trial.suggest_int("label_after", *self.label_after),
        )
        return replace(
            job,
            network=network,
            size=size,
            loss=loss,
            label_span=span,
            training=replace(job.training, learning_rate=rate),
            **options,
        )


def settings(job: WakeWordJob) -> dict[str, Any]:
    """Return the hyper-parameters of a job that a tuning searches and its loss has.

    Args:
        job: The job.
    """
    names = ("network", "size", "loss", "strength", "reach", "gamma", "label_span")
    found = {name: getattr(job, name) for name in names if getattr(job, name) is not None}
    return {**found, "learning_rate": job.training.learning_rate}
