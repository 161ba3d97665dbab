"""The tree-sitter grammar of Python: node kinds by number.

Numbers instead of names, because asking a node for its number makes no string.
"""

from __future__ import annotations

from typing import Final

import tree_sitter
import tree_sitter_python

LANGUAGE: Final = tree_sitter.Language(tree_sitter_python.language())
ALL_KINDS: Final = tuple(range(LANGUAGE.node_kind_count))
ERROR: Final = 0xFFFF
"""The kind of a node that stands for what the parser could not read."""


def kinds(*names: str) -> frozenset[int]:
    """The numbers of named nodes. A name may have several numbers."""
    wanted = frozenset(names)
    return frozenset(i for i in ALL_KINDS if LANGUAGE.node_kind_is_named(i) and LANGUAGE.node_kind_for_id(i) in wanted)


def token(text: str) -> int:
    """The number of a keyword or an operator; -1 when this version of the grammar has none."""
    found = LANGUAGE.id_for_node_kind(text, False)
    return -1 if found is None else found


def kind(name: str) -> int:
    """The number of a named node; -1 when this version of the grammar has none."""
    found = LANGUAGE.id_for_node_kind(name, True)
    return -1 if found is None else found


IDENTIFIER: Final = kind("identifier")
ATTRIBUTE: Final = kind("attribute")
CALL: Final = kind("call")
ARGUMENT_LIST: Final = kind("argument_list")
KEYWORD_ARGUMENT: Final = kind("keyword_argument")
DICTIONARY_SPLAT: Final = kind("dictionary_splat")
ASSIGNMENT: Final = kind("assignment")
BLOCK: Final = kinds("block")
COMMENT: Final = kind("comment")
PARENTHESIZED: Final = kind("parenthesized_expression")
STRING: Final = kinds("string", "concatenated_string")
TYPE: Final = kind("type")
TYPE_PARAMETER: Final = kinds("type_parameter")

EXTRAS: Final = kinds("comment", "line_continuation") | {ERROR}
"""Nodes that may stand between any two children of any node."""
PUNCTUATION: Final = frozenset(i for i in ALL_KINDS if not LANGUAGE.node_kind_is_named(i))
SKIPPED: Final = PUNCTUATION | EXTRAS
