-- What Debezium makes of some values, for the list of differences.
create function in_utc(t text) returns text language sql as $$
    select ((case when t like '24:00:00%' then replace(t, '24:', '00:') else t end)::timetz at time zone 'UTC')::text
$$;

create function in_micros(t text, less integer) returns text language sql as $$
    select (greatest(least(trunc(
        (extract(year from i) * 12 + extract(month from i)) * 30.4375 * 86400000000
        + extract(day from i) * 86400000000
        + extract(hour from i) * 3600000000 + extract(minute from i) * 60000000
        + extract(microseconds from i)
    ) - less, 9223372036854775807), -9223372036854775808) || ' microseconds')::interval::text
    from (select t::interval) as v (i)
$$;

-- The moment whose name in the Julian calendar is that of `moment`, for moments before 1582-10-15.
create function julian(moment timestamp) returns timestamp language sql immutable as $$
    select case
        when moment >= '1582-10-15' then moment
        else moment + make_interval(days => (floor(y / 100) - floor(y / 400) - 2)::integer)
    end
    from (
        select case when year < 0 then year + 1 else year end - (month <= 2)::integer as y
        from (select extract(year from moment) as year, extract(month from moment) as month) as a
    ) as b
$$;

create function julian(moments timestamp[]) returns timestamp[] language sql immutable as $$
    select array(select julian(moment) from unnest(moments) as moment)
$$;

create function in_millis(moments timestamp[]) returns timestamp[] language sql immutable as $$
    select array(select date_trunc('milliseconds', moment) from unnest(moments) as moment)
$$;

-- A text of instants or moments without the zone, which is UTC.
create function plain(t text) returns text language sql immutable as $$
    select replace(replace(t, '+00', ''), '"', '')
$$;

-- Whether a condition on the source's text `t` and the warehouse's `g` holds; not when it fails.
create function holds(condition text, t text, g text) returns boolean language plpgsql as $$
declare
    answer boolean;
begin
    execute format('select %s from (select $1, $2) as v (t, g)', condition) into answer using t, g;
    return coalesce(answer, false);
exception
    when data_exception then return false;
end
$$;

-- Whether the bytes are a text of the shape that `t` is; the driver writes numbers in its own way.
create function same_shape(t text, g text) returns boolean language plpgsql as $$
declare
    kind text;
    got text := convert_from(g::bytea, 'UTF8');
begin
    foreach kind in array array['box', 'circle', 'line', 'lseg', 'path', 'polygon'] loop
        begin
            execute format('select $1 = $2::%s::text', kind) into strict kind using t, got;
            if kind::boolean then
                return true;
            end if;
        exception
            when data_exception then null;
        end;
    end loop;
    return false;
end
$$;
