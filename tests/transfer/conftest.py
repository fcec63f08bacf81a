from little_store import run, store, timeout, wire

__all__ = ["run", "store", "timeout", "wire"]
