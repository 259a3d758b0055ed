"""What the message of a refusal must say."""


def check_message(error, *parts):
    """Check that a message has some parts, and what was received."""
    for part in (*parts, "Received: "):
        if str(part) not in str(error):
            raise AssertionError(f"{part!r} is missing: {error}")
