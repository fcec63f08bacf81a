"""Bytes: checksums, uploads, downloads, parts of remote files, whole trees, and how their paths are read.

It knows signed URLs and the disk. What the service has to do reaches it through callables (`FileService`), from above.
aiohttp is imported by the modules that move bytes, when they are first needed; plans, results, names, layouts, walks and
locks do without.
"""
