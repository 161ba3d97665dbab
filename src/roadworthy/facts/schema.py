"""What one file says, as frozen serialisable values.

Facts know syntax and nothing else: no other file, no library, no rule.
No syntax-tree node leaves `facts/`; everything later stages ask is answered from these values.

Positions: `line` is 1-based, `column` is 0-based (bytes of the line as UTF-8).
`order` numbers the events of one scope in evaluation order, so that events of different lists can be compared.
"""

from __future__ import annotations

import msgspec

FACTS_VERSION = 4
"""Part of the cache key: raise it whenever the meaning of a field changes."""


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all facts: compact on disk, immutable in memory."""


# --- expressions -----------------------------------------------------------------------------------------------------


class Name(Fact, tag="n"):
    """A bare name as written."""

    id: str


class Attr(Fact, tag="a"):
    """`value.name`."""

    value: Expr
    name: str


class CallRef(Fact, tag="c"):
    """A call: index into `Scope.calls` of the scope in which the expression stands."""

    index: int


class Str(Fact, tag="s"):
    """A string literal (implicit concatenations joined). Longer than 20,000 characters: cut."""

    value: str


class Const(Fact, tag="k"):
    """A number, boolean, None, bytes or Ellipsis. `value` is None for None, bytes and Ellipsis; `kind` tells them apart."""

    kind: str  # "int" "float" "bool" "none" "bytes" "ellipsis"
    value: int | float | bool | None


class FStr(Fact, tag="f"):
    """An f-string: literal parts (`Str`) and holes (any other expression) in order."""

    parts: tuple[Expr, ...]


class Seq(Fact, tag="t"):
    """A tuple, list or set display."""

    kind: str  # "tuple" "list" "set"
    items: tuple[Expr, ...]


class Dict(Fact, tag="d"):
    """A dict display; key None is a `**` item."""

    items: tuple[tuple[Expr | None, Expr], ...]


class Bin(Fact, tag="b"):
    """An arithmetic or bit operation."""

    op: str
    left: Expr
    right: Expr


class BoolOp(Fact, tag="o"):
    """`a and b and …` or `a or b or …`."""

    op: str  # "and" "or"
    items: tuple[Expr, ...]


class Compare(Fact, tag="m"):
    """`left ops[0] rights[0] ops[1] rights[1] …`; ops as written: `==`, `not in`, `is not` …"""

    left: Expr
    ops: tuple[str, ...]
    rights: tuple[Expr, ...]


class Unary(Fact, tag="u"):
    """`not x`, `-x`, `+x`, `~x`."""

    op: str
    value: Expr


class IfExp(Fact, tag="i"):
    """`body if test else orelse`."""

    test: Expr
    body: Expr
    orelse: Expr


class Sub(Fact, tag="x"):
    """`value[index]` (a slice is `Other`)."""

    value: Expr
    index: Expr


class Await(Fact, tag="w"):
    """`await value`."""

    value: Expr


class Star(Fact, tag="*"):
    """`*value` in a display or an argument list."""

    value: Expr


class LambdaRef(Fact, tag="l"):
    """A lambda: index into `FileFacts.scopes`."""

    scope: int


class Comp(Fact, tag="p"):
    """A comprehension or generator expression. Its calls lie in region `region` of the same scope."""

    kind: str  # "list" "set" "dict" "generator"
    region: int
    element: Expr
    key: Expr | None = None
    tests: tuple[Expr, ...] = ()  # the conditions of its `if` clauses


class Walrus(Fact, tag="="):
    """`name := value` (also recorded as an assignment)."""

    name: str
    value: Expr


class Yield(Fact, tag="y"):
    """`yield value` or `yield from value`."""

    value: Expr | None
    is_from: bool = False


class Other(Fact, tag="?"):
    """Anything else, as source text (at most 80 characters)."""

    text: str


Expr = (
    Name
    | Attr
    | CallRef
    | Str
    | Const
    | FStr
    | Seq
    | Dict
    | Bin
    | BoolOp
    | Compare
    | Unary
    | IfExp
    | Sub
    | Await
    | Star
    | LambdaRef
    | Comp
    | Walrus
    | Yield
    | Other
)


# --- flow inside a scope ---------------------------------------------------------------------------------------------


class Region(Fact):
    """A block of statements. Regions of a scope form a tree; region 0 is the scope's body.

    `kind` is one of: body, if, else, for, while, loop_else, try, except, try_else, finally, with, case, comprehension.
    `elif` is an `else` region that holds an `if`. Siblings of one statement share `group` (the index of its first region).
    The test of `while` is evaluated inside its region; that of `if`, the iterable of `for` and the items of `with` outside.
    """

    kind: str
    parent: int  # -1 for region 0
    line: int
    end_line: int
    start: int  # order of the first event inside
    end: int  # order after the last event inside
    group: int
    exits: str
    """How control leaves at the end of the block when it always leaves abruptly: "return", "raise", "continue", "break",
    "mixed" (different ones on different branches), or "" (the end of the block can be reached)."""
    test: Expr | None = None  # if, while: the condition; case: the subject; for, comprehension: the iterable
    target: Expr | None = None  # for, comprehension: loop variable(s); except: Name of `as`; case: Other(pattern)
    types: tuple[Expr, ...] = ()  # except: the caught types, tuple flattened; empty for a bare handler
    items: tuple[tuple[Expr, Expr | None], ...] = ()  # with: (context expression, `as` target)
    is_async: bool = False  # async for, async with
    only_pass: bool = False  # the block holds nothing but pass, ellipsis, docstring


class Call(Fact):
    """One call site. `Scope.calls` lists a call before the calls inside it; `order` says when it happens."""

    order: int
    region: int
    line: int
    end_line: int
    column: int
    func: Expr
    args: tuple[Expr, ...]  # positional; Star for *args
    kwargs: tuple[tuple[str, Expr], ...]  # name "**" for a dict spread
    awaited: bool
    use: str
    """What becomes of the result: "discarded", "assigned", "returned", "argument" (of `outer`), "receiver" (of the call
    `outer`: `f().g()`), "attribute" (`f().x`), "condition", "iterated", "context" (with), "yielded", "raised", "stored"
    (in a display, subscript, comparison, f-string or other expression), "decorator", "default"."""
    outer: int = -1  # index of the enclosing call in the same scope, or -1


class Assign(Fact):
    """A binding: `=`, `+=` …, annotation, walrus, and also loop variables, `with … as` and `except … as`."""

    order: int
    region: int
    line: int
    end_line: int
    target: Expr  # Name, Attr, Sub, Seq (unpacking), Star
    value: Expr | None  # None for a bare annotation
    op: str  # "=", ":=", "+=" …, "for" (value is the iterable), "with" (value is the context expression), "except" (value: Seq of types), "case" (value: Other(pattern))
    annotation: Expr | None = None


class Leave(Fact):
    """return, raise, yield, continue, break. The body of a lambda is a return."""

    kind: str  # "return" "raise" "yield" "continue" "break"
    order: int
    region: int
    line: int
    value: Expr | None = None
    cause: Expr | None = None  # raise … from cause


class Test(Fact):
    """An expression whose value is used without a call, assignment or condition: `assert x`, `del x`, `x` alone, `await task`."""

    kind: str  # "assert" "delete" "expr"
    order: int
    region: int
    line: int
    value: Expr


class Param(Fact):
    """A parameter."""

    name: str
    kind: str  # "positional" "keyword" "args" "kwargs"  (positional: also usable by keyword)
    annotation: Expr | None
    default: Expr | None  # calls in defaults, annotations and decorators are recorded in the enclosing scope


class Import(Fact):
    """One imported name. `import a.b` binds `a` (asname None) to module `a`; name None. `from .m import x as y`: level 1, module "m"."""

    order: int
    line: int
    module: str
    level: int
    name: str | None  # None for `import module`; "*" for star imports
    asname: str | None
    in_type_checking: bool = False
    in_try: bool = False


class Scope(Fact):
    """The module, a class body, a function or a lambda."""

    index: int
    parent: int  # -1 for the module
    kind: str  # "module" "class" "function" "lambda"
    name: str
    qualname: str
    """Inside the module, without `<locals>`: `Class.method`, `outer.inner`; `<module>` for the module; lambdas: `outer.<lambda>`."""
    line: int  # of `def`/`class` (not of the first decorator)
    end_line: int
    column: int
    is_async: bool
    is_generator: bool
    decorators: tuple[Expr, ...]  # expressions of the parent scope
    decorator_lines: tuple[int, ...]
    bases: tuple[Expr, ...]  # class: expressions of the parent scope
    keywords: tuple[tuple[str, Expr], ...]  # class: metaclass=…, table=True …
    params: tuple[Param, ...]
    returns: Expr | None  # annotation
    doc: str  # first paragraph of the docstring, at most 300 characters
    region_in_parent: int
    order_in_parent: int
    regions: tuple[Region, ...]
    calls: tuple[Call, ...]
    assigns: tuple[Assign, ...]
    leaves: tuple[Leave, ...]
    tests: tuple[Test, ...]
    imports: tuple[Import, ...]
    globals: tuple[str, ...]  # names declared global or nonlocal
    last_read: dict[str, int]
    """Name or dotted path (`x`, `self.x`, `self.x.y`) -> order of its last load in this scope. Nested scopes are not counted."""


class Comment(Fact):
    """A comment, without `#`, stripped, at most 200 characters."""

    line: int
    text: str


class Problem(Fact):
    """Something in the file that could not be read."""

    line: int
    message: str


class FileFacts(Fact):
    """All facts of one Python file. `scopes[0]` is the module."""

    path: str  # relative to the reviewed root, forward slashes
    lines: int
    scopes: tuple[Scope, ...]
    comments: tuple[Comment, ...]
    problems: tuple[Problem, ...]


# --- files around Python ---------------------------------------------------------------------------------------------


class Process(Fact):
    """A command that a container, unit, Procfile or script starts."""

    line: int
    end_line: int
    argv: tuple[str, ...]  # words of the command as far as they are literal; a hole is "$…"
    form: str  # "exec" (JSON form), "shell" (through sh -c), "script" (a line of a shell script)
    role: str  # "cmd" "entrypoint" "command" "prestop" "service" "run"
    replaces_shell: bool  # starts with exec, or is the exec form
    background: bool = False  # ends in &
    is_last: bool = False  # last command of its script (of its branch)
    owner: str = ""
    """To what it belongs: Dockerfile stage, compose service, `Kind/name/container`, unit, program or process type."""
    shell: tuple[str, ...] = ()
    """Form "shell": the words that run the text (`/bin/sh -c`, with whatever stands before them). Form "script": the interpreter."""
    cases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Branches of the script in which it stands: (`$1`, patterns of which one matched)."""
    wrapped: bool = False
    """Has a redirection, or stands in a pipeline, subshell, branch or loop: no shell replaces itself by it unasked."""
    expands: bool = False
    """Form "shell": the text has variables; `argv` holds what they are as far as the file says so."""


class Setting(Fact):
    """One literal setting of a manifest or a configuration file: dotted key path and value as text."""

    line: int
    key: str
    value: str


class Statement(Fact):
    """One SQL statement of a `.sql` file, as text."""

    line: int
    end_line: int
    sql: str


class Requirement(Fact):
    """A distribution with the version that a lock or requirement file gives ("" where none; operators kept: `>=2,<3`, `==1.2`)."""

    line: int
    name: str  # normalised: lower case, hyphens
    version: str
    locked: bool


class AuxFacts(Fact):
    """All facts of one file around Python."""

    path: str
    kind: str  # "dockerfile" "shell" "procfile" "compose" "kubernetes" "systemd" "supervisor" "sql" "requirements" "config" "openapi"
    lines: int
    processes: tuple[Process, ...] = ()
    settings: tuple[Setting, ...] = ()
    statements: tuple[Statement, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    problems: tuple[Problem, ...] = ()
