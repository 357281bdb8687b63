-- One row per order that exists: its newest version.
--
-- A truncate hides what came before it. Within a partition the log says what that is; between
-- partitions the source's own position does, which is sound here because a truncate excludes every
-- other writer of its table. Rows of an incremental snapshot may have none; for these the connector's
-- clock decides, which saw the truncate and the row one after the other.
--
-- A complete snapshot hides what it did not show and nothing behind its begin has touched: in its own
-- partition, and where the log has no other one, in all that came before.

CREATE OR REPLACE VIEW public.orders_latest AS
SELECT newest.order_id, newest.customer_id, newest.product_name, newest.amount, newest.status,
       newest.created_at, newest.updated_at, newest.processed_at
  FROM (SELECT DISTINCT ON (fact.order_id) fact.*
          FROM public.orders_fact AS fact
         ORDER BY fact.order_id, fact.cdc_generation DESC, fact.cdc_offset DESC,
                  fact.cdc_ordinal DESC) AS newest
  LEFT JOIN (SELECT event.generation, event.partition, max(event.begins_at) AS begins_at
               FROM cdc.table_event AS event
              WHERE event.target_table = 'public.orders_fact'
                AND event.kind = 'snapshot_end' AND event.note IS NULL
              GROUP BY event.generation, event.partition) AS snapshot
         ON (snapshot.generation, snapshot.partition)
          = (newest.cdc_generation, newest.cdc_partition)
 WHERE newest.operation_type IS DISTINCT FROM 'd'
   AND (newest.cdc_offset < snapshot.begins_at) IS NOT TRUE
   AND (newest.cdc_generation < (SELECT max(event.generation)
                                   FROM cdc.table_event AS event
                                  WHERE event.target_table = 'public.orders_fact'
                                    AND event.kind = 'snapshot_end' AND event.note IS NULL
                                    AND event.alone IS NOT FALSE)) IS NOT TRUE
   AND NOT EXISTS (
       SELECT FROM cdc.table_event AS event
        WHERE event.target_table = 'public.orders_fact'
          AND event.kind = 'truncate'
          AND CASE WHEN (event.generation, event.partition)
                      = (newest.cdc_generation, newest.cdc_partition)
                   THEN (event."offset", event.ordinal) > (newest.cdc_offset, newest.cdc_ordinal)
                   ELSE coalesce(event.source_lsn > newest.source_lsn,
                                 event.captured_at AT TIME ZONE 'UTC' > newest.cdc_timestamp)
              END);

COMMENT ON VIEW public.orders_latest IS 'The orders that exist, each in its newest version.';
COMMENT ON COLUMN public.orders_latest.order_id IS 'The order.';
COMMENT ON COLUMN public.orders_latest.customer_id IS 'Who ordered.';
COMMENT ON COLUMN public.orders_latest.product_name IS 'What was ordered.';
COMMENT ON COLUMN public.orders_latest.amount IS 'What it costs, exact.';
COMMENT ON COLUMN public.orders_latest.status IS 'How far the order has come.';
COMMENT ON COLUMN public.orders_latest.created_at IS 'When the source says that the order was made.';
COMMENT ON COLUMN public.orders_latest.updated_at IS 'When the source says that the order was changed.';
COMMENT ON COLUMN public.orders_latest.processed_at IS 'When the version was written here.';
