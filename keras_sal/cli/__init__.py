"""The command line, `keras-sal`: one module for each command.

- `program`: `main`, and the list of `COMMANDS`.
- `tabulate`, `download`, `synthesize`, `align` make tables of recordings with event times, `shard`
  streams of many hours; `train`, `tune`, `demo`, `evaluate`, `compare` make and score detectors;
  `export`, `verify`, `detect`, `serve` ship and run them.
- `arguments`: the arguments that several commands take, such as the false-alarm budget and the
  trigger; `job_arguments`: those of `train` and `tune`; `command_parser`: the form of the help.
- `systems`: models and bundles that are run over the streams of an evaluation; `feature_streams`:
  streams for `export` and `verify`; `trained_model`: the `.keras` files that they read;
  `model_path`: the path of a model or of a pretrained detector; `web_runtime`: what the page of
  `serve` runs on.
- `export_targets`: the table of what `export` can make, each an `export_target.Target` with one of
  the `export_converters`; `model_export`, `component_export`, `bundle_export`: the export of a
  trained model, of one for ESPHome's component, of a bundle; `threshold_choice`: the threshold that
  ships.
- `console`, `results_table`, `meter`: what is shown; `microphone`: what is heard.

The module of a command has `add_parser(commands)`, which adds its parser, and `run(options)`, which
gets the parsed arguments and returns the exit status. Other packages are imported inside `run`, so
that `keras-sal --help` is quick; the console script starts in `keras_sal_program`, which is outside
this package because `keras_sal` imports Keras.
"""

from keras_sal.cli.program import main

__all__ = ["main"]
