-- For queries that read the history directly and know nothing of deletes: inserted, updated and
-- snapshot rows only, with the columns of old.

CREATE OR REPLACE VIEW public.orders_changes AS
SELECT id, order_id, customer_id, product_name, amount, status, created_at, updated_at,
       cdc_timestamp, processed_at, operation_type
  FROM public.orders_fact
 WHERE operation_type IN ('c', 'u', 'r');

COMMENT ON VIEW public.orders_changes IS 'Inserted, updated and snapshot versions of orders, without deletes and lineage.';
