"""`python -m moveshelf.sandbox`."""

from .run import main

if __name__ == "__main__":
    main()
