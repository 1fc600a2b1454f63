"""Every question of a rebuild to the catalog, as a value; they only read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mainstem.postgres.statements import Statement


def tables_in(schema: str, tables: Sequence[str]) -> Statement:
    """Name, oid, kind, and whether it inherits or is inherited, of those tables that exist."""
    return Statement(
        """
        SELECT c.relname::text, c.oid::bigint, c.relkind::text,
               EXISTS (SELECT FROM pg_catalog.pg_inherits i
                       WHERE c.oid IN (i.inhrelid, i.inhparent))
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1::text AND c.relname = ANY ($2::text[])
        ORDER BY c.relname
        """,
        (schema, list(tables)),
    )


def all_tables(schema: str) -> Statement:
    """The names of the tables in a schema."""
    return Statement(
        """
        SELECT c.relname::text FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1::text AND c.relkind = 'r' ORDER BY c.relname
        """,
        (schema,),
    )


def strays_in(schema: str, tables: Sequence[str]) -> Statement:
    """What is in the schema besides these tables and what belongs to them."""
    return Statement(
        """
        SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0)
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_namespace n ON n.oid = d.refobjid
         AND d.refclassid = 'pg_catalog.pg_namespace'::regclass
        LEFT JOIN pg_catalog.pg_class c
          ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid
        WHERE n.nspname = $1::text AND d.deptype = 'n'
          AND NOT COALESCE(c.relkind IN ('r', 'p') AND c.relname = ANY ($2::text[]), false)
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend owned
                          WHERE owned.classid = d.classid AND owned.objid = d.objid
                            AND owned.deptype IN ('a', 'i'))
        ORDER BY 1
        """,
        (schema, list(tables)),
    )


def storage_of(oids: tuple[int, int]) -> Statement:
    """A statement for each property of a table that LIKE leaves out: live and shadow oid."""
    return Statement(
        """
        SELECT 'ALTER TABLE ' || $1::oid::regclass || ' SET (' ||
               pg_catalog.array_to_string(c.reloptions, ', ') || ')'
        FROM pg_catalog.pg_class c WHERE c.oid = $2::oid AND c.reloptions IS NOT NULL
        """,
        (oids[1], oids[0]),
    )


# What DROP TABLE without CASCADE would name, and triggers, policies and publications besides.
DEPENDENTS: Final = """
    WITH own AS (SELECT oid, reltype FROM pg_catalog.pg_class WHERE oid = ANY ($1::oid[])),
    parts AS (
        SELECT 'pg_catalog.pg_class'::regclass AS class, oid AS part FROM own
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid
        FROM pg_catalog.pg_index i JOIN own ON own.oid = i.indrelid
        UNION ALL SELECT 'pg_catalog.pg_type'::regclass, t.oid
        FROM pg_catalog.pg_type t JOIN own ON own.reltype IN (t.oid, t.typelem)
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, k.oid
        FROM pg_catalog.pg_constraint k JOIN own ON own.oid = k.conrelid
    ),
    found AS (
        SELECT DISTINCT d.classid, d.objid
        FROM pg_catalog.pg_depend d
        JOIN parts ON d.refclassid = parts.class AND d.refobjid = parts.part
        WHERE d.deptype = 'n'
    )
    SELECT CASE v.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
                          ELSE 'rule of ' END || v.oid::regclass
    FROM found
    JOIN pg_catalog.pg_rewrite r ON found.classid = 'pg_catalog.pg_rewrite'::regclass
                                AND r.oid = found.objid
    JOIN pg_catalog.pg_class v ON v.oid = r.ev_class
    WHERE v.oid NOT IN (SELECT oid FROM own)
    UNION
    SELECT 'foreign key ' || pg_catalog.quote_ident(k.conname) || ' of ' || k.conrelid::regclass
    FROM pg_catalog.pg_constraint k
    WHERE k.contype = 'f' AND k.confrelid IN (SELECT oid FROM own)
      AND k.conrelid NOT IN (SELECT oid FROM own)
    UNION
    SELECT pg_catalog.pg_describe_object(found.classid, found.objid, 0)
    FROM found
    WHERE found.classid NOT IN ('pg_catalog.pg_rewrite'::regclass,
                                'pg_catalog.pg_constraint'::regclass)
      AND NOT EXISTS (SELECT FROM parts WHERE parts.class = found.classid
                                          AND parts.part = found.objid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_attrdef f
                      JOIN own ON own.oid = f.adrelid
                      WHERE found.classid = 'pg_catalog.pg_attrdef'::regclass
                        AND f.oid = found.objid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p JOIN own ON own.oid = p.polrelid
                      WHERE found.classid = 'pg_catalog.pg_policy'::regclass
                        AND p.oid = found.objid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN own ON own.oid = t.tgrelid
                      WHERE found.classid = 'pg_catalog.pg_trigger'::regclass
                        AND t.oid = found.objid)
    UNION
    SELECT 'publication ' || pg_catalog.quote_ident(p.pubname)
           || ' of ' || m.prrelid::regclass
    FROM pg_catalog.pg_publication_rel m
    JOIN pg_catalog.pg_publication p ON p.oid = m.prpubid
    JOIN own ON own.oid = m.prrelid
    ORDER BY 1
"""


def dependents(oids: Sequence[int]) -> Statement:
    """What points at these tables themselves, not at their names, so that it would stay behind."""
    return Statement(DEPENDENTS, (list(oids),))


# `live` and `shadow` are tables of the same name.
LOSSES: Final = """
    WITH live AS (SELECT * FROM pg_catalog.pg_class WHERE oid = $1::oid),
    shadow AS (SELECT * FROM pg_catalog.pg_class WHERE oid = $2::oid)
    SELECT 'trigger ' || pg_catalog.quote_ident(t.tgname) || ' of ' || live.oid::regclass
    FROM pg_catalog.pg_trigger t JOIN live ON live.oid = t.tgrelid
    WHERE NOT t.tgisinternal
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger s JOIN shadow ON shadow.oid = s.tgrelid
                      WHERE s.tgname = t.tgname)
    UNION ALL
    SELECT 'policy ' || pg_catalog.quote_ident(p.polname) || ' of ' || live.oid::regclass
    FROM pg_catalog.pg_policy p JOIN live ON live.oid = p.polrelid
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_policy s JOIN shadow ON shadow.oid = s.polrelid
                      WHERE s.polname = p.polname)
    UNION ALL
    SELECT 'row security of ' || live.oid::regclass
    FROM live, shadow
    WHERE (live.relrowsecurity, live.relforcerowsecurity)
        > (shadow.relrowsecurity, shadow.relforcerowsecurity)
    UNION ALL
    SELECT 'rule ' || pg_catalog.quote_ident(r.rulename) || ' of ' || live.oid::regclass
    FROM pg_catalog.pg_rewrite r JOIN live ON live.oid = r.ev_class
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite s JOIN shadow ON shadow.oid = s.ev_class
                      WHERE s.rulename = r.rulename)
    UNION ALL
    SELECT 'foreign key ' || pg_catalog.quote_ident(k.conname) || ' of ' || live.oid::regclass
    FROM pg_catalog.pg_constraint k JOIN live ON live.oid = k.conrelid
    WHERE k.contype = 'f'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint s
                      JOIN shadow ON shadow.oid = s.conrelid
                      WHERE s.contype = 'f' AND s.conname = k.conname)
    UNION ALL
    SELECT 'replica identity of ' || live.oid::regclass
    FROM live, shadow WHERE live.relreplident IN ('i', 'f', 'n')
                        AND live.relreplident <> shadow.relreplident
    ORDER BY 1
"""


def losses(oids: tuple[int, int]) -> Statement:
    """What the live table has and the shadow has not: the oids of both."""
    return Statement(LOSSES, oids)


def shared_sequences(oids: tuple[int, int]) -> Statement:
    """Sequences that belong to the live table and that the shadow draws from: oids of both."""
    return Statement(
        """
        SELECT 'sequence ' || q.oid::regclass
        FROM pg_catalog.pg_class q
        JOIN pg_catalog.pg_depend belongs
          ON belongs.classid = 'pg_catalog.pg_class'::regclass AND belongs.objid = q.oid
         AND belongs.refclassid = 'pg_catalog.pg_class'::regclass AND belongs.refobjid = $1::oid
         AND belongs.deptype IN ('a', 'i')
        JOIN pg_catalog.pg_depend draws
          ON draws.refclassid = 'pg_catalog.pg_class'::regclass AND draws.refobjid = q.oid
         AND draws.classid = 'pg_catalog.pg_attrdef'::regclass
        JOIN pg_catalog.pg_attrdef f ON f.oid = draws.objid AND f.adrelid = $2::oid
        WHERE q.relkind = 'S'
        ORDER BY 1
        """,
        oids,
    )


def touched(shadow: str, oids: Sequence[int]) -> Statement:
    """What the open transaction has used and must not: by the locks that it holds.

    That is any of these tables, the ones that serve, and any table outside of the shadow that it
    has written to, though it may read there.
    """
    return Statement(
        """
        SELECT DISTINCT l.relation::regclass::text
        FROM pg_catalog.pg_locks l
        JOIN pg_catalog.pg_class c ON c.oid = l.relation
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()
          AND (c.oid = ANY ($1::oid[])
               OR (c.relkind IN ('r', 'p') AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                   AND n.nspname NOT IN ('_mainstem', 'pg_catalog', $2::text)
                   AND c.relpersistence <> 't'))
        """,
        (list(oids), shadow),
    )


def ownership(oids: tuple[int, int]) -> Statement:
    """Statements that give the shadow the live table's owner and grants: oids of both."""
    return Statement(
        """
        WITH live AS (SELECT * FROM pg_catalog.pg_class WHERE oid = $1::oid),
        shadow AS (SELECT * FROM pg_catalog.pg_class WHERE oid = $2::oid),
        given AS (
            SELECT 2 AS place, 'REVOKE ALL ON ' || shadow.oid::regclass || ' FROM '
                   || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS said
            FROM shadow, pg_catalog.aclexplode(shadow.relacl) a
            WHERE a.grantee <> shadow.relowner
            UNION
            SELECT 3, 'GRANT ' || a.privilege_type || ' ON ' || shadow.oid::regclass || ' TO '
                   || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                   || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
            FROM shadow, live, pg_catalog.aclexplode(live.relacl) a
            WHERE a.grantee <> live.relowner
            UNION
            SELECT 3, 'GRANT ' || a.privilege_type || ' (' || pg_catalog.quote_ident(c.attname)
                   || ') ON ' || shadow.oid::regclass || ' TO '
                   || CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                   || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
            FROM shadow, live
            JOIN pg_catalog.pg_attribute c ON c.attrelid = live.oid AND NOT c.attisdropped
            CROSS JOIN LATERAL pg_catalog.aclexplode(c.attacl) a
            WHERE EXISTS (SELECT FROM pg_catalog.pg_attribute s
                          WHERE s.attrelid = shadow.oid AND s.attname = c.attname)
            UNION
            SELECT 1, 'ALTER TABLE ' || shadow.oid::regclass || ' OWNER TO '
                   || live.relowner::regrole
            FROM live, shadow WHERE live.relowner <> shadow.relowner
        )
        SELECT said FROM given ORDER BY place, said
        """,
        oids,
    )


# An index is the same if it says the same, but for the names of itself and of its table.
INDEXES: Final = r"""
    WITH every AS (
        SELECT i.indrelid, i.indexrelid, c.relname AS name, said,
               row_number() OVER (PARTITION BY i.indrelid, said ORDER BY c.relname) AS place
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        CROSS JOIN LATERAL pg_catalog.regexp_replace(
            pg_catalog.pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX \S+ ON \S+ ', '\1'
        ) AS said
        WHERE i.indrelid IN ($1::oid, $2::oid)
    ),
    live AS (SELECT * FROM every WHERE indrelid = $3::oid),
    shadow AS (SELECT * FROM every WHERE indrelid <> $4::oid)
    SELECT 'ALTER INDEX ' || s.indexrelid::regclass || ' RENAME TO '
           || pg_catalog.quote_ident(l.name)
    FROM live l JOIN shadow s USING (said, place)
    WHERE l.name NOT IN (SELECT name FROM shadow)
    UNION ALL
    SELECT pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(l.indexrelid), ' ON \S+ USING ',
                                     ' ON ' || $5::oid::regclass || ' USING ')
    FROM live l LEFT JOIN shadow s USING (said, place)
    WHERE s.said IS NULL AND l.name NOT IN (SELECT name FROM shadow)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = l.indexrelid)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      JOIN pg_catalog.pg_attribute a
                        ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass
                        AND d.objid = l.indexrelid AND d.refobjid = l.indrelid
                        AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute b
                                        WHERE b.attrelid = $6::oid AND b.attname = a.attname))
"""


def indexes(oids: tuple[int, int]) -> Statement:
    """Statements that give the shadow the live table's indexes and their names: oids of both."""
    live, shadow = oids
    return Statement(INDEXES, (live, shadow, live, live, shadow, shadow))
