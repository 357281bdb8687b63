-- One line for each column of each captured table, with what its type is made of.
select json_build_object(
    'table', n.nspname || '.' || c.relname, 'column', a.attname, 'typmod', a.atttypmod,
    'sql', format_type(a.atttypid, a.atttypmod), 'name', t.typname, 'kind', t.typtype,
    'element', e.typname, 'element_kind', e.typtype, 'base', b.typname, 'base_kind', b.typtype,
    'base_typmod', t.typtypmod, 'base_sql', format_type(t.typbasetype, t.typtypmod),
    'element_base_sql', format_type(nullif(e.typbasetype, 0), e.typtypmod)
)
from pg_attribute a
join pg_class c on c.oid = attrelid
join pg_namespace n on n.oid = relnamespace
join pg_type t on t.oid = atttypid
left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
left join pg_type b on b.oid = t.typbasetype
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
where nspname = 'public' and relkind = 'r' and attnum > 0 and not attisdropped and d.objid is null
order by relname, attnum
