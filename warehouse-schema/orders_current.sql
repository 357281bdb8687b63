-- The orders as they are in the source: the target of a table with mode = "mirror".

CREATE TABLE IF NOT EXISTS public.orders_current (
    order_id       integer       PRIMARY KEY,
    customer_id    integer       NOT NULL,
    product_name   varchar(255),
    amount         numeric(10,2),
    status         varchar(50),
    created_at     timestamp,
    updated_at     timestamp,
    cdc_generation integer       NOT NULL,
    cdc_offset     bigint        NOT NULL
);

ALTER TABLE public.orders_current ADD COLUMN IF NOT EXISTS cdc_partition integer;

COMMENT ON TABLE public.orders_current IS 'The orders as they are in the source.';
COMMENT ON COLUMN public.orders_current.cdc_generation IS 'With cdc_offset: the newest change that the row shows. Older changes leave it alone.';
COMMENT ON COLUMN public.orders_current.cdc_offset IS 'The offset of that change in its partition.';
COMMENT ON COLUMN public.orders_current.cdc_partition IS 'That partition. With several of them it says which rows a new snapshot should have shown.';
COMMENT ON COLUMN public.orders_current.order_id IS 'The order.';
COMMENT ON COLUMN public.orders_current.customer_id IS 'Who ordered.';
COMMENT ON COLUMN public.orders_current.product_name IS 'What was ordered.';
COMMENT ON COLUMN public.orders_current.amount IS 'What it costs, exact.';
COMMENT ON COLUMN public.orders_current.status IS 'How far the order has come.';
COMMENT ON COLUMN public.orders_current.created_at IS 'When the source says that the order was made.';
COMMENT ON COLUMN public.orders_current.updated_at IS 'When the source says that the order was changed.';
