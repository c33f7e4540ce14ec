-- This draft has an error. Press "Check": Flink finds it and the editor marks its line.
CREATE TABLE orders (
    id     BIGINT,
    amount DECIMAL(10, 2)
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '5'
);

CREATE TABLE large_orders (
    id     BIGINT,
    amount DECIMAL(10, 2)
) WITH (
    'connector' = 'blackhole'
);

INSERT INTO large_orders
SELECT id, amuont
FROM orders
WHERE amount > 100;
