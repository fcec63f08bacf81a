"""What a transfer asks of the service, for many files in one request: the wire's side of `transfer`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from ..errors import MoveshelfError, NotFoundError, TransferError
from ..lazy.chunk import errors_by_alias, query_error
from ..transfer.file_service import CreatedFile, FileSpec
from ..wire import Response, Wire
from ..wire.thread import result_of

T = TypeVar("T")

_DATA = "CreateAdditionalDataInput"


class FileDesk:
    """Data files of clips: `FileSpec.owner` is the clip's id."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def create(self, specs: list[FileSpec]) -> Sequence[CreatedFile | BaseException]:
        """One mutation for all of them."""
        field = "createAdditionalData"
        query = many(
            "mutation", field, _DATA, f"{field}(input: $v) {{ uploadUrl data {{ id }} }}", len(specs)
        )
        variables = [
            {
                "clipId": spec.owner,
                "dataType": spec.data_type,
                "crc32c": spec.crc32c,
                "filename": spec.name,
                "clientId": str(number),
            }
            for number, spec in enumerate(specs)
        ]

        def made(answer: Any) -> CreatedFile:
            return CreatedFile(answer["data"]["id"], answer["uploadUrl"])

        return await self._ask(query, variables, field, made)

    async def statuses(self, ids: list[str]) -> Sequence[str | BaseException | None]:
        """Upload statuses; None for what is not there."""
        parts = "... on AdditionalData { uploadStatus } ... on MocapClip { uploadStatus }"
        query = many("query", "UploadStatuses", "ID!", f"node(id: $v) {{ id {parts} }}", len(ids))
        return await self._ask(
            query, ids, "UploadStatuses", lambda node: node.get("uploadStatus"), missing=True
        )

    async def delete(self, ids: list[str]) -> Sequence[BaseException | None]:
        """Delete data files."""
        field = "deleteAdditionalData"
        query = many("mutation", field, "ID!", f"{field}(id: $v) {{ ok }}", len(ids))

        def gone(answer: Any) -> None:
            if answer.get("ok") is False:
                raise TransferError("the service did not delete it")

        return await self._ask(query, ids, field, gone)

    async def download_urls(self, ids: list[str]) -> Sequence[str | BaseException]:
        """Signed URLs of data files, and of clips' own files."""
        url = "uploadStatus originalDataDownloadUri"
        parts = f"... on AdditionalData {{ {url} }} ... on MocapClip {{ {url} }}"
        query = many("query", "DownloadUrls", "ID!", f"node(id: $v) {{ id {parts} }}", len(ids))

        def address(node: Any) -> str:
            found = node.get("originalDataDownloadUri")
            if not found:
                raise TransferError(
                    f"the service gives no address for its bytes (its status is {node.get('uploadStatus')})"
                )
            return str(found)

        return await self._ask(query, ids, "DownloadUrls", address)

    async def named(self, owner: str, name: str) -> dict[str, str | None] | None:
        """The clip's files of that name, now."""
        fields = "additionalData { id originalFileName uploadStatus }"
        query = f"query FilesNow($v0: ID!) {{ n0: node(id: $v0) {{ id ... on MocapClip {{ {fields} }} }} }}"

        def files(node: Any) -> dict[str, str | None]:
            return {
                one["id"]: one.get("uploadStatus")
                for one in node.get("additionalData") or ()
                if one and one.get("originalFileName") == name
            }

        (found,) = await self._ask(query, [owner], "FilesNow", files)
        return None if isinstance(found, BaseException) else found

    async def _ask(
        self,
        query: str,
        values: Sequence[Any],
        operation: str,
        read: Callable[[Any], T],
        *,
        missing: bool = False,
    ) -> list[Any]:
        """Send it, and read each alias's answer; an exception stands for what failed by itself."""
        variables = {f"v{number}": value for number, value in enumerate(values)}
        answer = await result_of(self.wire.submit(query, variables))
        return [self._one(answer, number, operation, read, missing) for number in range(len(values))]

    def _one(
        self, answer: Response, number: int, operation: str, read: Callable[[Any], T], missing: bool
    ) -> Any:
        alias = f"n{number}"
        node = (answer.data or {}).get(alias)
        bad = errors_by_alias(answer.errors)
        if alias in bad or (node is None and "" in bad):
            return query_error(bad.get(alias) or bad[""], operation, answer)
        if not node:
            return None if missing else NotFoundError(f"{operation}: the service has no such object any more")
        try:
            return read(node)
        except MoveshelfError as error:
            return error
        except (KeyError, TypeError, AttributeError):
            return TransferError(f"{operation}: the service answered without what was asked for")


class ClipDesk(FileDesk):
    """Clips that are a file of their own: `FileSpec.owner` is the project, `FileSpec.extra` the clip's metadata."""

    async def create(self, specs: list[FileSpec]) -> Sequence[CreatedFile | BaseException]:
        """One mutation for each project among them, as the service has it."""
        projects = {spec.owner: [one for one in specs if one.owner == spec.owner] for spec in specs}
        made: dict[int, CreatedFile | BaseException] = {}
        for project, group in projects.items():
            for spec, answer in zip(group, await self._create(project, group), strict=True):
                made[id(spec)] = answer
        return [made[id(spec)] for spec in specs]

    async def _create(self, project: str, specs: list[FileSpec]) -> Sequence[CreatedFile | BaseException]:
        clips = [
            {
                "clientId": str(number),
                "crc32c": spec.crc32c,
                "filename": spec.name,
                "metadata": spec.extra or {"title": spec.name},
            }
            for number, spec in enumerate(specs)
        ]
        query = (
            "mutation createClips($v0: ClipCreationInput!) "
            "{ n0: createClips(input: $v0) { response { clientId uploadUrl mocapClip { id } } } }"
        )

        def read(answer: Any) -> dict[str, CreatedFile]:
            return {
                str(one["clientId"]): CreatedFile(one["mocapClip"]["id"], one["uploadUrl"])
                for one in answer["response"]
            }

        (found,) = await self._ask(query, [{"project": project, "clips": clips}], "createClips", read)
        if isinstance(found, BaseException):
            return [found] * len(specs)
        lost = TransferError("createClips: the service answered without this clip")
        return [found.get(str(number), lost) for number in range(len(specs))]

    async def delete(self, ids: list[str]) -> Sequence[BaseException | None]:
        """Delete clips."""
        field = "deleteClip"
        query = many("mutation", field, "String", f"{field}(clipId: $v) {{ ok }}", len(ids))

        def gone(answer: Mapping[str, Any]) -> None:
            if answer.get("ok") is False:
                raise TransferError("the service did not delete it")

        return await self._ask(query, ids, field, gone)

    async def named(self, owner: str, name: str) -> dict[str, str | None] | None:
        """Titles of clips say nothing sure."""
        return None


@lru_cache(maxsize=256)
def many(kind: str, name: str, type_: str, field: str, count: int) -> str:
    """A document that does `field` for variables v0, v1, ... under aliases n0, n1, ...; `$v` stands for each."""
    variables = ", ".join(f"$v{n}: {type_}" for n in range(count))
    lines = " ".join(f"n{n}: {field.replace('$v', f'$v{n}')}" for n in range(count))
    return f"{kind} {name}({variables}) {{ {lines} }}"
