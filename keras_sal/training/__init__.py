"""Training of detectors: the recipe, hard negatives, refined anchors, stateful training."""
