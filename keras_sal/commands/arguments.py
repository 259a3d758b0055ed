"""What the arguments of the commands must be."""

import argparse
import shlex
import sys


def positive(kind):
    """Returns a converter of arguments that must be greater than 0."""

    def convert(text):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be greater than 0. Received: {text}")
        return value

    convert.__name__ = kind.__name__
    return convert


def typed():
    """Returns the command as it was typed."""
    return shlex.join(["keras-sal", *sys.argv[1:]])
