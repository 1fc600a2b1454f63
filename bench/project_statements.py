"""The table that both sides of bench/project.py write, and how."""

from __future__ import annotations

TABLE = """
CREATE TABLE IF NOT EXISTS revenue (
    country text PRIMARY KEY, revenue numeric(16, 2) NOT NULL, orders bigint NOT NULL
)"""
ADD_MANY = """
INSERT INTO revenue AS known SELECT * FROM unnest(%s::text[], %s::numeric[], %s::bigint[])
ON CONFLICT (country) DO UPDATE
SET revenue = known.revenue + excluded.revenue, orders = known.orders + excluded.orders"""
ADD_ONE = """
INSERT INTO revenue AS known VALUES (%s, %s, 1)
ON CONFLICT (country) DO UPDATE
SET revenue = known.revenue + excluded.revenue, orders = known.orders + 1"""
