-- The source schema of the demo: what the application that owns `orders_db` would have created.
-- The compose file runs it when the source container is first started, the native stack at every
-- start; so it can be run again.

create table if not exists orders (
    order_id     serial primary key,
    customer_id  int not null,
    product_name varchar(255),
    amount       decimal(10, 2),
    status       varchar(50),
    created_at   timestamp default now(),
    updated_at   timestamp default now()
);

-- Updates and deletes carry the whole earlier row, not the key alone.
alter table orders replica identity full;
