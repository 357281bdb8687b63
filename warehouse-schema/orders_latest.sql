-- One row per order that exists: its newest version.
--
-- A truncate hides what came before it. Within a partition the log says what that is; between
-- partitions the source's own position does, which is sound here because a truncate excludes every
-- other writer of its table.

CREATE OR REPLACE VIEW public.orders_latest AS
SELECT newest.order_id, newest.customer_id, newest.product_name, newest.amount, newest.status,
       newest.created_at, newest.updated_at, newest.processed_at
  FROM (SELECT DISTINCT ON (fact.order_id) fact.*
          FROM public.orders_fact AS fact
         ORDER BY fact.order_id, fact.cdc_generation DESC, fact.cdc_offset DESC,
                  fact.cdc_ordinal DESC) AS newest
 WHERE newest.operation_type IS DISTINCT FROM 'd'
   AND NOT EXISTS (
       SELECT FROM cdc.table_event AS event
        WHERE event.target_table = 'public.orders_fact'
          AND event.kind = 'truncate'
          AND CASE WHEN (event.generation, event.partition)
                      = (newest.cdc_generation, newest.cdc_partition)
                   THEN (event."offset", event.ordinal) > (newest.cdc_offset, newest.cdc_ordinal)
                   ELSE event.source_lsn > newest.source_lsn
              END);

COMMENT ON VIEW public.orders_latest IS 'The orders that exist, each in its newest version.';
