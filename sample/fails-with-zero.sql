-- This job starts well and fails after a few seconds. Look at the triangle beside its status.
CREATE TABLE numbers (
    n INT
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '1',
    'fields.n.kind' = 'sequence',
    'fields.n.start' = '1',
    'fields.n.end' = '1000'
);

CREATE TABLE results (
    n        INT,
    quotient INT
) WITH (
    'connector' = 'blackhole'
);

INSERT INTO results
SELECT n, 100 / (n - 5)
FROM numbers;
