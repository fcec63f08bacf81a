"""A lock on an open file that ends with its process, however that ends."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    def try_lock(descriptor: int) -> bool:
        """Whether the file is ours now, until the descriptor is closed; False when another holds it."""
        at = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            # a byte far behind anything that is written: Windows keeps others from reading a locked one
            os.lseek(descriptor, 1 << 62, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, at, os.SEEK_SET)
        return True

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Whether the file is ours now, until the descriptor is closed; False when another holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: as good as it gets
        return True
