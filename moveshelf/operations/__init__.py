"""All that the service can do, each said once: queries, commands, the service that sends and checks them, and what is
planned around them (validation, listings, filters, deletion, contents, downloads, uploads)."""
