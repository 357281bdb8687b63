-- A place between a batch's compare-and-set and its COMMIT in which it can be held: the ledger's
-- entries come after the one and before the other. Whoever holds the lock alone holds every batch
-- there; while nobody does, nothing waits.

create function chaos.pause() returns trigger
language plpgsql
as $function$
begin
    perform pg_advisory_xact_lock_shared(7263);
    return null;
end
$function$;

create trigger chaos_pause after insert on cdc.ledger
    for each statement execute function chaos.pause();
