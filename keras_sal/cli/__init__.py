"""The command line, `keras-sal`: one module a command.

A module of a command has `add(commands)`, which adds the parser of the command and sets its default
`command` to the function that runs it. That function takes the options as keywords, prints through
a `keras_sal.cli.console.Console` and returns the exit status. Heavy packages are imported inside
it, so that `keras-sal --help` is quick.
"""

from keras_sal.cli.program import main

__all__ = ["main"]
