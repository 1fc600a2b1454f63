-- Revenue by country and month from the event table alone, whose payloads are read as Avro here:
-- invoice, stock_code, description (a length and text each), quantity, unit_price (a length and
-- the pence, big-endian in two's complement), customer_id and country (0, or 1 and a text).
-- A payload begins behind five bytes, a zero and the id of its schema.
SELECT
    coalesce(
        CASE WHEN country.value = 1 THEN
            convert_from(substring(data FROM name.behind + 1 FOR name.value), 'UTF8')
        END,
        'unknown'
    ) AS country,
    date_trunc('month', timestamp AT TIME ZONE 'UTC')::date AS month,
    (sum(quantity.value * pence.value) / 100)::numeric(14, 2) AS revenue,
    count(*) AS line_count
FROM {event_table} AS event
CROSS JOIN LATERAL pg_temp.number_at(data, 5) AS invoice
CROSS JOIN LATERAL pg_temp.number_at(data, invoice.behind + invoice.value) AS stock_code
CROSS JOIN LATERAL pg_temp.number_at(data, stock_code.behind + stock_code.value) AS description
CROSS JOIN LATERAL pg_temp.number_at(data, description.behind + description.value) AS quantity
CROSS JOIN LATERAL pg_temp.number_at(data, quantity.behind) AS price
CROSS JOIN LATERAL (
    SELECT ('x' || lpad(
        encode(substring(data FROM price.behind + 1 FOR price.value), 'hex'), 16,
        CASE WHEN get_byte(data, price.behind) < 128 THEN '0' ELSE 'f' END
    ))::bit(64)::bigint::numeric AS value
) AS pence
CROSS JOIN LATERAL pg_temp.number_at(data, price.behind + price.value) AS customer_id
CROSS JOIN LATERAL pg_temp.number_at(data, customer_id.behind) AS customer
CROSS JOIN LATERAL pg_temp.number_at(
    data,
    CASE WHEN customer_id.value = 1 THEN customer.behind + customer.value
         ELSE customer_id.behind END
) AS country
CROSS JOIN LATERAL pg_temp.number_at(
    data, CASE WHEN country.value = 1 THEN country.behind ELSE 5 END
) AS name
GROUP BY 1, 2
