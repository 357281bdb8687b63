-- The source of a campaign: two tables that are changed alike, of which one is followed by a history
-- and one by a mirror, and beside them what the oracle asks. `load.journal` is written in the
-- transaction that changes the tables, so it holds exactly the changes that were committed, whatever
-- became of the session that made them.

create table public.movements (
    key      integer primary key,
    version  bigint  not null,
    previous text    not null,
    hash     text    not null,
    amount   numeric(12, 2),
    note     text
);
alter table public.movements replica identity full;

create table public.stock (like public.movements including all);
alter table public.stock replica identity full;

create schema load;

-- The end of each key's chain, which outlives its row.
create table load.head (
    key     integer primary key,
    version bigint  not null,
    hash    text    not null
);

create table load.journal (
    number    bigint generated always as identity primary key,
    operation text    not null,
    key       integer not null,
    version   bigint  not null,
    previous  text    not null,
    hash      text    not null,
    amount    text,
    note      text
);

create sequence load.fresh start 1000000;

-- The hash of a state: of all that it says and of the state before it.
create function load.link(
    previous text, key integer, version bigint, amount numeric, note text
) returns text
language sql immutable
return encode(sha256(convert_to(
    previous || '|' || key || '|' || version || '|' || coalesce(amount::text, '-') || '|'
        || coalesce('=' || note, '-'), 'UTF8')), 'hex');

create function load.gone(previous text) returns text
language sql immutable
return encode(sha256(convert_to(previous || '|gone', 'UTF8')), 'hex');

-- The next state of a chain, written down as its head.
create function load.next(
    of_key integer, worth numeric, words text, out version bigint, out previous text, out hash text
)
language plpgsql
as $function$
begin
    insert into load.head values (of_key, 0, '') on conflict do nothing;
    select head.version + 1, head.hash into version, previous
      from load.head as head where head.key = of_key for update;
    hash := load.link(previous, of_key, version, worth, words);
    update load.head as head set version = next.version, hash = next.hash where head.key = of_key;
end
$function$;

-- Gives a key its next state, whether it has a row or not.
create function load.put(of_key integer, amount numeric, words text) returns void
language plpgsql
as $function$
declare
    worth numeric(12, 2) := amount;
    state record;
begin
    state := load.next(of_key, worth, words);
    update public.movements set version = state.version, previous = state.previous,
           hash = state.hash, amount = worth, note = words where key = of_key;
    if found then
        update public.stock set version = state.version, previous = state.previous,
               hash = state.hash, amount = worth, note = words where key = of_key;
        insert into load.journal (operation, key, version, previous, hash, amount, note)
        values ('u', of_key, state.version, state.previous, state.hash, worth::text, words);
    else
        insert into public.movements
        values (of_key, state.version, state.previous, state.hash, worth, words);
        insert into public.stock
        values (of_key, state.version, state.previous, state.hash, worth, words);
        insert into load.journal (operation, key, version, previous, hash, amount, note)
        values ('c', of_key, state.version, state.previous, state.hash, worth::text, words);
    end if;
end
$function$;

-- Ends the chain of a key for now, as the removal of its row does.
create function load.leave(of_key integer, held public.movements) returns void
language plpgsql
as $function$
begin
    update load.head set version = version + 1, hash = load.gone(hash) where key = of_key;
    insert into load.journal (operation, key, version, previous, hash, amount, note)
    values ('d', of_key, held.version, held.previous, held.hash, held.amount::text, held.note);
end
$function$;

-- Removes a key's row, if it has one.
create function load.take(of_key integer) returns void
language plpgsql
as $function$
declare
    held public.movements;
begin
    perform from load.head where key = of_key for update;
    delete from public.movements where key = of_key returning * into held;
    if found then
        delete from public.stock where key = of_key;
        perform load.leave(of_key, held);
    end if;
end
$function$;

-- Gives a row another key: the log says that one key went and another came.
create function load.rename(of_key integer, to_key integer) returns void
language plpgsql
as $function$
declare
    held  public.movements;
    state record;
begin
    perform from load.head where key in (of_key, to_key) order by key for update;
    select * into held from public.movements where key = of_key;
    if not found or of_key = to_key
       or exists (select from public.movements where key = to_key) then
        return;
    end if;
    perform load.leave(of_key, held);
    state := load.next(to_key, held.amount, held.note);
    update public.movements set key = to_key, version = state.version, previous = state.previous,
           hash = state.hash where key = of_key;
    update public.stock set key = to_key, version = state.version, previous = state.previous,
           hash = state.hash where key = of_key;
    insert into load.journal (operation, key, version, previous, hash, amount, note)
    values ('c', to_key, state.version, state.previous, state.hash, held.amount::text, held.note);
end
$function$;

-- Loads rows of new keys with COPY, whose rows share places in the source's log.
create function load.bulk(rows integer, amount numeric, words text) returns void
language plpgsql
as $function$
declare
    worth numeric(12, 2) := amount;
    place text := format('%s/load-%s.copy', current_setting('data_directory'), pg_backend_pid());
begin
    create temporary table if not exists fresh (like public.movements) on commit delete rows;
    delete from fresh;
    insert into fresh
    select made.key, 1, '', load.link('', made.key, 1, worth, words), worth, words
      from (select nextval('load.fresh')::integer as key from generate_series(1, rows)) as made;
    execute format('copy fresh to %L', place);
    execute format('copy public.movements from %L', place);
    execute format('copy public.stock from %L', place);
    insert into load.head select key, version, hash from fresh;
    insert into load.journal (operation, key, version, previous, hash, amount, note)
    select 'c', key, version, previous, hash, fresh.amount::text, note from fresh;
end
$function$;
