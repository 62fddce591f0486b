"""What a terminal is told: strangers' names among it must not be commands to it."""


def printable(text: str) -> str:
    """Return text with control characters, such as escape sequences in a file name, spelt out; lines stay lines."""
    return "".join(letter if letter.isprintable() or letter == "\n" else ascii(letter)[1:-1] for letter in text)
