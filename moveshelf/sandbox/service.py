"""The service behind the endpoint: rows, blobs, jobs, faults, and the execution of one request."""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from graphql import OperationDefinitionNode
from graphql.language import OperationType

from . import gait, recordings
from .blobs import Blobs
from .execute import Context, Refused, attach, execute
from .faults import Fault, Faults
from .jobs import Jobs
from .log import Requests
from .mutations import MUTATIONS
from .private import create_private
from .resolvers import FIELDS, LEAVES
from .rows import COMPLETE, FAILED, PROCESSING, Configuration, Project, Row
from .schema import Document, Documents, load_schema
from .store import Store


class Service:
    """Used by the server's thread only."""

    user = "Sandbox user"

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.store = Store(folder / "sandbox.sqlite3", seed)
        secret_file = folder / "url-signing-secret"
        create_private(secret_file, secrets.token_hex(32))
        self.blobs = Blobs(folder / "blobs", bytes.fromhex(secret_file.read_text()), self.store, make_content)
        self.jobs = Jobs(self)
        self.documents = _documents()
        schema = self.documents.schema
        roots = [root for root in (schema.query_type, schema.mutation_type) if root is not None]
        self.faults = Faults(name for root in roots for name in root.fields)
        self.requests = Requests()
        self.latency = 0.0
        self.per_object = 0.0
        self.settle_after = 0
        self.fault: Fault | None = None  # the one that strikes the request under execution

    def close(self) -> None:
        self.store.close()

    # --- what resolvers use

    def node(self, id: str) -> Any:
        return self.store.node(id)

    def project(self, id_or_name: str | None) -> Any:
        found = self.store.project(id_or_name)
        if found is None:
            raise Refused(f"No project with the id or name {id_or_name!r}.")
        return found

    def delete(self, row: Row) -> None:
        self.blobs.delete(self.store.delete(row))

    def arrived(self, row: Any, *, fails: bool = False) -> None:
        """The bytes of a row are in the store: decide what its status is now, and what it becomes."""
        looks = max(self.settle_after, 1) if fails else self.settle_after
        outcome = FAILED if fails else COMPLETE
        if looks:
            self.store.change(row, upload_status=PROCESSING, settle=looks, settles_to=outcome)
        else:
            self.store.change(row, upload_status=outcome, settle=0, settles_to=None)

    def settle(self, row: Any) -> str:
        """A read of a status that is not settled yet."""
        if row.settle > 0:
            self.store.change(row, settle=row.settle - 1)
        else:
            self.store.change(row, upload_status=row.settles_to, settles_to=None)
        return str(row.upload_status)

    def jobs_fault(self) -> str | None:
        """What a job that starts now is going to fail of, if a fault says so."""
        fault = self.fault
        if fault is None or not fault.fail_job:
            return None
        return fault.fail_job if isinstance(fault.fail_job, str) else "The sandbox was told to fail this job."

    # --- projects: the wire can create none

    def add_project(
        self, name: str, template: dict[str, Any] | None = None, *, can_edit: bool = True, **values: Any
    ) -> Any:
        if self.store.project(name) is not None:
            raise ValueError(f"there is a project {name!r} already")
        project = self.store.make(
            Project,
            name=name,
            can_edit=int(can_edit),
            template_name="Gait" if template else None,
            template_data=json.dumps(template) if template else None,
            **values,
        )
        settings = {"featureFlags": {"canProcessGCDFiles": False}}
        configuration = self.store.make(
            Configuration, project=project.id, name="Default", data=json.dumps(settings)
        )
        with self.store.write():
            self.store.add(project)
            self.store.add(configuration)
        return project

    # --- execution

    def execute(
        self, document: Document, operation: OperationDefinitionNode, raw: dict[str, Any]
    ) -> tuple[int, dict[str, Any], int]:
        """Carry out one operation; returns HTTP status, response and the number of objects in it."""
        context = Context(self)
        name = operation.name.value if operation.name else None
        mutates = operation.operation is OperationType.MUTATION
        with self.store.write() if mutates else nullcontext():
            data, errors = execute(self.documents.schema, document.node, name, raw, context)
        if data is None:
            return 400, {"errors": errors}, 0
        return 200, {"data": data, **({"errors": errors} if errors else {})}, context.objects


@cache
def _documents() -> Documents:
    """Schema and documents, which know of no service (a resolver is told): all the sandboxes of a process share them."""
    schema = load_schema()
    attach(schema, LEAVES, {**FIELDS, "Mutation": MUTATIONS})
    return Documents(schema)


def make_content(row: Any) -> bytes:
    """The bytes of a row whose content is only a recipe so far."""
    recipe = json.loads(row.stored.partition(":")[2])
    if recipe.get("file") == gait.TABLE:
        return gait.table_bytes()
    if recipe.get("packed"):
        return recordings.packed(recipe)
    size = recipe.get("size")
    if size is not None:
        return hashlib.shake_128(row.id.encode()).digest(int(size))
    return gait.content(row.file_name, recipe)
