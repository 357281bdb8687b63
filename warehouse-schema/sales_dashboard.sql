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
