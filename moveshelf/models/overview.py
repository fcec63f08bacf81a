"""The session-overview page of a project: its address, read back into the sessions that it shows."""

from __future__ import annotations
