-- The source's own account of every row change, taken by triggers in the changing transaction: the
-- text of each cell as the type's output function writes it. No connector captures this schema.
create schema audit;

create table audit.event (
    n bigserial primary key,
    xid text not null default pg_current_xact_id()::text,
    relation text not null,
    identity text not null,
    op text not null,
    before json,
    after json
);

-- An expression over the row `$1` of a table that makes a JSON object of its columns' texts.
-- `is distinct from null`, because a composite value of nulls alone `is null` too.
create function audit.texts(relation regclass) returns text language sql as $$
    select format(
        'json_object(%L::text[], array[%s]::text[])',
        array_agg(attname::text order by attnum),
        string_agg(
            format(
                'case when ($1).%1$I is distinct from null then format(''%%s'', ($1).%1$I) end',
                attname
            ),
            ', ' order by attnum
        )
    )
    from pg_attribute
    where attrelid = relation and attnum > 0 and not attisdropped
$$;

create function audit.note() returns trigger language plpgsql
    set datestyle = 'ISO, YMD' set intervalstyle = 'postgres' set timezone = 'UTC'
    set bytea_output = 'hex' set search_path = public
as $$
declare
    text_of text := audit.texts(tg_relid);
    before json;
    after json;
begin
    if tg_op in ('UPDATE', 'DELETE') then
        execute 'select ' || text_of into before using old;
    end if;
    if tg_op in ('INSERT', 'UPDATE') then
        execute 'select ' || text_of into after using new;
    end if;
    insert into audit.event (relation, identity, op, before, after)
    select tg_table_schema || '.' || tg_table_name, relreplident,
        case tg_op when 'INSERT' then 'c' when 'UPDATE' then 'u' when 'DELETE' then 'd' else 't' end,
        before, after
    from pg_class where oid = tg_relid;
    return null;
end
$$;

create function audit.watch(relation regclass) returns void language plpgsql as $$
begin
    execute format(
        'create trigger note after insert or update or delete on %s
            for each row execute function audit.note()', relation);
    execute format(
        'create trigger note_truncate after truncate on %s
            for each statement execute function audit.note()', relation);
end
$$;
