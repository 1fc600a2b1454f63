CREATE TABLE orders (
    country STRING,
    total DECIMAL(12, 2),
    placed_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
    WATERMARK FOR placed_at AS placed_at - INTERVAL '10' SECOND
) WITH (
    'connector' = 'kafka',
    'topic' = '$orders',
    'properties.bootstrap.servers' = '$kafka',
    'properties.group.id' = '$job',
    'properties.isolation.level' = 'read_committed',
    'scan.startup.mode' = 'earliest-offset',
    'value.format' = 'avro-confluent',
    'value.avro-confluent.url' = '$registry'
);

CREATE TABLE revenue (
    country STRING NOT NULL,
    `minute` TIMESTAMP(3) NOT NULL,
    orders BIGINT NOT NULL,
    revenue DECIMAL(14, 2) NOT NULL,
    counted_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH (
    'connector' = 'kafka',
    'topic' = '$revenue',
    'properties.bootstrap.servers' = '$kafka',
    'properties.transaction.timeout.ms' = '900000',
    'sink.delivery-guarantee' = 'exactly-once',
    'sink.transactional-id-prefix' = '$job',
    'key.format' = 'raw',
    'key.fields' = 'country',
    'value.format' = 'avro-confluent',
    'value.avro-confluent.url' = '$registry',
    'value.avro-confluent.subject' = 'com.example.tea.RevenueCounted',
    'value.avro-confluent.schema' = '$schema'
);

INSERT INTO revenue
SELECT country, window_start, COUNT(*), CAST(SUM(total) AS DECIMAL(14, 2)), window_time
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(placed_at), INTERVAL '1' MINUTE))
WHERE total IS NOT NULL
GROUP BY country, window_start, window_end, window_time
