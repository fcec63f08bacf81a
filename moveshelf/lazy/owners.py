"""Living objects by their owner: what is below an object, in time that does not grow with all that is not.

It is made for the first write that needs it, and looks then at what came since; a walk does nothing for it. It holds nothing
alive, and what it says is compared with the objects' own fields.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from .fields import One
from .state import NOT_LOADED, peek

if TYPE_CHECKING:
    from .entity import Entity
    from .identity import IdentityMap, Ref


class OwnerIndex:
    """The objects of classes that name an owner, by the id of that owner. The cache's lock is held around every use."""

    __slots__ = ("_filed", "_members", "_objects", "_unfiled", "_unowned")

    def __init__(self, objects: IdentityMap) -> None:
        self._objects = objects
        #: owner's id -> the ids below it; those of objects that have died stay, since there may be living ones below them
        self._members: dict[str, dict[str, Ref]] = {}
        #: id -> its owner's id
        self._filed: dict[str, str] = {}
        #: owners that were not among those when an object of theirs came
        self._unfiled: set[str] = set()
        #: objects whose owner was not known when they were looked at last
        self._unowned: dict[str, Ref] = {}
        objects.noted = None

    def members(self, owner: str) -> list[Entity]:
        """The living objects that lead to the owner of that id."""
        self._catch_up()
        return self._members_of(owner)

    def unowned(self, kinds: Iterable[type[Entity]]) -> list[Entity]:
        """The living objects of those classes whose owner is not known."""
        self._catch_up()
        wanted = frozenset(kinds)
        living = [self._living(identity, ref) for identity, ref in self._unowned.items()]
        return [obj for obj in living if obj is not None and type(obj) in wanted]

    def below(self, root: Entity, kinds: Collection[type[Entity]]) -> list[Entity]:
        """The living objects of those classes that are below `root`, or may be: where an owner is not known."""
        self._catch_up()
        unknown = self.unowned(kinds)
        for owner in self._lost():
            unknown += [one for one in self._members_of(owner) if type(one) in kinds]
        found = {one.id: one for one in unknown if _may_be_below(one, root)}
        waiting = [root.id, *found]
        seen = set(waiting)
        while waiting:
            owner = waiting.pop()
            living = {one.id: one for one in self._members_of(owner)}
            below = {
                identity: one
                for identity, one in living.items()
                if type(one) in kinds and _may_be_below(one, root)
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

    def _lost(self) -> list[str]:
        """The ids of owners of which nobody knows what they belong to."""
        self._unfiled = {one for one in self._unfiled if one not in self._filed}
        return [one for one in self._unfiled if self._objects.get(one) is None]

    def _members_of(self, owner: str) -> list[Entity]:
        found = []
        refs = self._members.get(owner, {})
        for identity, ref in list(refs.items()):
            obj = self._living(identity, ref)
            if obj is None:
                continue
            if peek(owner_field(type(obj)).read(obj)) == owner:
                found.append(obj)
            elif self._filed.get(identity) != owner:
                del refs[identity]  # it has another owner by now, under which it was filed
        return found

    def _living(self, identity: str, ref: Ref) -> Entity | None:
        """The object, where it is still the one of its id."""
        return ref() if self._objects.refs.get(identity) is ref else None

    def _catch_up(self) -> None:
        """Look at what came since, and again at those whose owner was not known: it may be by now."""
        objects = self._objects
        if objects.noted is None:
            self._members.clear()
            self._filed.clear()
            self._unfiled.clear()
            new: list[Ref] = list(objects.refs.values())
        elif objects.noted or self._unowned:
            new = [*self._unowned.values(), *objects.noted]
        else:
            return
        objects.noted = []
        self._unowned = {}
        for ref in new:
            obj = ref()
            if obj is not None and type(obj).owner_link:
                self._file(obj, ref)

    def _file(self, obj: Entity, ref: Ref) -> None:
        field = owner_field(type(obj))
        owner = peek(field.read(obj))
        if owner is NOT_LOADED:
            self._unowned[obj.id] = ref
        elif isinstance(owner, str):
            self._members.setdefault(owner, {})[obj.id] = ref
            self._filed[obj.id] = owner
            if field.target.owner_link and owner not in self._filed:
                self._unfiled.add(owner)


def _may_be_below(obj: Entity, root: Entity) -> bool:
    """Whether no link past the owners says that an object is not below `root`."""
    for field in type(obj).fields.values():
        if isinstance(field, One) and field.target is type(root):
            found = peek(field.read(obj))
            if found is not NOT_LOADED:
                return bool(found == root.id)
    return True


def owner_field(kind: type[Entity]) -> Any:
    """The field that leads to the owner of a class's objects."""
    assert kind.owner_link is not None
    return kind.fields[kind.owner_link]


__all__ = ["OwnerIndex", "owner_field"]
