"""`python -m moveshelf`: the same as the command `moveshelf`."""

from .cli import main

if __name__ == "__main__":
    main()
