from little_store import run, store, wire

__all__ = ["run", "store", "wire"]
