"""Only for `moveshelf_api.utils.hash`."""
