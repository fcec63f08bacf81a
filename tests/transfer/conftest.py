from little_store import certificate, run, store, timeout, wire

__all__ = ["certificate", "run", "store", "timeout", "wire"]
