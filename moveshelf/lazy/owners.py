"""Living objects by their owner and by their folder: what is below an object, without a look at all that is not.

The index is made when a write first needs it, and looks then at what was noted since; a walk does nothing for it. It holds
nothing alive, and what it returns is compared with the objects' own fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from .fields import One
from .state import NOT_LOADED, State, peek

if TYPE_CHECKING:
    from .entity import Entity
    from .identity import IdentityMap, Ref

#: How many entries of dead objects may always stay in the index.
SPARE = 1024


class OwnerIndex:
    """Objects by the id of their owner, and by the first folder of their path. The cache's lock is held around every use.

    Owners that have died stay filed under their own owners as long as the index lasts: living objects may be below them.
    """

    __slots__ = ("_folder_of", "_folders", "_members", "_objects", "_owner_of", "_unfiled", "_unowned")

    def __init__(self, objects: IdentityMap) -> None:
        self._objects = objects
        #: owner's id -> the ids below it
        self._members: dict[str, dict[str, Ref]] = {}
        #: id -> its owner's id
        self._owner_of: dict[str, str] = {}
        #: class of owners -> ids of owners that have members here, and were not filed when the last of them came
        self._unfiled: dict[type[Entity], set[str]] = {}
        #: class -> objects whose owner is not known, or known to be none
        self._unowned: dict[type[Entity], dict[str, Ref]] = {}
        #: class -> first folder, None where the path is not loaded -> the objects there
        self._folders: dict[type[Entity], dict[str | None, dict[str, Ref]]] = {}
        self._folder_of: dict[str, str | None] = {}
        objects.noted = None

    def members(self, owner: str) -> list[Entity]:
        """The living objects that lead to the owner of that id."""
        self._catch_up()
        return self._members_of(owner)

    def in_folder(self, kind: type[Entity], folder: str | None) -> list[Entity]:
        """The living objects of a class whose first folder is that one; with None, those whose path is not loaded."""
        self._catch_up()
        return self._all_living(self._folders.get(kind, {}).get(folder, {}))

    def below(self, root: Entity, kinds: Collection[type[Entity]]) -> list[Entity]:
        """The living objects of those classes that are below `root`, or may be.

        Those are the ones of which neither an owner nor a folder is known.
        """
        self._catch_up()
        unknown = [one for kind in kinds for one in self._unowned_in(kind, first_folder(root))]
        for owner in self._lost(type(root), kinds):
            unknown += [one for one in self._members_of(owner) if type(one) in kinds]
        found = {one.id: one for one in unknown if _may_be_below(one, root)}
        waiting = [root.id, *found]
        seen = set(waiting)
        while waiting:
            owner = waiting.pop()
            living = {one.id: one for one in self._members_of(owner)}
            below = {
                key: one for key, one in living.items() if type(one) in kinds and _may_be_below(one, root)
            }
            found.update(below)
            # below those that have died there may be living ones
            new = [
                one
                for one in self._members.get(owner, ())
                if one not in seen and (one in below or one not in living)
            ]
            seen.update(new)
            waiting += new
        found.pop(root.id, None)
        return list(found.values())

    def _unowned_in(self, kind: type[Entity], folder: str | None) -> list[Entity]:
        """Objects whose owner is not known, of a folder or of one that is not known; of all folders for None."""
        refs = self._unowned.get(kind, {})
        if folder is not None and kind.folder_field:
            folders = self._folders.get(kind, {})
            there = {**folders.get(folder, {}), **folders.get(None, {})}
            refs = {identity: ref for identity, ref in there.items() if identity in refs}
        return self._all_living(refs)

    def _lost(self, root: type[Entity], kinds: Iterable[type[Entity]]) -> list[str]:
        """The ids of dead owners between `root` and those classes of which nobody knows what they belong to."""
        found = []
        for kind in {owner_field(kind).target for kind in kinds} - {root}:
            left = {one for one in self._unfiled.get(kind, ()) if one not in self._owner_of}
            self._unfiled[kind] = left
            found += [one for one in left if self._objects.get(one) is None]
        return found

    def _members_of(self, owner: str) -> list[Entity]:
        living = self._all_living(self._members.get(owner, {}))
        return [one for one in living if peek(owner_field(type(one)).read(one)) == owner]

    def _all_living(self, refs: dict[str, Ref]) -> list[Entity]:
        """Those of them that live, and are still the objects of their ids."""
        return [obj for one, ref in refs.items() if (obj := self._living(one, ref)) is not None]

    def _living(self, identity: str, ref: Ref) -> Entity | None:
        return ref() if self._objects.refs.get(identity) is ref else None

    # filing --------------------------------------------------------------------------------------------------
    def _catch_up(self) -> None:
        """Look at what was noted since the last time; at everything where that was too much to note."""
        objects = self._objects
        if max(len(self._owner_of), len(self._folder_of)) > SPARE + 2 * len(objects.refs):
            objects.noted = None  # most of them were deleted
        new = objects.noted
        if new is None:
            for part in (self._members, self._owner_of, self._unfiled, self._unowned):
                part.clear()
            self._folders.clear()
            self._folder_of.clear()
            new = list(objects.refs.values())
        objects.noted = []
        for ref in new:
            obj = ref()
            if obj is not None:
                self._file(obj, ref)

    def _file(self, obj: Entity, ref: Ref) -> None:
        """Put an object where it belongs now."""
        kind, identity = type(obj), obj.id
        if kind.owner_link:
            field = owner_field(kind)
            owner = peek(field.read(obj))
            before = self._owner_of.get(identity)
            if before is not None and before != owner:
                del self._owner_of[identity]
                self._members[before].pop(identity, None)
            if isinstance(owner, str):
                self._unowned.get(kind, {}).pop(identity, None)
                self._members.setdefault(owner, {})[identity] = ref
                self._owner_of[identity] = owner
                if field.target.owner_link and owner not in self._owner_of:
                    self._unfiled.setdefault(field.target, set()).add(owner)
            else:
                self._unowned.setdefault(kind, {})[identity] = ref
                if identity in self._members:
                    self._unfiled.setdefault(kind, set()).add(identity)
        if kind.folder_field:
            folder = first_folder(obj)
            folders = self._folders.setdefault(kind, {})
            if identity in self._folder_of and self._folder_of[identity] != folder:
                folders.get(self._folder_of[identity], {}).pop(identity, None)
            folders.setdefault(folder, {})[identity] = ref
            self._folder_of[identity] = folder


def _may_be_below(obj: Entity, root: Entity) -> bool:
    """Whether no link past the owners says that an object is not below `root`."""
    for field in type(obj).fields.values():
        if isinstance(field, One) and field.target is type(root):
            found = peek(field.read(obj))
            if found.__class__ is not State:
                return bool(found == root.id)
    return True


def owner_field(kind: type[Entity]) -> Any:
    """The field that leads to the owner of a class's objects."""
    assert kind.owner_link is not None
    return kind.fields[kind.owner_link]


def first_folder(obj: Entity) -> str | None:
    """The first folder of an object's path; None where the class has none, or where it is not loaded."""
    name = type(obj).folder_field
    path = NOT_LOADED if name is None else peek(type(obj).fields[name].read(obj))
    return first_part(path) if isinstance(path, str) else None


def first_part(path: str) -> str:
    """The first folder of a path."""
    return path.strip("/").partition("/")[0]


__all__ = ["OwnerIndex", "first_folder", "first_part", "owner_field"]
