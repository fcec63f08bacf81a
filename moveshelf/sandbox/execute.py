"""A small executor for documents that graphql-core found valid.

graphql-core judges documents, variables and arguments, and answers introspection. Its own executor costs some ten
microseconds a field, which would make the sandbox the slow part of every measurement: here each selection is turned
into a list of steps once, and a field is then one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    execute_sync,
    get_named_type,
)
from graphql.execution.values import get_argument_values, get_directive_values, get_variable_values
from graphql.language import OperationType

from .folding import Fold
from .schema import Document

LEAF, TYPENAME, OBJECT, OBJECTS, VALUE, INTROSPECTION = range(6)

Leaf = Callable[[Any], Any]
Field = Callable[["Context", Any, dict[str, Any]], Any]


class Refused(Exception):
    """A resolver's way to say no: its text becomes a GraphQL error."""


class Context:
    """One execution: who answers, with which variables, and what came of it."""

    def __init__(self, service: Any, variables: Any, raw: dict[str, Any]) -> None:
        self.service = service
        self.variables = variables
        self.raw = raw
        self.objects = 0
        self.errors: list[dict[str, Any]] = []
        self.arguments: dict[Step, dict[str, Any]] = {}


class Step:
    __slots__ = ("definition", "fn", "key", "kind", "node", "sub")

    def __init__(self, key: str, kind: int, fn: Any, node: FieldNode, definition: Any, sub: Any) -> None:
        self.key = key
        self.kind = kind
        self.fn = fn
        self.node = node
        self.definition = definition
        self.sub = sub


class Selection:
    """What is asked of an object: steps by the object's type, made when one of that type comes along."""

    def __init__(self, plan: Plan, declared: Any, sets: list[SelectionSetNode]) -> None:
        self.plan = plan
        self.declared = declared
        self.sets = sets
        self.counts = isinstance(declared, GraphQLInterfaceType) or plan.is_node(declared)
        self.concrete = None if isinstance(declared, GraphQLInterfaceType) else self.steps(declared.name)
        self._by_type: dict[str, list[Step]] = {}

    def of(self, value: Any) -> list[Step]:
        if self.concrete is not None:
            return self.concrete
        steps = self._by_type.get(value.TYPE)
        if steps is None:
            steps = self._by_type[value.TYPE] = self.steps(value.TYPE)
        return steps

    def steps(self, type_name: str) -> list[Step]:
        plan = self.plan
        object_type = plan.schema.type_map[type_name]
        assert isinstance(object_type, GraphQLObjectType)
        grouped: dict[str, list[FieldNode]] = {}
        for selection_set in self.sets:
            plan.collect(object_type, selection_set, grouped, set())
        return [plan.step(object_type, key, nodes) for key, nodes in grouped.items()]


class Plan:
    """One operation, compiled. With @include or @skip in it a plan holds for one set of variables only."""

    def __init__(
        self,
        schema: GraphQLSchema,
        leaves: dict[str, dict[str, Leaf]],
        fields: dict[str, dict[str, Field]],
        document: Document,
        operation: OperationDefinitionNode,
    ) -> None:
        self.schema = schema
        self.leaves = leaves
        self.fields = fields
        self.document = document
        self.operation = operation
        self.conditional = False
        self.variables: Any = None
        self.mutates = operation.operation is OperationType.MUTATION
        self.root_type = schema.mutation_type if self.mutates else schema.query_type
        self.root: Selection | None = None

    def compile(self, variables: Any) -> Selection:
        if self.root is not None and not self.conditional:
            return self.root
        self.variables = variables
        self.root = Selection(self, self.root_type, [self.operation.selection_set])
        return self.root

    def is_node(self, declared: Any) -> bool:
        return any(interface.name == "Node" for interface in getattr(declared, "interfaces", ()))

    def collect(
        self,
        object_type: GraphQLObjectType,
        selection_set: SelectionSetNode,
        grouped: dict[str, list[FieldNode]],
        seen: set[str],
    ) -> None:
        for selection in selection_set.selections:
            if selection.directives and not self.wanted(selection):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                grouped.setdefault(key, []).append(selection)
                continue
            condition: str | None
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name in seen:
                    continue
                seen.add(name)
                fragment = self.document.fragments[name]
                condition, inner = fragment.type_condition.name.value, fragment.selection_set
            else:
                assert isinstance(selection, InlineFragmentNode)
                condition = selection.type_condition.name.value if selection.type_condition else None
                inner = selection.selection_set
            if condition is None or self.applies(object_type, condition):
                self.collect(object_type, inner, grouped, seen)

    def applies(self, object_type: GraphQLObjectType, condition: str) -> bool:
        return condition == object_type.name or any(i.name == condition for i in object_type.interfaces)

    def wanted(self, node: Any) -> bool:
        self.conditional = True
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and not (include and not include["if"])

    def step(self, object_type: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Step:
        name = nodes[0].name.value
        if name == "__typename":
            return Step(key, TYPENAME, object_type.name, nodes[0], None, None)
        if name.startswith("__"):
            return Step(key, INTROSPECTION, None, nodes[0], None, nodes)
        definition = object_type.fields[name]
        leaf = self.leaves.get(object_type.name, {}).get(name)
        field = self.fields.get(object_type.name, {}).get(name)
        named = get_named_type(definition.type)
        sets = [node.selection_set for node in nodes if node.selection_set]
        if not sets:
            if leaf is not None:
                return Step(key, LEAF, leaf, nodes[0], definition, None)
            if field is not None:
                return Step(key, VALUE, field, nodes[0], definition, None)
            return Step(key, LEAF, _from_key(name), nodes[0], definition, None)
        kind = OBJECTS if _is_list(definition.type) else OBJECT
        if field is None:
            field = _from_leaf(leaf or _from_key(name))
        return Step(key, kind, field, nodes[0], definition, Selection(self, named, sets))

    # --- running

    def run(self, context: Context) -> dict[str, Any]:
        root = self.compile(context.variables)
        return self.fill(root.of(None), None, context)

    def run_folded(self, context: Context, folded: Fold, ids: list[str]) -> dict[str, Any]:
        """Carry out the short form of a document for each of the ids that its long form names."""
        root = self.compile(context.variables)
        first, second = (folded.alias + number for number in folded.numbers[:2])
        out: dict[str, Any] = {}
        for step in root.of(None):
            if step.key == first:
                for number, id in zip(folded.numbers, ids, strict=True):
                    context.arguments[step] = {"id": id}
                    key = folded.alias + number
                    out[key] = self.answer(step, None, context, key)
            elif step.key != second:
                out.update(self.fill([step], None, context))
        return out

    def fill(self, steps: list[Step], value: Any, context: Context) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for step in steps:
            kind = step.kind
            if kind == LEAF:
                out[step.key] = step.fn(value)
            elif kind == TYPENAME:
                out[step.key] = step.fn
            else:
                out[step.key] = self.answer(step, value, context)
        return out

    def answer(self, step: Step, value: Any, context: Context, key: str | None = None) -> Any:
        """What a field with arguments or children is worth; its failure is one error and a null."""
        known = len(context.errors)
        try:
            if step.kind == INTROSPECTION:
                return self.introspect(step, context)
            if step.definition.args:
                arguments = context.arguments.get(step)
                if arguments is None:
                    arguments = get_argument_values(step.definition, step.node, context.variables)
                    context.arguments[step] = arguments
            else:
                arguments = {}
            found = step.fn(context, value, arguments)
            if found is None or step.kind == VALUE:
                return found
            selection: Selection = step.sub
            if step.kind == OBJECTS:
                if selection.counts:
                    context.objects += len(found)
                steps = selection.concrete
                if steps is not None:
                    fill = self.fill
                    result: Any = [fill(steps, item, context) for item in found]
                else:
                    result = [self.fill(selection.of(item), item, context) for item in found]
            else:
                context.objects += selection.counts
                result = self.fill(selection.of(found), found, context)
        except (Refused, GraphQLError) as problem:
            error: dict[str, Any] = {"message": getattr(problem, "message", None) or str(problem)}
            if step.node.loc and key is None:  # of a short form the places are not those of the request
                token = step.node.loc.start_token
                error["locations"] = [{"line": token.line, "column": token.column}]
            error["path"] = []
            context.errors.append(error)
            result = None
        if len(context.errors) > known:
            for error in context.errors[known:]:
                error["path"].insert(0, key or step.key)
        return result

    def introspect(self, step: Step, context: Context) -> Any:
        """`__schema` and `__type`, by graphql-core itself."""
        alone = OperationDefinitionNode(
            operation=OperationType.QUERY,
            name=self.operation.name,
            variable_definitions=self.operation.variable_definitions,
            directives=(),
            selection_set=SelectionSetNode(selections=tuple(step.sub)),
        )
        document = DocumentNode(definitions=(alone, *self.document.fragments.values()))
        result = execute_sync(self.schema, document, variable_values=context.raw)
        if result.errors:
            raise result.errors[0]
        return (result.data or {}).get(step.key)


def coerce(schema: GraphQLSchema, operation: OperationDefinitionNode, raw: dict[str, Any]) -> Any:
    """The variables as graphql-core takes them, or the list of its complaints."""
    return get_variable_values(schema, operation.variable_definitions or (), raw)


def _from_key(name: str) -> Leaf:
    return lambda value: value.get(name)


def _from_leaf(leaf: Leaf) -> Field:
    return lambda context, value, arguments: leaf(value)


def _is_list(declared: Any) -> bool:
    if isinstance(declared, GraphQLNonNull):
        declared = declared.of_type
    return isinstance(declared, GraphQLList)
