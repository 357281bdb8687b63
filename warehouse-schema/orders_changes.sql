-- For queries that read the history directly and know nothing of deletes: inserted, updated and
-- snapshot rows only, with the columns of old.

CREATE OR REPLACE VIEW public.orders_changes AS
SELECT id, order_id, customer_id, product_name, amount, status, created_at, updated_at,
       cdc_timestamp, processed_at, operation_type
  FROM public.orders_fact
 WHERE operation_type IN ('c', 'u', 'r');

COMMENT ON VIEW public.orders_changes IS 'Inserted, updated and snapshot versions of orders, without deletes and lineage.';
COMMENT ON COLUMN public.orders_changes.order_id IS 'The order.';
COMMENT ON COLUMN public.orders_changes.customer_id IS 'Who ordered.';
COMMENT ON COLUMN public.orders_changes.product_name IS 'What was ordered.';
COMMENT ON COLUMN public.orders_changes.amount IS 'What it costs, exact.';
COMMENT ON COLUMN public.orders_changes.status IS 'How far the order has come.';
COMMENT ON COLUMN public.orders_changes.created_at IS 'When the source says that the order was made.';
COMMENT ON COLUMN public.orders_changes.updated_at IS 'When the source says that the order was changed.';
COMMENT ON COLUMN public.orders_changes.id IS 'A number for each row, in no order that means anything.';
COMMENT ON COLUMN public.orders_changes.cdc_timestamp IS 'When the capture saw the change, UTC.';
COMMENT ON COLUMN public.orders_changes.processed_at IS 'When the row was written here.';
COMMENT ON COLUMN public.orders_changes.operation_type IS 'c inserted, u updated, r read by a snapshot.';
