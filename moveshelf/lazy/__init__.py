"""How an attribute loads itself.

An object holds one slot a field (fields.py, entity.py). Touching an empty one calls the loader (loader.py), which
fetches the field for the object and, in a loop, for those that come next (peers.py, window.py), in batches of about a
hundred (batch.py), prefetched behind the loop. The cache (cache.py) holds one object per id; selections (selection.py)
say what is fetched and populate objects from what came.
"""
