//! The statements.

use cdc_core::SourceTable;

use crate::sql::literal;

/// One row of one column: a JSON document about these tables, as far as they exist, and the types of
/// their columns.
pub(crate) fn statement(tables: &[SourceTable]) -> String {
    let names = tables
        .iter()
        .map(|table| format!("({}, {})", literal(table.schema()), literal(table.name())));
    let names: Vec<String> = names.collect();
    // A list without rows is no SQL.
    let wanted = if names.is_empty() {
        "SELECT ''::text, ''::text WHERE false".to_owned()
    } else {
        format!("VALUES {}", names.join(", "))
    };
    STATEMENT.replace("$wanted", &wanted).replace("$inner", INNER).replace("$types", TYPES)
}

/// One row of one column: the names of all tables as a JSON array.
pub(crate) fn names_statement() -> &'static str {
    "SELECT coalesce(pg_catalog.json_agg(n.nspname || '.' || c.relname ORDER BY n.nspname, c.relname), '[]')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
}

/// Columns that the server generates are not in its log. A table that was never counted is taken for one
/// of rows of 100 bytes. Whoever has a primary key by inheritance has it as an index of its own.
const STATEMENT: &str = "
WITH RECURSIVE wanted (schema, name) AS ($wanted),
relation AS (
     SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident
       FROM wanted
       JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema
       JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name
      WHERE c.relkind IN ('r', 'p')),
leaf AS (
     SELECT relation.oid AS root, l.oid, n.nspname, l.relname, l.relreplident, l.reltuples, l.relkind
       FROM relation
       CROSS JOIN LATERAL (
            SELECT relation.oid AS relid WHERE relation.relkind = 'r'
            UNION ALL
            SELECT t.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(relation.oid) t
             WHERE relation.relkind = 'p' AND t.isleaf) part
       JOIN pg_catalog.pg_class l ON l.oid = part.relid AND l.relkind <> 'p'
       JOIN pg_catalog.pg_namespace n ON n.oid = l.relnamespace),
needed (oid) AS (
     SELECT a.atttypid
       FROM relation JOIN pg_catalog.pg_attribute a ON a.attrelid = relation.oid
      WHERE a.attnum > 0 AND NOT a.attisdropped
$inner)
SELECT pg_catalog.json_build_object(
  'tables', (
     SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'schema', r.nspname, 'name', r.relname, 'oid', r.oid::pg_catalog.int8, 'kind', r.relkind,
         'unlogged', r.relpersistence <> 'p', 'identity', r.relreplident,
         'primary_key', ARRAY(
             SELECT a.attname
               FROM pg_catalog.pg_index x
              CROSS JOIN LATERAL pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY k (attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
              WHERE x.indrelid = r.oid AND x.indisprimary AND k.place <= x.indnkeyatts
              ORDER BY k.place),
         'chosen', ARRAY(
             SELECT a.attname
               FROM pg_catalog.pg_index x
              CROSS JOIN LATERAL pg_catalog.unnest(x.indkey::pg_catalog.int2[]) WITH ORDINALITY k (attnum, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
              WHERE x.indrelid = r.oid AND x.indisreplident AND k.place <= x.indnkeyatts
              ORDER BY k.place),
         'estimated_rows', (
             SELECT coalesce(sum(CASE WHEN l.reltuples >= 0 THEN l.reltuples
                                      WHEN l.relkind = 'r' THEN pg_catalog.pg_relation_size(l.oid) / 100
                                      ELSE 0 END), 0)
               FROM leaf l WHERE l.root = r.oid),
         'without_identity', (
             SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(l.nspname, l.relname)
                                                 ORDER BY l.nspname, l.relname), '[]')
               FROM leaf l
              WHERE l.root = r.oid AND l.relkind = 'r' AND l.relreplident <> 'f'
                AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_index x
                     WHERE x.indrelid = l.oid AND x.indisvalid
                       AND ((l.relreplident = 'd' AND x.indisprimary)
                            OR (l.relreplident = 'i' AND x.indisreplident)))),
         'columns', (
             SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                 'name', a.attname, 'attnum', a.attnum, 'type_oid', a.atttypid::pg_catalog.int8,
                 'typmod', a.atttypmod, 'sql_type', pg_catalog.format_type(a.atttypid, a.atttypmod),
                 'not_null', a.attnotnull) ORDER BY a.attnum), '[]')
               FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                AND a.attgenerated = ''))), '[]')
       FROM relation r),
  'types', (
     $types))";

/// What the types among `needed` are made of is needed as well.
const INNER: &str = "      UNION
     SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
       FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid
      WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0)";

/// The types among `needed`.
const TYPES: &str = "SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'oid', t.oid::pg_catalog.int8, 'name', t.typname,
         'form', CASE WHEN t.typtype = 'd' THEN 'domain'
                      WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN 'array'
                      WHEN t.typtype = 'e' THEN 'enum'
                      WHEN t.typtype IN ('b', 'r') THEN 'named'
                      ELSE 'other' END,
         'inner_oid', (CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END)::pg_catalog.int8,
         'inner_typmod', t.typtypmod)), '[]')
       FROM needed JOIN pg_catalog.pg_type t ON t.oid = needed.oid";

/// One row of one column: what these types are made of, and the names of types with modifiers.
pub(crate) fn types_statement(types: &[(u32, i32)]) -> String {
    let numbers: Vec<_> = types.iter().map(|(oid, _)| oid.to_string()).collect();
    let names = types.iter().map(|(oid, modifier)| {
        format!("pg_catalog.format_type({oid}::pg_catalog.oid, {modifier})")
    });
    let names: Vec<_> = names.collect();
    format!(
        "WITH RECURSIVE needed (oid) AS (
         SELECT pg_catalog.unnest('{{{}}}'::pg_catalog.oid[])
{INNER})
SELECT pg_catalog.json_build_object('types', ({TYPES}), 'names', ARRAY[{}]::text[])",
        numbers.join(","),
        names.join(", ")
    )
}
