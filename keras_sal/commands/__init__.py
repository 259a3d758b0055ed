"""The commands of `keras-sal`, one module each.

A module has `add(commands)`, which adds the parser of the command and sets its default `command`
to the function that runs it. That function takes the options as keywords, prints through a
`keras_sal.console.Console`, and returns the exit status. What is heavy is imported inside it, so
that `keras-sal --help` is quick.
"""

from keras_sal.commands import (
    align,
    compare,
    demo,
    detect,
    download,
    evaluate,
    export,
    synthesize,
    tabulate,
    train,
    verify,
)

COMMANDS = (
    *(tabulate, download, synthesize, align),
    *(train, demo, evaluate, compare),
    *(export, verify, detect),
)
