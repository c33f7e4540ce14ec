-- Real input: the hourly temperatures of Seattle and San Francisco in 2010 (package vega-datasets).
-- A small feeder drops one day after the other into the directory that this source watches.
CREATE TABLE temperatures (
    city        STRING,
    observed_at TIMESTAMP(3),
    temperature DECIMAL(5, 1),
    arrived_at  AS PROCTIME()
) WITH (
    'connector' = 'filesystem',
    'path' = '${data}/sample/temperatures',
    'format' = 'csv',
    'source.monitor-interval' = '1 s'
);

CREATE TABLE daily_temperatures (
    city         STRING,
    `day`        STRING,
    readings     BIGINT,
    lowest       DECIMAL(5, 1),
    highest      DECIMAL(5, 1),
    total        DECIMAL(18, 1),
    processed_at TIMESTAMP(3)
) WITH (
    'connector' = 'filesystem',
    'path' = '${results}/daily-temperatures',
    'format' = 'json',
    'sink.rolling-policy.rollover-interval' = '10 s',
    'sink.rolling-policy.check-interval' = '5 s'
);

-- What arrived within five seconds, by city and day. Grouped by arrival, no reading is ever too late.
INSERT INTO daily_temperatures
SELECT city,
       DATE_FORMAT(observed_at, 'yyyy-MM-dd'),
       COUNT(*),
       MIN(temperature),
       MAX(temperature),
       CAST(SUM(temperature) AS DECIMAL(18, 1)),
       window_end
FROM TABLE(TUMBLE(TABLE temperatures, DESCRIPTOR(arrived_at), INTERVAL '5' SECOND))
GROUP BY window_start, window_end, city, DATE_FORMAT(observed_at, 'yyyy-MM-dd');
