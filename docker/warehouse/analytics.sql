-- The warehouse before the pipeline has seen it: an empty database that belongs to the role the
-- pipeline connects as. Tables are made by `cdc-pipeline init`. Run in the database `analytics`;
-- it can be run again.

do $$
begin
    if not exists (select from pg_roles where rolname = 'warehouse') then
        create role warehouse login;
    end if;
end
$$;

alter database analytics owner to warehouse;
