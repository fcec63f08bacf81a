"""Bytes: checksums, uploads, downloads, parts of remote files, and whole trees of them.

It knows signed URLs and the disk. What the service has to be asked reaches it through callables, from the models.
aiohttp is imported by the modules that move bytes, when they are first needed; plans, results, names and layouts do
without.
"""
