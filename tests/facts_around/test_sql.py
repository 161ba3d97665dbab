from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from facts_around.showing import facts_of, golden, show
from roadworthy.facts.around import extract_around


def test_what_hides_a_semicolon() -> None:
    facts = facts_of(
        "schema.sql",
        r"""
        -- head; not a statement
        CREATE TABLE a (x text DEFAULT ';', "odd;name" int); /* ; /* nested ; */ */ INSERT INTO a VALUES ('it''s;');
        INSERT INTO a VALUES (E'\';');
        CREATE FUNCTION f() RETURNS trigger AS $body$ BEGIN x; END; $body$ LANGUAGE plpgsql;
        CREATE TRIGGER t AFTER INSERT ON a BEGIN
          UPDATE a SET x = 1; SELECT CASE WHEN 1 THEN 2 END;
        END;
        BEGIN; SELECT 1; COMMIT;
        COPY a (x) FROM stdin;
        foo; bar
        \.
        \connect db
        SELECT 2
        """,
    )
    assert show(facts) == golden(
        r"""
        sql
        2-2 CREATE TABLE a (x text DEFAULT ';', "odd;name" int)
        2-2 INSERT INTO a VALUES ('it''s;')
        3-3 INSERT INTO a VALUES (E'\';')
        4-4 CREATE FUNCTION f() RETURNS trigger AS $body$ BEGIN x; END; $body$ LANGUAGE plpgsql
        5-7 CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 1; SELECT CASE WHEN 1 THEN 2 END; END
        8-8 BEGIN
        8-8 SELECT 1
        8-8 COMMIT
        9-9 COPY a (x) FROM stdin
        13-13 SELECT 2
        """
    )


def test_mysql() -> None:
    facts = facts_of(
        "dump.sql",
        r"""
        # a comment; here
        DELIMITER //
        CREATE PROCEDURE p() BEGIN a; b; END//
        DELIMITER ;
        INSERT INTO `t` VALUES ('a\';b', "c\";d");
        SELECT 1;
        """,
    )
    assert show(facts) == golden(
        r"""
        sql
        3-3 CREATE PROCEDURE p() BEGIN a; b; END
        5-5 INSERT INTO `t` VALUES ('a\';b', "c\";d")
        6-6 SELECT 1
        """
    )


def test_batches_of_the_microsoft_server() -> None:
    facts = facts_of("x.sql", "CREATE TABLE [a;b] (x int)\nGO\nSELECT 1\nGO\n")
    assert [s.sql for s in facts.statements] == ["CREATE TABLE [a;b] (x int)", "SELECT 1"]


def test_long_statements_are_cut_and_open_ones_told() -> None:
    facts = facts_of("x.sql", f"INSERT INTO a VALUES ('{'x' * 30_000}');\nSELECT $$ never closed")
    assert len(facts.statements[0].sql) < 21_000
    assert [p.line for p in facts.problems] == [2]


PIECES = st.sampled_from(
    [
        "a ",
        "'",
        "''",
        '"',
        "`",
        "$$",
        "$t$",
        ";",
        "--",
        "/*",
        "*/",
        "\n",
        "BEGIN ",
        "END",
        "CASE ",
        "CREATE ",
        "TRIGGER ",
        "\\",
        "E'",
        "DELIMITER //\n",
        "//",
        "COPY x FROM stdin;\n",
        "\\.\n",
        "[",
        "]",
        "\nGO\n",
        "#",
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_statements_come_in_order_and_from_the_text(text: str) -> None:
    facts = extract_around("x.sql", text.encode())
    assert facts is not None
    lines = [s.line for s in facts.statements]
    assert lines == sorted(lines)
    assert all(s.sql.strip() and s.sql in text for s in facts.statements)


@given(
    st.lists(
        st.sampled_from(["SELECT 1", "INSERT INTO a VALUES ('x;y')", 'UPDATE "t;" SET x = 2', "DELETE FROM a -- ; \n"]),
        max_size=8,
    )
)
def test_joined_statements_come_apart_again(statements: list[str]) -> None:
    facts = extract_around("x.sql", ";\n".join(statements).encode())
    assert facts is not None
    assert [s.sql for s in facts.statements] == [s.rstrip() for s in statements]
