"""The import name of the scripts that exist: everything is in moveshelf.api and moveshelf.util."""
