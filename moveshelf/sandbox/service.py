"""The service behind the endpoint: rows, blobs, jobs, faults, and the execution of one request."""

from __future__ import annotations

import hashlib
import json
import secrets
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

from graphql import GraphQLError

from . import gait
from .blobs import Blobs
from .execute import Context, Plan, Refused, coerce
from .faults import Fault, Faults
from .folding import Fold
from .jobs import Jobs
from .log import Requests
from .mutations import MUTATIONS
from .resolvers import FIELDS, LEAVES
from .rows import COMPLETE, FAILED, PROCESSING, Configuration, Project, Row
from .schema import Document, Documents, load_schema
from .store import Store

_FIELDS = {**FIELDS, "Mutation": MUTATIONS}


class Service:
    """Used by the server's thread only."""

    user = "Sandbox user"

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.store = Store(folder / "sandbox.sqlite3", seed)
        secret_file = folder / "url-signing-secret"
        if not secret_file.exists():
            secret_file.write_text(secrets.token_hex(32))
        self.blobs = Blobs(folder / "blobs", bytes.fromhex(secret_file.read_text()), self.store, make_content)
        self.jobs = Jobs(self)
        self.faults = Faults()
        self.requests = Requests()
        self.schema = load_schema()
        self.documents = Documents(self.schema)
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

    def forget(self, row: Row) -> None:
        self.blobs.forget(self.store.forget(row))

    def arrived(self, row: Any, *, fails: bool = False) -> None:
        """The bytes of a row are in the store: decide what its status is now, and what it becomes."""
        looks = max(self.settle_after, 1) if fails else self.settle_after
        outcome = FAILED if fails else COMPLETE
        if looks:
            self.store.change(row, upload_status=PROCESSING, settle=looks, settles_to=outcome)
        else:
            self.store.change(row, upload_status=outcome, settle=0, settles_to=None)

    def settle(self, row: Any) -> str:
        """One look at a status that is not settled yet."""
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
        settings = {"canProcessGCDFiles": False}
        configuration = self.store.make(
            Configuration, project=project.id, name="Default", data=json.dumps(settings)
        )
        with self.store.write():
            self.store.add(project)
            self.store.add(configuration)
        return project

    # --- execution

    def plan(self, document: Document, operation: Any) -> Plan:
        name = operation.name.value if operation.name else ""
        plan = document.plans.get(name)
        if plan is None:
            plan = Plan(self.schema, LEAVES, _FIELDS, document, operation)
            document.plans[name] = plan
        return plan

    def execute(
        self, text: str, document: Document, operation: Any, raw: dict[str, Any]
    ) -> tuple[int, dict[str, Any], int]:
        """Carry out one operation; returns HTTP status, answer and the number of objects in it."""
        ids: list[str] | None = None
        if document.fold is not None:
            ids = _ids(document.fold, raw)
            if ids is None:  # the long form says best what is wrong with its variables
                document = self.documents.plain(text)
                operation = document.operation(operation.name.value if operation.name else None)
        variables = coerce(self.schema, operation, raw)
        if isinstance(variables, list):
            return 400, {"errors": [error.formatted for error in variables]}, 0
        context = Context(self, variables, raw)
        plan = self.plan(document, operation)
        try:
            with self.store.write() if plan.mutates else nullcontext():
                if document.fold is not None and ids is not None:
                    data = plan.run_folded(context, document.fold, ids)
                else:
                    data = plan.run(context)
        except GraphQLError as error:  # directives with impossible arguments
            return 400, {"errors": [error.formatted]}, 0
        answer: dict[str, Any] = {"data": data}
        if context.errors:
            answer["errors"] = context.errors
        return 200, answer, context.objects


def _ids(folded: Fold, raw: dict[str, Any]) -> list[str] | None:
    """The ids that a folded document asks for; None if one of them is no ID!."""
    found = [raw.get(folded.variable + number) for number in folded.numbers]
    return found if all(type(id) is str for id in found) else None  # type: ignore[return-value]


def make_content(row: Any) -> bytes:
    """The bytes of a row whose content is only a recipe so far."""
    recipe = json.loads(row.stored.partition(":")[2])
    if "file" in recipe:
        return files("moveshelf.sandbox").joinpath(f"data/{recipe['file']}").read_bytes()
    size = recipe.get("size")
    if size is not None:
        return hashlib.shake_128(row.id.encode()).digest(int(size))
    return gait.content(row.file_name, recipe)
