"""How an attribute fills itself: field descriptors, cohorts, the loader, collections.

An object holds one slot a field. Touching an empty one asks the loader, which fetches the field for the object and,
in a loop, for those that come next (cohort.py), in chunks of about a hundred, read ahead behind the loop (loader.py).
"""
