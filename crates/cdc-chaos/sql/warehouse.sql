-- The warehouse of a campaign. No key of the history forbids a row twice: the oracle has to see it.

create table public.movements (
    key            integer not null,
    version        bigint,
    previous       text,
    hash           text,
    amount         numeric(12, 2),
    note           text,
    operation_type varchar(10),
    cdc_timestamp  timestamp,
    cdc_generation integer not null,
    cdc_partition  integer not null,
    cdc_offset     bigint  not null,
    cdc_ordinal    integer not null,
    source_lsn     pg_lsn,
    source_tx_id   bigint,
    unavailable    text[]
);
create index movements_key on public.movements (key);
create index movements_position on public.movements (cdc_generation, cdc_partition, cdc_offset);
create index movements_transaction on public.movements using brin (source_tx_id);

-- What the same log gives a second time.
create table public.movements_again (like public.movements including all);

create table public.stock (
    key            integer primary key,
    version        bigint,
    previous       text,
    hash           text,
    amount         numeric(12, 2),
    note           text,
    cdc_generation integer not null,
    cdc_offset     bigint  not null
);

create schema chaos;

-- Waits until a probe has arrived in both tables, with all its keys, and says whether it has.
create function chaos.seen(words text, keys integer, patience interval) returns boolean
language plpgsql volatile
as $function$
declare
    deadline timestamptz := clock_timestamp() + patience;
begin
    loop
        if (select count(*) from public.stock where key <= keys and note = words) = keys
           and (select count(distinct key) from public.movements
                 where key <= keys and note = words) = keys then
            return true;
        end if;
        if clock_timestamp() > deadline then
            return false;
        end if;
        perform pg_sleep(0.02);
    end loop;
end
$function$;
