"""Paths of the service: the folders that sessions and conditions are."""

from __future__ import annotations


def session_name(path: object) -> str | None:
    """The second part of a session's path; the whole path where it has no second part."""
    if not isinstance(path, str):
        return None
    parts = path.strip("/").split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def condition_name(clip_path: object, session_path: object) -> str:
    """The condition's name in a clip's path: what is behind the session's, slashes stripped; "" for none.

    A path that does not begin with its session's is taken from its third part on.
    """
    clip = clip_path.strip("/") if isinstance(clip_path, str) else ""
    session = session_path.strip("/") if isinstance(session_path, str) else ""
    if session and (clip == session or clip.startswith(session + "/")):
        return clip[len(session) :].strip("/")
    return "/".join(clip.split("/")[2:]).strip("/")
