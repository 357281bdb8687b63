-- Sales by status over the orders that exist.

CREATE OR REPLACE VIEW public.sales_dashboard AS
SELECT status,
       count(*)        AS order_count,
       sum(amount)     AS total_revenue,
       avg(amount)     AS avg_order_value,
       max(updated_at) AS last_updated
  FROM public.orders_latest
 GROUP BY status;

COMMENT ON VIEW public.sales_dashboard IS 'Count, revenue and average value of the existing orders, per status.';
COMMENT ON COLUMN public.sales_dashboard.status IS 'How far the orders have come.';
COMMENT ON COLUMN public.sales_dashboard.order_count IS 'How many orders are in this status.';
COMMENT ON COLUMN public.sales_dashboard.total_revenue IS 'The sum of their amounts.';
COMMENT ON COLUMN public.sales_dashboard.avg_order_value IS 'The average of their amounts.';
COMMENT ON COLUMN public.sales_dashboard.last_updated IS 'The newest change of any of them, as the source says.';
