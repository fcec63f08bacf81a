"""Labels of what strides and rows belong to, so that two patients of one name never share a label.

A project may hold two subjects of the same name, a subject two sessions of the same name, a condition two trials of the same
title. Ids tell them apart; where there are none, names are all that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

#: What is known of each stride or row, by its name; None where there is no such coordinate or column.
Known = Callable[[str], Sequence[Any] | None]

#: The coordinate that identifies what a name is given to, and the coordinates within which a name should be the only one.
_IDS: Final = {"subject": "subject_id", "session": "session_id", "trial": "clip"}
_WITHIN: Final = {
    "subject": (),
    "session": ("subject_id", "subject"),
    "trial": ("session_id", "subject", "session", "condition"),
}


def labels_apart(name: str, labels: Sequence[str], known: Known) -> list[str]:
    """The labels of each stride or row, with the day or the id behind those that several share.

    `name` is what the labels are of: "subject", "session" or "trial"; those of anything else stay as they are. Sessions of
    one name of different subjects keep one label ("pre-op" of all subjects is a group that people mean).

    >>> ids = {"subject_id": ["a", "a", "b", "c"]}
    >>> labels_apart("subject", ["Doe", "Doe", "Doe", "Roe"], ids.get)
    ['Doe (a)', 'Doe (a)', 'Doe (b)', 'Roe']
    """
    ids = known(_IDS[name]) if name in _IDS else None
    if ids is None or len(ids) != len(labels):
        return list(labels)
    columns = [column for one in _WITHIN[name] if (column := known(one)) is not None]
    columns = [column for column in columns if len(column) == len(labels)]
    places = [tuple(str(column[n]) for column in columns) for n in range(len(labels))]
    own = [str(one) for one in ids]
    holders: dict[tuple[Hashable, str], dict[str, None]] = {}
    for place, label, identity in zip(places, labels, own, strict=True):
        holders.setdefault((place, label), {})[identity] = None
    days = _days(known, len(labels)) if name == "session" else None
    day_of = {} if days is None else dict(zip(own, days, strict=True))
    told: dict[str, str] = {}
    for (_, label), held in holders.items():
        if len(held) < 2:
            continue
        each = {one: day_of[one] for one in held if day_of.get(one)}
        unlike = len(set(each.values())) == len(held)
        told.update((one, f"{label} ({each[one] if unlike else one})") for one in held)
    return [told.get(identity, label) for identity, label in zip(own, labels, strict=True)]


def _days(known: Known, count: int) -> list[str] | None:
    dates = known("date")
    if dates is None or len(dates) != count:
        return None
    texts = [str(one)[:10] for one in dates]
    return [text if text[:1].isdigit() else "" for text in texts]
